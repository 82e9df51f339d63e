package pin

import (
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/aymanbagabas/go-udiff"
)

// hunkHeader matches the header of a hunk. In a diff, lines of a file have a byte before them.
var hunkHeader = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?m)^@@ -(\S+) \+\S+ @@$`) })

// Diff returns what Write would change as a unified diff for `git apply` or `patch -p1`, or
// "" if nothing changes. Its lines are those of the files and may contain control characters.
func (s *Set) Diff() string {
	var out strings.Builder
	for _, f := range s.files {
		before, after := diffPath("a", f.path), diffPath("b", f.path)
		diff := udiff.Unified(before, after, string(f.text), string(f.newText()))
		// Behind a hunk with several changes, udiff 0.4.1 miscounts the new lines. They have the
		// numbers of the old ones, since no line is added or removed.
		out.WriteString(hunkHeader().ReplaceAllString(diff, "@@ -$1 +$1 @@"))
	}
	return out.String()
}

// diffPath returns a file's name for the header of a diff, quoted if necessary.
func diffPath(side, path string) string {
	path = strings.TrimPrefix(filepath.ToSlash(path), "./")
	if !filepath.IsAbs(path) && !strings.HasPrefix(path, "../") {
		path = side + "/" + path
	}
	if strings.ContainsAny(path, "\"\\\x7f") || strings.ContainsFunc(path, func(r rune) bool { return r < ' ' }) {
		return strconv.Quote(path) // git and patch read most of its escapes
	}
	if strings.Contains(path, " ") {
		return path + "\t" // without a tab at its end, patch cuts the name at the space
	}
	return path
}
