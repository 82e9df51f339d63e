package spelling

import (
	"slices"
	"strings"
	"testing"
)

func TestNear(t *testing.T) {
	for _, test := range []struct {
		word  string
		words []string
		want  []string
	}{
		{"3.14-dve", []string{"latest", "3.13-dev", "3.14", "latest-dev", "3.14-dev", "2"}, []string{"3.14-dev", "3.14", "3.13-dev"}},
		{"13.13", []string{"1", "3.13", "2"}, []string{"3.13", "1", "2"}},
		{"LATSET", []string{"3.13", "Latest", "latest-dev"}, []string{"Latest", "latest-dev", "3.13"}},
		{"a", []string{"a", "a", "b"}, []string{"a", "b"}},
		{"", []string{"abc", "x"}, []string{"x", "abc"}},
		{"x", []string{strings.Repeat("x", maxWord+1)}, nil},
		{"x", nil, nil},
	} {
		t.Run(test.word, func(t *testing.T) {
			if got := Near(test.word, test.words); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	t.Run("a long word is cut", func(t *testing.T) {
		long := strings.Repeat("x", 1<<20)
		if got := Near(long, []string{"a", long[:maxWord]}); got[0] != long[:maxWord] {
			t.Errorf("got %.9q first, want the one with the same beginning", got)
		}
	})
}

func TestDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"kitten", "sitting", 3}, {"3.14-dve", "3.14-dev", 2}, {"é", "e", 2},
	} {
		if got := Distance(test.a, test.b); got != test.want {
			t.Errorf("Distance(%q, %q): got %d, want %d", test.a, test.b, got, test.want)
		}
	}
}

// Distance is a metric.
func FuzzDistance(f *testing.F) {
	f.Add("kitten", "sitting", "mitten")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		if len(a)+len(b)+len(c) > 300 {
			return
		}
		ab, ba, bc, ac := Distance(a, b), Distance(b, a), Distance(b, c), Distance(a, c)
		if ab != ba || (ab == 0) != (a == b) || ac > ab+bc || ab > max(len(a), len(b)) {
			t.Errorf("%q %q %q: got %d, %d, %d, %d, want a metric", a, b, c, ab, ba, bc, ac)
		}
	})
}
