package config

import (
	"strings"

	"docker-credential-cgr/spelling"
)

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
		if d := spelling.Distance(word, w); d < least {
			best, least = w, d
		}
	}
	return best
}
