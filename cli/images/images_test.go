package images

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

// A registry may repeat the token of the request in its response.
func TestLoggingTransportHidesSecret(t *testing.T) {
	const secret = "eyJhbGciOiJSUzI1NiJ9.eyJzZWNyZXQiOjF9.c2lnbmF0dXJl"
	echo := roundTrip(func(*http.Request) (*http.Response, error) {
		return &http.Response{Status: "200 " + secret + "\x1b[31m"}, nil
	})
	var logged string
	n := loggingTransport{echo, func(format string, args ...any) { logged += fmt.Sprintf(format, args...) }}
	r, err := http.NewRequest(http.MethodGet, "https://cgr.dev/v2/a/b/tags/list?last="+secret, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+secret)
	if _, err := n.RoundTrip(r); err != nil {
		t.Fatal(err)
	}
	if want := `GET https://cgr.dev/v2/a/b/tags/list?last=[secret], with a credential: 200 [secret]\x1b[31m`; logged != want {
		t.Errorf("I48 got %q, want %q", logged, want)
	}
	if strings.Contains(logged, secret) {
		t.Error("I48 got the secret")
	}
}

// Joined errors are printed one by one, and the most important one determines the error
// that is returned.
func TestPrintEach(t *testing.T) {
	several := errors.Join(errors.New("one"), errors.New("two"))
	notSignedIn := errors.Join(&token.NotSignedInError{Err: errors.New("no session")}, errors.New("no file was changed"))
	interrupted, cancel := context.WithCancel(t.Context())
	cancel()
	one := errors.New("one")
	for _, test := range []struct {
		name      string
		ctx       context.Context
		err, want error
		printed   string
	}{
		{"none", t.Context(), nil, nil, ""},
		{"one", t.Context(), one, one, ""},
		{"several", t.Context(), several, command.ErrReported, "error: one\nerror: two\n"},
		{"not signed in", t.Context(), notSignedIn, command.ErrNotSignedIn, "error: not signed in: no session\nerror: no file was changed\n"},
		{"interrupted", interrupted, several, several, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			stderr, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
			if err != nil {
				t.Fatal(err)
			}
			defer stderr.Close()
			if got := printEach(test.ctx, &command.App{Stderr: stderr}, test.err); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
			if printed, err := os.ReadFile(stderr.Name()); err != nil || string(printed) != test.printed {
				t.Errorf("got %q, %v, want %q", printed, err, test.printed)
			}
		})
	}
}
