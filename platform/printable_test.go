package platform

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestPrintable(t *testing.T) {
	const secret = "c2VjcmV0+token/of==x"
	tests := []struct{ name, text, want string }{
		{"plain", "permission denied: org/group", "permission denied: org/group"},
		{"other scripts", "é 中 𝄞", "é 中 𝄞"},
		{"I47 colour", "\x1b[31mred", `\x1b[31mred`},
		{"I47 clipboard", "\x1b]52;c;aGk=\a", `\x1b]52;c;aGk=\a`},
		{"I47 hyperlink", "\x1b]8;;http://evil\x1b\\x", `\x1b]8;;http://evil\x1b\x`},
		{"I47 C1 control", "\u009b31m", `\u009b31m`},
		{"I47 CR", "ok\rdocker: error", `ok\rdocker: error`},
		{"I47 LF", "ok\ndocker-credential-cgr: error", "ok docker-credential-cgr: error"},
		{"I47 TAB", "a\tb", "a b"},
		{"I47 NUL", "a\x00b", `a\x00b`},
		{"I47 backspace", "a\bb", `a\bb`},
		{"I47 DEL", "a\x7fb", `a\x7fb`},
		{"I47 line separator", "a\u2028b", `a\u2028b`},
		{"I47 bidi override", "a\u202eb", `a\u202eb`},
		{"I47 bidi isolate", "a\u2066b", `a\u2066b`},
		{"I47 direction mark", "a\u200fb", `a\u200fb`},
		{"I47 zero width", "a\u200bb", `a\u200bb`},
		{"I47 tag character", "a\U000e0041b", `a\U000e0041b`},
		{"I47 byte order mark", "a\ufeffb", `a\ufeffb`},
		{"I47 not UTF-8", "a\xffb", `a\ufffdb`},
		{"I47 300 runes", strings.Repeat("é", 300), strings.Repeat("é", 300)},
		{"I47 over 300 runes", strings.Repeat("é", 301), strings.Repeat("é", 300) + "…"},
		{"I81 a command of a CI log", "::set-output name=a::b", `:\:set-output name=a::b`},
		{"I81 more of its signs", "####[x]", `#\#\#\#[x]`},
		{"I81 behind blanks", " \t::stop-commands::x", `:\:stop-commands::x`},
		{"I81 anywhere in the line", "a ##[set-output name=a]b ##vso[task.setvariable]c", `a #\#[set-output name=a]b #\#vso[task.setvariable]c`},
		{"I48 the secret", "got " + secret + "!", "got [secret]!"},
		{"I48 the secret twice", secret + secret, "[secret][secret]"},
		{"I48 percent-encoded", "got c2VjcmV0%2Btoken%2Fof%3D%3Dx!", "got [secret]!"},
		{"I48 percent-encoded, lower case", "got c2VjcmV0%2btoken%2fof%3d%3dx!", "got [secret]!"},
		{"I48 percent-encoded in part", "got c2VjcmV0+token%2Fof==x!", "got [secret]!"},
		{"I48 in JSON with an escaped slash", `got {"t":"c2VjcmV0+token\/of==x"}`, `got {"t":"[secret]"}`},
		{"I48 in JSON with escaped signs", `got c2VjcmV0\u002btoken/of\u003d\u003dx`, "got [secret]"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := Printable(test.text, secret); got != test.want {
				t.Errorf("Printable(%q): got %q, want %q", test.text, got, test.want)
			}
		})
	}
	t.Run("I48 several", func(t *testing.T) {
		if got, want := Printable("first-secret second-secret", "first-secret", "second-secret"), "[secret] [secret]"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
	t.Run("I48 a secret across the cut", func(t *testing.T) {
		got := Printable(strings.Repeat("x", 290)+secret, secret)
		if strings.Contains(got, secret[:8]) {
			t.Errorf("got %q, want no part of the secret", got)
		}
	})
	t.Run("an address is no piece of a token", func(t *testing.T) {
		const address = "https://cgr.dev/token?scope=repository%3Achainguard%2Fpython%3Apull&service=127.0.0.1%3A44069"
		if got := Printable(address, secret); got != address {
			t.Errorf("got %q, want it whole", got)
		}
	})
	t.Run("too short to be a secret", func(t *testing.T) {
		if got := Printable("a token", "a"); got != "a token" {
			t.Errorf("got %q, want the words whole", got)
		}
	})
}

// No text of a server can drive a terminal, or give a secret away.
func FuzzPrintable(f *testing.F) {
	f.Add("plain", "c2VjcmV0+token/of==")
	f.Add("\x1b[31m\u202e\xff\u009b", "c2VjcmV0dG9rZW4")
	f.Add("echo c2VjcmV0+token/of==", "c2VjcmV0+token/of==")
	f.Add("echo c2VjcmV0%2Btoken%2Fof%3D%3D", "c2VjcmV0+token/of==")
	f.Add(strings.Repeat("é", 301), "c2VjcmV0+token/of==")
	f.Fuzz(func(t *testing.T, text, secret string) {
		got := Printable(text, secret)
		for _, r := range got {
			if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) || r == utf8.RuneError {
				t.Errorf("Printable(%q): got %q with %U in it", text, got, r)
			}
		}
		if strings.Contains(got, "##") || strings.HasPrefix(got, "::") {
			t.Errorf("Printable(%q): got %q, which the log of a CI job may take for a command", text, got)
		}
		// An escaped rune is 10 characters at most.
		if n := utf8.RuneCountInString(got); n > maxPrintable*10+1 {
			t.Errorf("Printable(%q): got %d runes, want %d escaped ones at most", text, n, maxPrintable)
		}
		if len(secret) < 8 || !isToken(secret) {
			return
		}
		// An escape of what stood there may spell anything, so texts that make
		// the secret without it are left out.
		if plain := Printable(text); strings.Contains(plain, secret) && !strings.Contains(text, secret) {
			return
		}
		for _, echo := range []string{text, secret + " " + text, text + " " + secret} {
			if got := Printable(echo, secret); strings.Contains(got, secret) {
				t.Errorf("Printable(%q): got %q, want %q not in it", echo, got, secret)
			}
		}
	})
}

// isToken says whether text is of the characters that a bearer token has
// (RFC 6750, section 2.1).
func isToken(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-._~+/=", r)
	})
}

func TestPrintableLines(t *testing.T) {
	for text, want := range map[string]string{
		"":                              "",
		" services:\n  a:\t1\r\n+\tb\n": " services:\n  a:\t1\n+\tb\n",
		"I81 +::a\n ::b\n\t::c ##[d]\n": "I81 +::a\n :\\:b\n\t:\\:c #\\#[d]\n",
		"I47 \x1b[31m\n\u202e\xff\n":    "I47 \\x1b[31m\n\\u202e\\ufffd\n",
		"I81 +a\r::set-output x\r\n":    "I81 +a\n:\\:set-output x\n",
		strings.Repeat("x", 400):        strings.Repeat("x", 400),
	} {
		if got := PrintableLines(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
