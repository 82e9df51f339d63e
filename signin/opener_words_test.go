package signin

import (
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

func TestSplitWords(t *testing.T) {
	tests := []struct {
		name, text    string
		posix, window []string // nil: an error
	}{
		{"blanks", " a  b\tc ", []string{"a", "b", "c"}, []string{"a", "b", "c"}},
		{"double quotes", `"a b"c ""`, []string{"a bc", ""}, []string{"a bc", ""}},
		{"single quotes", `'a b' c`, []string{"a b", "c"}, []string{"'a", "b'", "c"}},
		{"an apostrophe", `it's`, nil, []string{"it's"}},
		{"backslash and blank", `a\ b`, []string{"a b"}, []string{`a\`, "b"}},
		{"a path of Windows", `C:\x\y.exe -p`, []string{"C:xy.exe", "-p"}, []string{`C:\x\y.exe`, "-p"}},
		{"a path of Windows in quotes", `"C:\Program Files\y.exe" -p`, []string{`C:\Program Files\y.exe`, "-p"}, []string{`C:\Program Files\y.exe`, "-p"}},
		{"escapes between double quotes", `"\"\\\$\x"`, []string{`"\$\x`}, nil},
		{"no escapes between single quotes", `'\'`, []string{`\`}, []string{`'\'`}},
		{"nothing is replaced", "$HOME `id` $(id) ~ *", []string{"$HOME", "`id`", "$(id)", "~", "*"}, []string{"$HOME", "`id`", "$(id)", "~", "*"}},
		{"an open quote", `a "b`, nil, nil},
		{"a backslash at the end", `a\`, nil, []string{`a\`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for windows, want := range map[bool][]string{false: test.posix, true: test.window} {
				got, err := splitWords(test.text, windows)
				if (err != nil) != (want == nil) || !slices.Equal(got, want) {
					t.Errorf("I25 Windows %t: got %q, %v, want %q", windows, got, err, want)
				}
			}
		})
	}
}

// FuzzSplitWords: whatever is quoted comes out as it was.
func FuzzSplitWords(f *testing.F) {
	f.Add("firefox", "-P a b")
	f.Add(`it's`, `"\`)
	f.Add("", "\x00é\xff")
	f.Add("\xc5", "\xb5")
	f.Fuzz(func(t *testing.T, a, b string) {
		_, _ = splitWords(a, false) // which must not panic
		_, _ = splitWords(a, true)
		quote := func(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }
		got, err := splitWords(quote(a)+" "+quote(b), false)
		if err != nil || !slices.Equal(got, []string{a, b}) {
			t.Errorf("got %q, %v, want %q", got, err, []string{a, b})
		}
	})
}
