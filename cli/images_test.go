package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/token"
)

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A registry that repeats the token it was asked with has it shown nowhere.
func TestNarratingTellsNoSecret(t *testing.T) {
	const secret = "eyJhbGciOiJSUzI1NiJ9.eyJzZWNyZXQiOjF9.c2lnbmF0dXJl"
	echo := roundTrip(func(*http.Request) (*http.Response, error) {
		return &http.Response{Status: "200 " + secret + "\x1b[31m"}, nil
	})
	var said string
	n := narrating{echo, func(format string, args ...any) { said += fmt.Sprintf(format, args...) }}
	r, err := http.NewRequest(http.MethodGet, "https://cgr.dev/v2/a/b/tags/list?last="+secret, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+secret)
	if _, err := n.RoundTrip(r); err != nil {
		t.Fatal(err)
	}
	if want := `GET https://cgr.dev/v2/a/b/tags/list?last=[secret], with one: 200 [secret]\x1b[31m`; said != want {
		t.Errorf("I48 got %q, want %q", said, want)
	}
	if strings.Contains(said, secret) {
		t.Error("I48 got the secret")
	}
}

// Several errors are said in lines of their own, and the exit code is that of what
// matters most.
func TestEach(t *testing.T) {
	several := errors.Join(errors.New("one"), errors.New("two"))
	nobody := errors.Join(&token.NotSignedInError{Err: errors.New("nobody")}, errors.New("no file was changed"))
	interrupted, cancel := context.WithCancel(t.Context())
	cancel()
	for _, test := range []struct {
		name string
		ctx  context.Context
		err  error
		want int
		said string
	}{
		{"none", t.Context(), nil, exitDone, ""},
		{"one", t.Context(), errors.New("one"), exitFailed, "error: one\n"},
		{"several", t.Context(), several, exitFailed, "error: one\nerror: two\n"},
		{"not signed in", t.Context(), nobody, exitNotSignedIn, "error: not signed in: nobody\nerror: no file was changed\n"},
		{"interrupted", interrupted, several, exitInterrupted, "error: one; two\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			stderr, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
			if err != nil {
				t.Fatal(err)
			}
			defer stderr.Close()
			a := &app{&command.App{Stderr: stderr}}
			if got := exit(test.ctx, a.App, a.each(test.ctx, test.err)); got != test.want {
				t.Errorf("got exit code %d, want %d", got, test.want)
			}
			if said, err := os.ReadFile(stderr.Name()); err != nil || string(said) != test.said {
				t.Errorf("got %q, %v, want %q", said, err, test.said)
			}
		})
	}
}
