package pin

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestDiff(t *testing.T) {
	d := "@" + digest(1)
	for _, test := range []struct{ name, before, want string }{
		{"one line", "FROM cgr.dev/o/i:1\n", "@@ -1 +1 @@\n-FROM cgr.dev/o/i:1\n+FROM cgr.dev/o/i:1" + d + "\n"},
		{"no line end", "FROM cgr.dev/o/i:1", "@@ -1 +1 @@\n-FROM cgr.dev/o/i:1\n\\ No newline at end of file\n+FROM cgr.dev/o/i:1" + d + "\n\\ No newline at end of file\n"},
		{"line ends stay", "FROM cgr.dev/o/i:1\r\nUSER 1\r\n", "@@ -1,2 +1,2 @@\n-FROM cgr.dev/o/i:1\r\n+FROM cgr.dev/o/i:1" + d + "\r\n USER 1\r\n"},
		{"three lines around", "#1\n#2\n#3\n#4\nFROM cgr.dev/o/i:1\n#6\n#7\n#8\n#9\n",
			"@@ -2,7 +2,7 @@\n #2\n #3\n #4\n-FROM cgr.dev/o/i:1\n+FROM cgr.dev/o/i:1" + d + "\n #6\n #7\n #8\n"},
		{"lines side by side", "FROM cgr.dev/o/i:1\nFROM cgr.dev/o/i:1\n",
			"@@ -1,2 +1,2 @@\n-FROM cgr.dev/o/i:1\n-FROM cgr.dev/o/i:1\n+FROM cgr.dev/o/i:1" + d + "\n+FROM cgr.dev/o/i:1" + d + "\n"},
		{"six lines between are one hunk", "FROM cgr.dev/o/i:1\n" + strings.Repeat("#\n", 6) + "FROM cgr.dev/o/i:1\n",
			"@@ -1,8 +1,8 @@\n-FROM cgr.dev/o/i:1\n+FROM cgr.dev/o/i:1" + d + "\n" + strings.Repeat(" #\n", 6) + "-FROM cgr.dev/o/i:1\n+FROM cgr.dev/o/i:1" + d + "\n"},
		{"seven are two", "FROM cgr.dev/o/i:1\n" + strings.Repeat("#\n", 7) + "FROM cgr.dev/o/i:1\n",
			"@@ -1,4 +1,4 @@\n-FROM cgr.dev/o/i:1\n+FROM cgr.dev/o/i:1" + d + "\n" + strings.Repeat(" #\n", 3) +
				"@@ -6,4 +6,4 @@\n" + strings.Repeat(" #\n", 3) + "-FROM cgr.dev/o/i:1\n+FROM cgr.dev/o/i:1" + d + "\n"},
		{"a hunk behind one with two changes", strings.Repeat("FROM cgr.dev/o/i:1\n#\n", 2) + strings.Repeat("#\n", 6) + "FROM cgr.dev/o/i:1\n",
			"@@ -1,6 +1,6 @@\n" + strings.Repeat("-FROM cgr.dev/o/i:1\n+FROM cgr.dev/o/i:1"+d+"\n #\n", 2) + strings.Repeat(" #\n", 2) +
				"@@ -8,4 +8,4 @@\n" + strings.Repeat(" #\n", 3) + "-FROM cgr.dev/o/i:1\n+FROM cgr.dev/o/i:1" + d + "\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := setOf(t, map[string]string{"Dockerfile": test.before})
			if got := s.Diff(); got != "" {
				t.Errorf("got %q before anything was asked, want nothing", got)
			}
			if err := resolve(t, s, Options{}, map[string]string{"o/i:1": digest(1)}); err != nil {
				t.Fatal(err)
			}
			if got, want := s.Diff(), "--- a/Dockerfile\n+++ b/Dockerfile\n"+test.want; got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if got := content(t, "Dockerfile"); got != test.before {
				t.Errorf("got %q, want that the file stays %q", got, test.before)
			}
		})
	}
}

func TestDiffPath(t *testing.T) {
	absolute, err := filepath.Abs("/x/Dockerfile") // with a drive on Windows
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"Dockerfile": "a/Dockerfile", "a b/Dockerfile": "a/a b/Dockerfile\t", "../Dockerfile": "../Dockerfile", absolute: filepath.ToSlash(absolute),
		"a\nb/Dockerfile": `"a/a\nb/Dockerfile"`, `a"b`: `"a/a\"b"`, "é": "a/é",
	} {
		if got := diffPath("a", path); got != want {
			t.Errorf("%q: got %s, want %s", path, got, want)
		}
	}
}
