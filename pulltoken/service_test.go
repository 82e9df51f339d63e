package pulltoken

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"docker-credential-cgr/iam"
	"docker-credential-cgr/platform"
)

const (
	bearer  = "eyJhbGciOiJSUzI1NiJ9.eyJzZWNyZXQiOjF9.c2lnbmF0dXJl" // must never be shown
	org     = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	other   = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	roleID  = "cccccccccccccccccccccccccccccccccccccccc"
	pullID  = org + "/0123456789abcdef"
	folder  = org + "/fedcba9876543210"
	deepPID = folder + "/0123456789abcdef"
)

// asked is a request as the API got it.
type asked struct {
	method, path, query, authorization, body string
}

// api is a platform API that answers each request as it is told, and notes it.
type api struct {
	*iam.Client
	serial sync.Mutex // one request at a time: one that was given up may still be answered
	asked  []asked
}

// viewer is what the API says of a caller who may list all in one organization.
const viewer = `{"subject":"` + deepPID + `","capabilities":[{"group":{"id":"` + org + `","name":"example.com"},"role":{"id":"` + deepPID + `","name":"viewer",
	"capabilities":["groups.list","identity.list","role_bindings.list","roles.list"]}}]}`

// answering starts an API that answers "METHOD path" with a body. What is not in
// answers fails the test.
func answering(t *testing.T, answers map[string]string) *api {
	t.Helper()
	return handledBy(t, func(w http.ResponseWriter, r *http.Request) {
		body, ok := answers[r.Method+" "+r.URL.Path]
		if !ok && r.URL.Path == "/auth/v1/ok" {
			body, ok = viewer, true
		}
		if !ok {
			t.Errorf("got a request for %s %s, want none", r.Method, r.URL.Path)
		}
		writeJSON(w, http.StatusOK, body)
	})
}

func handledBy(t *testing.T, handler http.HandlerFunc) *api {
	t.Helper()
	a := &api{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		a.serial.Lock()
		defer a.serial.Unlock()
		a.asked = append(a.asked, asked{r.Method, r.URL.EscapedPath(), r.URL.RawQuery, r.Header.Get("Authorization"), string(body)})
		handler(w, r)
	}))
	t.Cleanup(server.Close)
	a.Client = &iam.Client{
		URL: server.URL, Transport: platform.NewTransport(),
		Tokens: oauth2.StaticTokenSource(&oauth2.Token{AccessToken: bearer}),
	}
	return a
}

func writeJSON(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// oneLine checks what every error has to be.
func oneLine(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		t.Fatal("got no error, want one")
	}
	if text := err.Error(); strings.Contains(text, bearer) || strings.ContainsAny(text, "\n\r\x00\x1b") {
		t.Errorf("P13 P14 got the error %q, want one printable line without the token", text)
	}
}

type sourceFunc func() (*oauth2.Token, error)

func (f sourceFunc) Token() (*oauth2.Token, error) { return f() }

// queries returns the queries of the requests for a path, in their order.
func (a *api) queries(path string) []string {
	a.serial.Lock()
	defer a.serial.Unlock()
	var queries []string
	for _, asked := range a.asked {
		if asked.path == path {
			queries = append(queries, asked.query)
		}
	}
	return queries
}

// groups is an answer to a list, of pairs of an id and a name.
func groups(pairs ...string) string {
	var items []string
	for i := 0; i < len(pairs); i += 2 {
		name, _ := json.Marshal(pairs[i+1])
		items = append(items, fmt.Sprintf(`{"id":%q, "name":%s,"description":"","resourceLimits":{},"verified":true,"newer":[1]}`, pairs[i], name))
	}
	return `{"items":[` + strings.Join(items, ",") + `]}`
}

// roles is an answer to a list, of pairs of an id and a name.
func roles(pairs ...string) string {
	var items []string
	for i := 0; i < len(pairs); i += 2 {
		items = append(items, fmt.Sprintf(`{"id":%q,"name":%q,"description":"","capabilities":["groups.list"]}`, pairs[i], pairs[i+1]))
	}
	return `{"items":[` + strings.Join(items, ",") + `]}`
}

