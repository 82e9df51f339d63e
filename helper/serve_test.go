package helper

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/docker/docker-credential-helpers/credentials"

	"docker-credential-cgr/token"
)

// notFoundLine is the library's constant text, which clients compare with.
var notFoundLine = credentials.NewErrCredentialsNotFound().Error() + "\n"

func TestNotFoundText(t *testing.T) {
	f := newFixture(t, nil)
	for _, server := range []string{"cgr.dev", "evil.example"} {
		out, code := f.serve("get", server)
		if !credentials.IsErrCredentialsNotFoundMessage(out) || code != 1 {
			t.Errorf("T10 get %s: got %q, exit %d, want the library's text, exit 1", server, out, code)
		}
		if want := "credentials not found in native keychain\n"; out != want {
			t.Errorf("T10 get %s: got %q, want %q", server, out, want)
		}
	}
	if len(f.said) != 1 || !strings.Contains(f.said[0], "no terminal") {
		t.Errorf("got %q on standard error, want one warning, for our registry, with the reason", f.said)
	}
}

// A foreign server is not found before any store is touched.
func TestForeign(t *testing.T) {
	for _, server := range []string{
		"cgr.dev@evil.example", "evil.example/cgr.dev", "cgr.dev.evil.example", "xcgr.dev", "cgr.dev:443@evil.example", "//cgr.dev",
		`cgr.dev\evil.example`, "cgr.dev#x", "cgr.dev:8443", "http://cgr.dev", "cgr.dev.", "cgr%2edev", "cgr。dev",
		"\u00a0cgr.dev", "cgr.dev\u3000", "\u2003https://cgr.dev\u2003",
	} {
		t.Run(fmt.Sprintf("I5 %q", server), func(t *testing.T) {
			f := newFixture(t, map[string]string{"CHAINGUARD_IDENTITY_ID": "org/id", "CHAINGUARD_TOKEN": "pull-token-pull-token"})
			f.want("get", server+"\n", notFoundLine, 1)
			f.want("erase", server+"\n", "", 0)
			if f.opened != 0 {
				t.Errorf("P2 got the session opened %d times, want none", f.opened)
			}
		})
	}
}

func TestRefusedInput(t *testing.T) {
	for name, input := range map[string]string{
		"I1 line end inside":   "cgr.d\nev",
		"I1 second line":       "cgr.dev\nevil.example",
		"I2 NUL":               "cgr.dev\x00",
		"I2 lone CR":           "cgr.dev\r",
		"I8 byte order mark":   "\ufeffcgr.dev",
		"I8 empty":             "",
		"I8 blanks":            "  \n",
		"I9 a line of 64 KiB":  strings.Repeat("a", 64<<10+1),
		"I9 10 MB":             strings.Repeat("a", 10<<20),
		"I9 10 MB after a LF":  "cgr.dev\n" + strings.Repeat("\n", 10<<20),
		"I2 terminal sequence": "\x1b]52;c;aGk=\x07",
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, map[string]string{"CHAINGUARD_IDENTITY_ID": "org/id", "CHAINGUARD_TOKEN": "pull-token-pull-token"})
			for _, verb := range []string{"get", "erase"} {
				out, code := f.serve(verb, input)
				if code != 1 || strings.Contains(out, "pull-token") || credentials.IsErrCredentialsNotFoundMessage(out) {
					t.Errorf("%s: got %q, exit %d, want a refusal, exit 1", verb, out, code)
				}
				if line := strings.TrimSuffix(out, "\n"); line == "" || strings.ContainsAny(line, "\n\r\x00\x1b") {
					t.Errorf("%s: got %q, want one line", verb, out)
				}
			}
			if f.opened != 0 {
				t.Errorf("got the session opened %d times, want none", f.opened)
			}
		})
	}
	t.Run("I8 nothing left is the library's error", func(t *testing.T) {
		f := newFixture(t, nil)
		for _, input := range []string{"", "\n", " \r\n"} {
			f.want("get", input, credentials.NewErrCredentialsMissingServerURL().Error()+"\n", 1)
		}
		f.want("store", "", credentials.NewErrCredentialsMissingServerURL().Error()+"\n", 1)
	})
}

