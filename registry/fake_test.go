package registry

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"docker-credential-cgr/token"
)

const (
	public  = "chainguard/python"
	private = "org/python"
)

// fake is a registry in memory, which tells what it was asked.
type fake struct {
	// handlers answer by the kind of a request: "token", "manifest", "history", "tags", "catalog".
	// What has none is refused as by a registry that has nothing.
	handlers map[string]http.HandlerFunc

	mu    sync.Mutex
	asked []string // "GET manifest", "GET token anonymous", …
}

func (f *fake) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	kind := "token"
	for _, part := range []string{"manifests", "_chainguard/history", "tags"} {
		if strings.Contains(r.URL.Path, "/"+part+"/") {
			kind = strings.TrimSuffix(strings.TrimPrefix(part, "_chainguard/"), "s")
		}
	}
	switch {
	case kind == "tag":
		kind = "tags"
	case strings.HasSuffix(r.URL.Path, "/_catalog"):
		kind = "catalog"
	}
	entry := r.Method + " " + kind
	if r.Header.Get("Authorization") == "" {
		entry += " anonymous"
	}
	f.mu.Lock()
	f.asked = append(f.asked, entry)
	f.mu.Unlock()
	handler := f.handlers[kind]
	if handler == nil {
		handler = func(w http.ResponseWriter, _ *http.Request) { refuse(w, 404, "MANIFEST_UNKNOWN", "unknown") }
	}
	w := httptest.NewRecorder()
	done := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- p.(error)
			}
		}()
		handler(w, r)
		done <- nil
	}()
	select {
	case err := <-done:
		if err != nil {
			return nil, err
		}
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	return w.Result(), nil
}

// count says how often something was asked for, by the beginning of its entry.
func (f *fake) count(entry string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.asked {
		if strings.HasPrefix(a, entry) {
			n++
		}
	}
	return n
}

func (f *fake) wantAsked(t *testing.T, want ...string) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if got := strings.Join(f.asked, ", "); got != strings.Join(want, ", ") {
		t.Errorf("got the requests %s, want %s", got, strings.Join(want, ", "))
	}
}

// reader reads from the fake with a credential.
func (f *fake) reader() *Reader {
	return &Reader{
		Client: Client{URL: &url.URL{Scheme: "https", Host: "cgr.dev"}, Transport: f},
		Credential: func(context.Context, bool) (*token.Credential, error) {
			return &token.Credential{Username: token.Username, Secret: secret}, nil
		},
	}
}

// newFake makes a registry that gives every token, and whose tags all point to digest.
func newFake() *fake {
	return &fake{handlers: map[string]http.HandlerFunc{
		"token":    giveToken,
		"manifest": found,
	}}
}

// giveToken names in the token who gets it.
func giveToken(w http.ResponseWriter, r *http.Request) {
	who := "known"
	if r.Header.Get("Authorization") == "" {
		who = "anonymous"
	}
	answer(w, "application/json", fmt.Sprintf(`{"token":%q}`, who))
}

// isAnonymous says whether a request has a token of giveToken for nobody.
func isAnonymous(r *http.Request) bool {
	return r.Header.Get("Authorization") == "Bearer anonymous"
}

// found answers with the manifest of digest.
func found(w http.ResponseWriter, _ *http.Request) { answer(w, index, manifest) }

func refuses(status int, code string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { refuse(w, status, code, "no") }
}

// lists answers with tags.
func lists(tags ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		answer(w, "application/json", `{"name":"x","tags":["`+strings.Join(tags, `","`)+`"]}`)
	}
}