// mayList is an entry of what a caller may do in a group.
func mayList(group string, capabilities ...string) string {
	return `{"group":{"id":"` + group + `","name":"` + group[:4] + `"},"role":{"id":"` + deepPID + `","name":"r","capabilities":["` + strings.Join(capabilities, `","`) + `"]}}`
}

// today is what the clock of the service says, which is not what ours does.
var today = time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)

// service is a platform API that keeps identities and role bindings.
type service struct {
	*api
	identities map[string]iam.Identity
	bound      []string // "identity role"
	refuse     map[string]int
	account    string // the response to who calls
	// before is called with each request; nil for nothing.
	before func(r *http.Request)
}

// newService starts a service. refuse has the status of the answer to what it does not
// do, by method and the beginning of a path.
func newService(t *testing.T, refuse map[string]int) *service {
	t.Helper()
	// Without names of capabilities, the caller may do everything.
	account := `{"subject":"` + other + `","capabilities":[{"group":{"id":"` + org + `","name":"example.com"}}]}`
	s := &service{identities: map[string]iam.Identity{}, refuse: refuse, account: account}
	s.api = handledBy(t, s.serve)
	return s
}

func (s *service) serve(w http.ResponseWriter, r *http.Request) {
	if s.before != nil {
		s.before(r)
	}
	w.Header().Set("Date", today.Format(http.TimeFormat))
	for prefix, status := range s.refuse {
		if strings.HasPrefix(r.Method+" "+r.URL.Path+"?"+r.URL.RawQuery, prefix) {
			code := map[int]int{400: 3, 403: 7, 404: 5, 500: 13}[status]
			writeJSON(w, status, fmt.Sprintf(`{"code":%d,"message":"expiration must be within 168h0m0s"}`, code))
			return
		}
	}
	body := s.asked[len(s.asked)-1].body
	id := strings.TrimPrefix(r.URL.Path, "/iam/v1/identities/")
	switch r.Method + " " + strings.Split(r.URL.Path, "/")[3] {
	case "GET ok":
		writeJSON(w, http.StatusOK, s.account)
	case "GET roles":
		writeJSON(w, http.StatusOK, roles(builtIn()...))
	case "POST identities":
		var identity iam.Identity
		_ = json.Unmarshal([]byte(body), &identity)
		identity.ID = fmt.Sprintf("%s/%016x", id, len(s.identities)+1)
		s.identities[identity.ID] = identity
		text, _ := json.Marshal(identity)
		writeJSON(w, http.StatusOK, string(text))
	case "DELETE identities":
		delete(s.identities, id)
		writeJSON(w, http.StatusOK, `{}`)
	case "POST rolebindings":
		var binding struct{ Identity, Role string }
		_ = json.Unmarshal([]byte(body), &binding)
		s.bound = append(s.bound, binding.Identity+" "+binding.Role)
		writeJSON(w, http.StatusOK, `{"id":"`+deepPID+`"}`)
	}
}

// roleOf is the id of a role that a service has.
// builtIn returns the ids and names of the built-in roles.
func builtIn() (pairs []string) {
	for _, name := range []string{"owner", "viewer", "registry.pull", "apk.pull", "libraries.java.pull", "libraries.python.pull"} {
		pairs = append(pairs, roleOf(name), name)
	}
	return pairs
}

func roleOf(name string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(name)))[:40] }

// made says what a service was asked to change.
func (s *service) made() []string {
	s.serial.Lock()
	defer s.serial.Unlock()
	var changes []string
	for _, a := range s.asked {
		if a.method != http.MethodGet {
			changes = append(changes, a.method+" "+a.path)
		}
	}
	return changes
}

// kept counts the identities that the service has.
func (s *service) kept() int {
	s.serial.Lock()
	defer s.serial.Unlock()
	return len(s.identities)
}