func TestStore(t *testing.T) {
	t.Run("I11 the token that we gave is not kept as a stored one", func(t *testing.T) {
		f := newFixture(t, nil)
		first := f.signsIn("subject-a")
		f.want("get", "cgr.dev", answer("cgr.dev", token.Username, first), 0)
		for _, secret := range []string{first, f.accessToken("subject-a")} {
			f.want("store", pair(t, "cgr.dev", token.Username, secret), "", 0)
			s, err := f.session("", true)
			if err != nil {
				t.Fatal(err)
			}
			c, err := s.Credential(t.Context(), "cgr.dev", true)
			if err != nil || c.UserStored || c.Secret != first {
				t.Errorf("got stored %v, secret %q, %v, want the session's own %q", c.UserStored, c.Secret, err, first)
			}
		}
	})
	t.Run("another account's token is kept", func(t *testing.T) {
		f := newFixture(t, nil)
		f.signsIn("subject-a")
		f.serve("get", "cgr.dev")
		other := f.accessToken("subject-b")
		f.want("store", pair(t, "cgr.dev", token.Username, other), "", 0)
		f.want("get", "cgr.dev", answer("cgr.dev", token.Username, other), 0)
	})
	t.Run("I12 what is refused leaves the old value", func(t *testing.T) {
		f := newFixture(t, nil)
		f.want("store", pair(t, "cgr.dev", "org/id", "old-secret"), "", 0)
		for name, input := range map[string]string{
			"I12 empty user":     pair(t, "cgr.dev", "", "new-secret"),
			"I12 empty secret":   pair(t, "cgr.dev", "org/id", ""),
			"I12 1 MB":           pair(t, "cgr.dev", "org/id", strings.Repeat("new-secret", 100_000)),
			"I12 line end":       pair(t, "cgr.dev", "org/id", "new-secret\n"),
			"I12 identity token": pair(t, "cgr.dev", "<token>", "new-secret"),
			"I10 a name twice":   `{"ServerURL":"cgr.dev","Username":"x","username":"y","Secret":"new-secret"}`,
			"I43 expired JWT":    pair(t, "cgr.dev", "org/id", "e30.eyJleHAiOjF9.c2ln"),
		} {
			out, code := f.serve("store", input)
			if code != 1 || strings.Count(out, "\n") != 1 || strings.Contains(out, "new-secret") {
				t.Errorf("%s: got %q, exit %d, want one line without the secret, exit 1", name, out, code)
			}
			f.want("get", "cgr.dev", answer("cgr.dev", "org/id", "old-secret"), 0)
		}
	})
	t.Run("I12 quotes and brackets are kept", func(t *testing.T) {
		f := newFixture(t, nil)
		f.want("store", pair(t, "cgr.dev", "org/id", `a"b\c<d>&`), "", 0)
		f.want("get", "cgr.dev", `{"ServerURL":"cgr.dev","Username":"org/id","Secret":"a\"b\\c\u003cd\u003e\u0026"}`+"\n", 0)
	})
	t.Run("I12 a secret of 60 KB full of brackets", func(t *testing.T) {
		f := newFixture(t, nil)
		secret := strings.Repeat("<", 60_000)
		f.want("store", `{"ServerURL":"cgr.dev","Username":"org/id","Secret":"`+secret+`"}`, "", 0)
		if out, code := f.serve("get", "cgr.dev"); code != 0 || strings.Count(out, `\u003c`) != len(secret) {
			t.Errorf("got %d bytes, exit %d, want the secret whole", len(out), code)
		}
	})
	t.Run("I13 foreign host", func(t *testing.T) {
		f := newFixture(t, nil)
		out, code := f.serve("store", pair(t, "https://index.docker.io/v1/", "me", "new-secret"))
		if code != 1 || !strings.Contains(out, "index.docker.io") || strings.Contains(out, "new-secret") {
			t.Errorf("got %q, exit %d, want the server named, exit 1", out, code)
		}
		if f.opened != 0 {
			t.Errorf("got the session opened %d times, want none", f.opened)
		}
	})
	t.Run("P8 the same twice", func(t *testing.T) {
		f := newFixture(t, nil)
		for range 2 {
			f.want("store", pair(t, "cgr.dev", "org/id", "some-secret"), "", 0)
		}
		f.want("get", "cgr.dev", answer("cgr.dev", "org/id", "some-secret"), 0)
	})
}

