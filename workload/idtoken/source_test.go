package idtoken

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"docker-credential-cgr/platform"
)

// jwt stands for an ID token. No error may show any of it.
const jwt = "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJpc3N1ZXIuZW5mb3JjZS5kZXYifQ.c2lnbmF0dXJlLXNpZ25hdHVyZS1zaWduYXR1cmU"

// texts are what a source may hold: the token that comes of it, or words of the error.
var texts = []struct{ name, text, token, err string }{
	{"plain", jwt, jwt, ""},
	{"I22 LF", jwt + "\n", jwt, ""},
	{"I22 CRLF", jwt + "\r\n", jwt, ""},
	{"I22 two line ends", jwt + "\n\n", "", "control character"},
	{"I22 CR alone", jwt + "\r", "", "control character"},
	{"I22 two lines", jwt + "\n" + jwt, "", "control character"},
	{"I22 empty", "", "", "empty"},
	{"I22 a line end alone", "\r\n", "", "empty"},
	{"I22 blanks alone", "  \n", "", "empty"},
	{"I22 byte order mark", "\ufeff" + jwt, "", "not UTF-8 text"},
	{"I22 UTF-16", "\xff\xfee\x00y\x00J\x00", "", "not UTF-8 text"},
	{"I22 binary", "\x7fELF\x02\x01" + jwt, "", "control character"},
	{"I22 not UTF-8", jwt + "\xff", "", "not UTF-8 text"},
	{"I49 NUL", jwt + "\x00", "", "control character"},
	{"I49 C1", jwt + "\u009b", "", "control character"},
	{"I49 tab", jwt + "\t" + jwt, "", "control character"},
	{"I49 opaque, with space, quote and non-ASCII", `opaque "töken" /+=`, `opaque "töken" /+=`, ""},
	{"I49 the longest", strings.Repeat("x", platform.MaxToken) + "\r\n", strings.Repeat("x", platform.MaxToken), ""},
	{"I49 over 64 KiB", strings.Repeat("x", platform.MaxToken+1), "", "over 64 KiB"},
	{"I22 10 MB", strings.Repeat("x", 10<<20), "", "over 64 KiB"},
}

// wants checks a token and its error against what is wanted, and that the error is
// one line which quotes nothing.
func wants(t *testing.T, token string, err error, wantToken, wantErr string) {
	t.Helper()
	if token != wantToken {
		t.Errorf("token: got %.80q, want %.80q", token, wantToken)
	}
	if wantErr == "" {
		if err != nil {
			t.Errorf("error: got %v, want none", err)
		}
		return
	}
	if err == nil || !strings.Contains(err.Error(), wantErr) {
		t.Fatalf("error: got %v, want %q in it", err, wantErr)
	}
	if text := err.Error(); strings.Contains(text, jwt[:8]) || strings.ContainsFunc(text, unicode.IsControl) || len(text) > 600 {
		t.Errorf("error: got %q, want one line without the token", text)
	}
}

func TestFile(t *testing.T) {
	for _, test := range texts {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "token")
			write(t, path, test.text)
			token, err := File(path).Token(t.Context())
			wants(t, token, err, test.token, test.err)
		})
	}
	t.Run("I22 rotated", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "token")
		write(t, path, "first\n")
		source := File(path)
		for _, want := range []string{"first", "second"} {
			write(t, path, want+"\n")
			token, err := source.Token(t.Context())
			wants(t, token, err, want, "")
		}
	})
	t.Run("the path is absolute, and good in another folder", func(t *testing.T) {
		dir := t.TempDir()
		t.Chdir(dir)
		write(t, "token", jwt)
		source := File("token")
		t.Chdir(t.TempDir())
		token, err := source.Token(t.Context())
		wants(t, token, err, jwt, "")
		if !filepath.IsAbs(source.Path) || filepath.Base(source.Path) != "token" {
			t.Errorf("Path: got %q, want the file's absolute path", source.Path)
		}
		if want := "the file " + source.Path; source.Name != want {
			t.Errorf("Name: got %q, want %q", source.Name, want)
		}
	})
	t.Run("missing", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "token")
		token, err := File(path).Token(t.Context())
		wants(t, token, err, "", "no ID token from the file "+path+": ")
	})
	t.Run("a folder", func(t *testing.T) {
		token, err := File(t.TempDir()).Token(t.Context())
		wants(t, token, err, "", "it is not a regular file")
	})
	t.Run("a device", func(t *testing.T) {
		token, err := File(os.DevNull).Token(t.Context())
		wants(t, token, err, "", "it is not a regular file")
	})
}

