package pin

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestIgnore goes through the table that the end-to-end tests hold against git.
func TestIgnore(t *testing.T) {
	table, err := os.ReadFile("testdata/gitignore.txt")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(table)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		n++
		text, rest := unquoted(t, line)
		path, verdict := unquoted(t, rest)
		want := strings.Fields(verdict)[0] == "ignored"
		if got := ignored(text, path, false); got != want {
			t.Errorf("%q with %q: got ignored %t, want %t", text, path, got, want)
		}
	}
	if n < 250 {
		t.Errorf("got %d pairs, want 250 at least", n)
	}
}

// unquoted takes the quoted text off the front of line.
func unquoted(t *testing.T, line string) (text, rest string) {
	t.Helper()
	line = strings.TrimLeft(line, " ")
	quoted, err := strconv.QuotedPrefix(line)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	text, err = strconv.Unquote(quoted)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return text, line[len(quoted):]
}

// ignored says whether the path, or one of its folders, is left out by the text of a
// .gitignore file beside it.
func ignored(text, path string, fold bool) bool {
	w := walker{fold: fold}
	r := &rules{patterns: parsePatterns(text, fold)}
	for i := range len(path) {
		if path[i] == '/' && r.ignore(w.cased(path[:i]), true) {
			return true
		}
	}
	return !strings.HasSuffix(path, "/") && r.ignore(w.cased(path), false)
}

func TestIgnoreWithoutLetterCase(t *testing.T) {
	for _, tt := range []struct {
		text, path string
		want       bool
	}{
		{"Build/", "BUILD/a.yaml", true},
		{"build", "Build/a.yaml", true},
		{"/A/*.YAML", "a/b.yaml", true},
		{"[Bb]in", "BIN", true},
		{"[B]in", "bin", true},
		{"[!B]in", "bin", false},
		{"[A-C]x", "bX", true},
		{"[[:upper:]]x", "bx", true},
		{"[[:lower:]]x", "BX", true},
		{`\A`, "a", true},
		{"a", "b", false},
	} {
		if got := ignored(tt.text, tt.path, true); got != tt.want {
			t.Errorf("%q with %q: got ignored %t, want %t", tt.text, tt.path, got, tt.want)
		}
	}
}

// Patterns that make a matcher with two ways at each star try them all.
func TestIgnoreInBoundedTime(t *testing.T) {
	long := strings.Repeat("a", 4000)
	deep := strings.Repeat("a/", 2000) + "a"
	for _, tt := range []struct{ text, path string }{
		{strings.Repeat("a*", 1000) + "b", long},
		{strings.Repeat("*a", 1000) + "b", long},
		{"/" + strings.Repeat("a*", 1000) + "b", long},
		{strings.Repeat("**/a/", 1000) + "b", deep},
		{strings.Repeat("**/*a*/", 1000) + "b", deep},
		{strings.Repeat("*/**/", 1000) + "b", deep},
		{strings.Repeat("[!b]*", 1000) + "b", long},
		{strings.Repeat("*", 100_000) + "b", long},
	} {
		patterns := parsePatterns(tt.text, false)
		if len(patterns) != 1 {
			t.Fatalf("%.20q: got %d patterns, want 1", tt.text, len(patterns))
		}
		start := time.Now()
		if patterns[0].match(tt.path) {
			t.Errorf("%.20q: got a match, want none", tt.text)
		}
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("%.20q: it took %v, want milliseconds", tt.text, took)
		}
	}
}

// matchSlowly is the plain meaning of a glob: every way is tried.
func (g glob) matchSlowly(path string) bool {
	if len(g) == 0 {
		return path == ""
	}
	switch t := g[0]; t.kind {
	case rest:
		return true
	case star:
		return g[1:].matchSlowly(path) || path != "" && path[0] != '/' && g.matchSlowly(path[1:])
	case folders:
		if g[1:].matchSlowly(path) {
			return true
		}
		_, below, ok := strings.Cut(path, "/")
		return ok && g.matchSlowly(below)
	default:
		return path != "" && t.takes(path[0]) && g[1:].matchSlowly(path[1:])
	}
}

func FuzzIgnore(f *testing.F) {
	table, err := os.ReadFile("testdata/gitignore.txt")
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.Lines(string(table)) {
		if fields := strings.Fields(line); strings.HasPrefix(line, `"`) && len(fields) >= 3 {
			text, _ := strconv.Unquote(fields[0])
			path, _ := strconv.Unquote(fields[1])
			f.Add(text, path, len(text)%2 == 0)
		}
	}
	f.Add("a*a*a*a*a*a*a*a*a*a*a*a*b", strings.Repeat("a", 60), false)
	f.Add("**/a/**/*/**/b", "a/a/a/a/a/a", true)
	f.Fuzz(func(t *testing.T, text, path string, fold bool) {
		path = (&walker{fold: fold}).cased(path)
		start := time.Now()
		patterns := parsePatterns(text, fold)
		r := &rules{patterns: patterns}
		asFolder, asFile := r.ignore(path, true), r.ignore(path, false)
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%q with %q took %v", text, path, took)
		}
		if !slices.ContainsFunc(patterns, func(p pattern) bool { return p.folder }) && asFolder != asFile {
			t.Errorf("%q with %q: got ignored %t as a folder and %t as a file, want the same", text, path, asFolder, asFile)
		}
		if len(text) > 12 || len(path) > 24 {
			return
		}
		for _, p := range patterns {
			if got, want := p.match(path), p.matchSlowly(path); got != want {
				t.Errorf("%q with %q: got a match %t, want %t", text, path, got, want)
			}
		}
	})
}
