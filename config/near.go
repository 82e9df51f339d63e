package config

import "strings"

// nearest gives the one of words that is spelled most like word, or "" where none
// is alike. The last part of a property's name stands for the whole.
func nearest(word string, words []string) string {
	word = strings.ReplaceAll(strings.ToLower(strings.TrimSpace(word)), "_", "-")
	if word == "" || len(word) > 64 {
		return ""
	}
	best, least := "", (len(word)+2)/3+1
	for _, w := range words {
		if w == "" {
			continue
		}
		if strings.HasSuffix(w, "."+word) {
			return w
		}
		if d := distance(word, w); d < least {
			best, least = w, d
		}
	}
	return best
}

// distance counts the letters to add, drop or change that make a into b
// (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0] // the one above and left of row[j]
		row[0] = i + 1
		for j := range len(b) {
			change := corner
			if a[i] != b[j] {
				change++
			}
			corner = row[j+1]
			row[j+1] = min(change, row[j]+1, corner+1)
		}
	}
	return row[len(b)]
}