func TestErase(t *testing.T) {
	f := newFixture(t, nil)
	for _, server := range []string{"cgr.dev", "http://cgr.dev", "https://cgr.dev", "https://cgr.dev/v1/", "unknown.example"} {
		for range 2 {
			if out, code := f.serve("erase", server); out != "" || code != 0 {
				t.Errorf("I14 erase %s: got %q, exit %d, want nothing, exit 0", server, out, code)
			}
		}
	}
	t.Run("I14 removes what is kept", func(t *testing.T) {
		f.signsIn("subject-a")
		f.serve("get", "cgr.dev")
		f.want("store", pair(t, "cgr.dev", "org/id", "some-secret"), "", 0)
		f.person = nil
		f.want("erase", "http://cgr.dev", "", 0) // not ours: nothing happens
		f.want("get", "cgr.dev", answer("cgr.dev", "org/id", "some-secret"), 0)
		f.want("erase", "https://cgr.dev", "", 0)
		f.want("get", "cgr.dev", notFoundLine, 1)
	})
	t.Run("I14 a host below leaves the registry's", func(t *testing.T) {
		f.want("store", pair(t, "cgr.dev", "org/id", "some-secret"), "", 0)
		f.want("store", pair(t, "apk.cgr.dev", "org/id", "some-secret"), "", 0)
		f.want("erase", "apk.cgr.dev", "", 0)
		f.want("get", "apk.cgr.dev", notFoundLine, 1)
		f.want("get", "cgr.dev", answer("cgr.dev", "org/id", "some-secret"), 0)
	})
}

func TestList(t *testing.T) {
	for name, input := range map[string]string{"I15 unused": "unused", "I15 empty": "", "I15 not read": strings.Repeat("x", 1<<20)} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, nil)
			f.person = func() (*token.Grant, error) { return nil, errors.New("nobody is there") }
			f.want("list", input, "{}\n", 0)
			if f.windows != 0 {
				t.Errorf("got %d windows, want none", f.windows)
			}
		})
	}
	t.Run("I15 no standard input", func(t *testing.T) {
		f := newFixture(t, nil)
		in, _ := io.Pipe() // never closed
		var out strings.Builder
		if code := Serve(f.helper, "list", in, false, &out); code != 0 || out.String() != "{}\n" {
			t.Errorf("got %q, exit %d, want {}, exit 0", out.String(), code)
		}
	})
	t.Run("I15 signed in", func(t *testing.T) {
		f := newFixture(t, nil)
		secret := f.signsIn("subject-a")
		f.serve("get", "cgr.dev")
		out, code := f.serve("list", "unused")
		if want := `{"cgr.dev":"_token"}` + "\n"; out != want || code != 0 {
			t.Errorf("got %q, exit %d, want %q, exit 0", out, code, want)
		}
		if strings.Contains(out, secret) {
			t.Errorf("got %q, want no secret", out)
		}
	})
	t.Run("P3 stored pair", func(t *testing.T) {
		f := newFixture(t, nil)
		f.want("store", pair(t, "cgr.dev", "org/id", "some-secret"), "", 0)
		f.want("list", "", `{"cgr.dev":"org/id"}`+"\n", 0)
	})
}

// fullDisk takes nothing, as a closed pipe and /dev/full do.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestLostAnswer(t *testing.T) {
	f := newFixture(t, nil)
	accessToken := f.signsIn("subject-a")
	if code := Serve(f.helper, "get", strings.NewReader("cgr.dev"), false, fullDisk{}); code != 1 {
		t.Errorf("I16 lost answer: got exit %d, want 1", code)
	}
	if len(f.said) != 2 || !strings.Contains(f.said[1], "cannot write the answer") || strings.Contains(strings.Join(f.said, ""), accessToken) {
		t.Errorf("I16 lost answer: got %q on standard error, want who signed in, and one line that says so", f.said)
	}
	f.person = nil
	f.want("get", "cgr.dev", answer("cgr.dev", token.Username, accessToken), 0) // what was got is kept
}

func TestUnknownVerb(t *testing.T) {
	f := newFixture(t, nil)
	for _, verb := range []string{"GET", "", "drop"} {
		if out, code := f.serve(verb, "cgr.dev"); code != 1 || strings.Count(out, "\n") != 1 {
			t.Errorf("I16 verb %q: got %q, exit %d, want one line, exit 1", verb, out, code)
		}
	}
	if f.opened != 0 {
		t.Errorf("I16 got the session opened %d times, want none", f.opened)
	}
}

type countingWriter struct {
	bytes.Buffer
	writes int
}

func (w *countingWriter) Write(p []byte) (int, error) {
	w.writes++
	return w.Buffer.Write(p)
}

func TestAnswerIsOneWrite(t *testing.T) {
	f := newFixture(t, map[string]string{"CHAINGUARD_IDENTITY_ID": "org/id", "CHAINGUARD_TOKEN": "pull-token-pull-token"})
	var out countingWriter
	if code := Serve(f.helper, "get", strings.NewReader("cgr.dev"), false, &out); code != 0 || out.writes != 1 {
		t.Errorf("got exit %d and %d writes, want 0 and 1", code, out.writes)
	}
}
