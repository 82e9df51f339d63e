package openurl

import (
	"runtime"
	"slices"
	"strings"
	"testing"
)

func TestBrowserCommand(t *testing.T) {
	t.Setenv("PATH", t.TempDir()) // no entry is the name of a program
	const target = "https://issuer.example/oauth?a=b%20c&d=$(id)"
	tests := []struct {
		name, entry string
		want        []string
	}{
		{"I25 name", "firefox", []string{"firefox", target}},
		{"I25 arguments", "firefox --new-window  -P x", []string{"firefox", "--new-window", "-P", "x", target}},
		{"I25 placeholder", "firefox %s --new-window", []string{"firefox", target, "--new-window"}},
		{"I25 placeholder in a word", "open -u=%s", []string{"open", "-u=" + target}},
		{"I25 placeholder in quotes", `open "%s"`, []string{"open", target}},
		{"I25 shell syntax is words", "firefox; rm -rf $HOME &", []string{"firefox;", "rm", "-rf", "$HOME", "&", target}},
		{"I25 blanks alone", "  ", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := browserCommand(test.entry, target)
			if err != nil || !slices.Equal(got, test.want) {
				t.Errorf("got %q, %v, want %q", got, err, test.want)
			}
		})
	}
}

// Entries are split as a shell splits them; what is not complete is an error.
func TestBrowserCommandQuotes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("on Windows a backslash is part of a path")
	}
	t.Setenv("PATH", t.TempDir())
	for entry, want := range map[string][]string{
		`"/x/Program Files/y" -p`:  {"/x/Program Files/y", "-p", "URL"},
		`/x/Program\ Files/y '%s'`: {"/x/Program Files/y", "URL"},
		`a "b`:                     nil,
		`a\`:                       nil,
		`''`:                       nil,
	} {
		got, err := browserCommand(entry, "URL")
		if (err != nil) != (want == nil) || !slices.Equal(got, want) {
			t.Errorf("I25 %s: got %q, %v, want %q", entry, got, err, want)
		}
	}
}

// FuzzBrowserCommand checks that quoted words stay as they are.
func FuzzBrowserCommand(f *testing.F) {
	f.Add("firefox", "-P a b")
	f.Add(`it's`, `"\`)
	f.Add("x", "\x00é\xff")
	f.Fuzz(func(t *testing.T, a, b string) {
		_, _ = browserCommand(a, b) // must not panic
		quote := func(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }
		got, err := browserCommand(quote("/no such program"+a)+" "+quote(b), "URL")
		want := []string{strings.ReplaceAll("/no such program"+a, "%s", "URL"), strings.ReplaceAll(b, "%s", "URL")}
		if !strings.Contains(a+b, "%s") {
			want = append(want, "URL")
		}
		if runtime.GOOS != "windows" && !strings.Contains(a+b, "\x00") && (err != nil || !slices.Equal(got, want)) {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	})
}
