// Package spelling finds known words that are similar to an unknown one.
package spelling

import (
	"cmp"
	"slices"
	"strings"
)

// maxWord is how many bytes of a word are compared, since comparing takes quadratic time.
const maxWord = 256

// Near returns at most three of words, each once, that are most similar to word, the most
// similar first. It ignores case, and prefers words with the same beginning: names usually
// differ at their end.
func Near(word string, words []string) []string {
	type candidate struct {
		word             string
		distance, common int
	}
	word = strings.ToLower(word[:min(len(word), maxWord)])
	var candidates []candidate
	seen := map[string]bool{}
	for _, w := range words {
		if len(w) > maxWord || seen[w] {
			continue
		}
		seen[w] = true
		lower := strings.ToLower(w)
		candidates = append(candidates, candidate{w, Distance(word, lower), commonPrefix(word, lower)})
	}
	slices.SortStableFunc(candidates, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.distance-a.common, b.distance-b.common), cmp.Compare(b.common, a.common))
	})
	var near []string
	for _, c := range candidates[:min(3, len(candidates))] {
		near = append(near, c.word)
	}
	return near
}

func commonPrefix(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// Distance returns how many bytes to add, drop or change to make b of a (Levenshtein).
func Distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0] // above and to the left of row[j+1]
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
