package workload

import (
	"os"
	"strings"
	"testing"
	"unicode"
)

// jwt stands for an ID token. No error may contain any of it.
const jwt = "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJpc3N1ZXIuZW5mb3JjZS5kZXYifQ.c2lnbmF0dXJlLXNpZ25hdHVyZS1zaWduYXR1cmU"

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

// wantsPlain checks that an error is one line of bounded length.
func wantsPlain(t *testing.T, err error) {
	t.Helper()
	if text := err.Error(); strings.ContainsFunc(text, unicode.IsControl) || len(text) > 4000 {
		t.Errorf("got %q, want one line without control characters", text)
	}
}

// oneLine checks that there is an error of one line.
func oneLine(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		t.Fatal("got no error, want one")
	}
	wantsPlain(t, err)
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
