package iam

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// today is what the clock of the service says, which is not what ours does.
var today = time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)

// service is a platform API that keeps identities and role bindings.
type service struct {
	*api
	identities map[string]Identity
	bound      []string // "identity role"
	refuse     map[string]int
	account    string // what it says of the caller; empty for nothing
	// before is called with each request; nil for nothing.
	before func(method, path string)
}

// newService starts a service. refuse has the status of the answer to what it does not
// do, by method and the beginning of a path.
func newService(t *testing.T, refuse map[string]int) *service {
	t.Helper()
	s := &service{identities: map[string]Identity{}, refuse: refuse}
	s.api = handledBy(t, s.serve)
	return s
}

func (s *service) serve(w http.ResponseWriter, r *http.Request) {
	if s.before != nil {
		s.before(r.Method, r.URL.Path)
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
		var identity Identity
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