func TestVariable(t *testing.T) {
	for _, test := range texts {
		t.Run(test.name, func(t *testing.T) {
			source, err := Variable("ID_TOKEN", variables{"ID_TOKEN": test.text}.get)
			if err != nil {
				t.Fatal(err)
			}
			token, err := source.Token(t.Context())
			wantErr := test.err
			if test.text == "" {
				wantErr = "the variable ID_TOKEN is not set"
			}
			wants(t, token, err, test.token, wantErr)
		})
	}
	for _, name := range []string{"", "$ID_TOKEN", "ID TOKEN", "1TOKEN", "TOKEN=x", jwt, strings.Repeat("X", 65), "TÖKEN"} {
		t.Run("I21 no name: "+name, func(t *testing.T) {
			_, err := Variable(name, variables{}.get)
			wants(t, "", err, "", "the name alone")
		})
	}
}

func TestCheck(t *testing.T) {
	for _, test := range texts {
		t.Run(test.name, func(t *testing.T) {
			token, err := Check("it", test.text)
			wants(t, token, err, test.token, test.err)
		})
	}
}

func TestReader(t *testing.T) {
	for _, test := range texts {
		t.Run(test.name, func(t *testing.T) {
			source := Reader(strings.NewReader(test.text))
			for range 2 { // the second one has nothing left to read
				token, err := source.Token(t.Context())
				wants(t, token, err, test.token, test.err)
			}
		})
	}
	t.Run("endless", func(t *testing.T) {
		token, err := Reader(endless{}).Token(t.Context())
		wants(t, token, err, "", "over 64 KiB")
	})
	t.Run("broken", func(t *testing.T) {
		r, w := io.Pipe()
		w.CloseWithError(errors.New("torn\x1b[2J"))
		token, err := Reader(r).Token(t.Context())
		wants(t, token, err, "", "no ID token from standard input: torn")
	})
	t.Run("never ends", func(t *testing.T) {
		r, w := io.Pipe()
		defer w.Close()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		token, err := Reader(r).Token(ctx)
		wants(t, token, err, "", "standard input")
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error: got %v, want one that is context.Canceled", err)
		}
	})
}

// endless is a stream without an end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// variables is an environment.
type variables map[string]string

func (v variables) get(name string) string { return v[name] }

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// FuzzToken: whatever a source holds, a token is that text but for one line end,
// and can travel in a header; an error says nothing of the text.
func FuzzToken(f *testing.F) {
	for _, test := range texts {
		if len(test.text) < 1000 {
			f.Add(test.text)
		}
	}
	plain := map[string]bool{}
	for _, text := range []string{"", "x\nx", "\xff\xfe", "\ufeff", "\xff", strings.Repeat("x", platform.MaxToken+1)} {
		_, err := Check("it", text)
		plain[err.Error()] = true
	}
	f.Fuzz(func(t *testing.T, text string) {
		token, err := Check("it", text)
		if err != nil {
			if token != "" || !plain[err.Error()] {
				t.Errorf("%q: got %q and error %q, want no token and one of the known sentences", text, token, err)
			}
			return
		}
		if text != token && text != token+"\n" && text != token+"\r\n" {
			t.Errorf("%q: got %q, want the text without one line end", text, token)
		}
		if token == "" || len(token) > platform.MaxToken || platform.HasControl(token) {
			t.Errorf("%q: got %q, which no header can carry", text, token)
		}
	})
}

// wantsPlain checks that an error is one line of bounded length.
func wantsPlain(t *testing.T, err error) {
	t.Helper()
	if text := err.Error(); strings.ContainsFunc(text, unicode.IsControl) || len(text) > 4000 {
		t.Errorf("got %q, want one line without control characters", text)
	}
}
