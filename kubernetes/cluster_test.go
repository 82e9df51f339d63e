package kubernetes

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"
)

// cluster is an API server with secrets and service accounts. It has as much of a real one's
// rules for patches as the refresher depends on (k8s.io/apiserver v0.37.2).
type cluster struct {
	t         *testing.T
	tokenFile string

	mu         sync.Mutex
	version    int
	objects    map[string]map[string]any // by path
	managers   map[string]string         // of a secret's data, by path
	namespaces []string
	requests   []string
	bearers    []string
	atOnce     int
	mostAtOnce int

	// before may answer a request in the server's place, and change objects. n is the number
	// of requests for this method and path, from 1.
	before func(w http.ResponseWriter, method, path string, n int) (answered bool)
	delay  time.Duration // of each answer
	// refused reports whether no connection is made.
	refused func() bool
}

func newCluster(t *testing.T, namespaces ...string) *cluster {
	c := &cluster{t: t, objects: map[string]map[string]any{}, managers: map[string]string{}, namespaces: namespaces, tokenFile: filepath.Join(t.TempDir(), "token")}
	c.writeToken("api-token-1")
	return c
}

func (c *cluster) writeToken(token string) {
	if err := os.WriteFile(c.tokenFile, []byte(token), 0o600); err != nil {
		c.t.Error(err)
	}
}

func (c *cluster) open() (*API, error) {
	return &API{URL: "https://10.96.0.1:443", Namespace: "own", TokenFile: c.tokenFile, Transport: c, Debug: func(string, ...any) {}}, nil
}

// RoundTrip serves a request without a network, so that tests can run in a bubble.
func (c *cluster) RoundTrip(r *http.Request) (*http.Response, error) {
	if c.refused != nil && c.refused() {
		c.mu.Lock()
		c.requests = append(c.requests, "refused")
		c.mu.Unlock()
		return nil, fmt.Errorf("dial tcp %s: connect: connection refused", r.URL.Host)
	}
	c.mu.Lock()
	c.atOnce++
	c.mostAtOnce = max(c.mostAtOnce, c.atOnce)
	c.mu.Unlock()
	time.Sleep(c.delay) // the others come in meanwhile
	w := httptest.NewRecorder()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.atOnce--
	c.ServeHTTP(w, r)
	return w.Result(), nil
}

func (c *cluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	entry := r.Method + " " + r.URL.Path
	c.requests = append(c.requests, entry)
	c.bearers = append(c.bearers, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	n := len(slices.DeleteFunc(slices.Clone(c.requests), func(other string) bool { return other != entry }))
	if c.before != nil && c.before(w, r.Method, r.URL.Path, n) {
		return
	}
	parts := strings.Split(r.URL.Path, "/") // "", api, v1, namespaces, NAMESPACE, RESOURCE, NAME
	object := c.objects[r.URL.Path]
	switch {
	case r.URL.Path == "/api/v1/namespaces":
		c.list(w, r)
	case r.Method == http.MethodGet && object == nil:
		status(w, 404, "NotFound", fmt.Sprintf("%s %q not found", parts[5], parts[6]), nil)
	case r.Method == http.MethodGet:
		reply(w, 200, object)
	case r.Method == http.MethodPatch:
		c.patch(w, r, object, parts[5], parts[6])
	default:
		c.t.Errorf("got %s, want only GET and PATCH", entry)
	}
}

func (c *cluster) list(w http.ResponseWriter, r *http.Request) {
	if got := r.URL.Query().Get("labelSelector"); got != "pull=cgr" {
		c.t.Errorf("got the selector %q, want pull=cgr", got)
	}
	start := 0
	_, _ = fmt.Sscanf(r.URL.Query().Get("continue"), "from-%d", &start)
	end := min(start+100, len(c.namespaces))
	items := []any{}
	for _, name := range c.namespaces[start:end] {
		meta := map[string]any{"name": strings.TrimSuffix(name, " terminating")}
		if strings.HasSuffix(name, " terminating") {
			meta["deletionTimestamp"] = "2026-10-31T12:00:00Z"
		}
		items = append(items, map[string]any{"metadata": meta, "spec": map[string]any{"finalizers": []string{"kubernetes"}}})
	}
	meta := map[string]any{"resourceVersion": "1000"}
	if end < len(c.namespaces) {
		meta["continue"] = fmt.Sprintf("from-%d", end)
	}
	reply(w, 200, map[string]any{"kind": "NamespaceList", "apiVersion": "v1", "metadata": meta, "items": items})
}

func (c *cluster) patch(w http.ResponseWriter, r *http.Request, object map[string]any, resource, name string) {
	body, _ := io.ReadAll(r.Body)
	var patch map[string]any
	if err := json.Unmarshal(body, &patch); err != nil {
		c.t.Error(err)
	}
	query := r.URL.Query()
	wantType := map[string]string{"secrets": "application/apply-patch+yaml", "serviceaccounts": "application/merge-patch+json"}[resource]
	if got := r.Header.Get("Content-Type"); got != wantType || query.Get("fieldManager") != "docker-credential-cgr" {
		c.t.Errorf("got a patch of %s with the type %q and the query %s", resource, got, r.URL.RawQuery)
	}
	meta, _ := patch["metadata"].(map[string]any)
	switch version, _ := meta["resourceVersion"].(string); {
	case resource == "secrets" && object != nil && c.managers[r.URL.Path] != "" && !equal(object["data"], patch["data"]) && query.Get("force") != "true":
		c.managed(w, c.managers[r.URL.Path])
		return
	case object == nil && resource != "secrets":
		status(w, 404, "NotFound", fmt.Sprintf("%s %q not found", resource, name), nil)
		return
	case object != nil && version != "" && version != object["metadata"].(map[string]any)["resourceVersion"]:
		status(w, 409, "Conflict", fmt.Sprintf("Operation cannot be fulfilled on %s %q: the object has been modified; please apply your changes to the latest version and try again", resource, name), nil)
		return
	}
	code := 200
	if object == nil {
		object, code = map[string]any{"metadata": map[string]any{}}, 201
	}
	delete(c.managers, r.URL.Path)
	c.put(r.URL.Path, merged(object, patch))
	reply(w, code, c.objects[r.URL.Path])
}

// managed answers as to an apply of fields that another program manages.
func (c *cluster) managed(w http.ResponseWriter, manager string) {
	status(w, 409, "Conflict", fmt.Sprintf("Apply failed with 1 conflict: conflict with %q using v1: .data..dockerconfigjson", manager), []any{
		map[string]any{"reason": "FieldManagerConflict", "message": fmt.Sprintf("conflict with %q using v1", manager), "field": ".data..dockerconfigjson"},
	})
}

// put stores an object as a new version.
func (c *cluster) put(path string, object map[string]any) {
	c.version++
	meta, _ := object["metadata"].(map[string]any)
	if meta == nil {
		meta = map[string]any{}
		object["metadata"] = meta
	}
	meta["resourceVersion"] = fmt.Sprint(c.version)
	c.objects[path] = object
}

// putSecret stores a secret with a Docker config that manager wrote.
func (c *cluster) putSecret(namespace, config, manager string) {
	c.put(secretPath(namespace), map[string]any{
		"type": "kubernetes.io/dockerconfigjson", "data": map[string]any{".dockerconfigjson": base64.StdEncoding.EncodeToString([]byte(config))},
	})
	c.managers[secretPath(namespace)] = manager
}

func secretPath(namespace string) string {
	return "/api/v1/namespaces/" + namespace + "/secrets/cgr-pull"
}

// config returns the Docker config in a secret, or "".
func (c *cluster) config(namespace string) string {
	data, _ := c.objects[secretPath(namespace)]["data"].(map[string]any)
	text, _ := data[".dockerconfigjson"].(string)
	config, _ := base64.StdEncoding.DecodeString(text)
	return string(config)
}

func (c *cluster) annotations(namespace string) map[string]any {
	meta, _ := c.objects[secretPath(namespace)]["metadata"].(map[string]any)
	annotations, _ := meta["annotations"].(map[string]any)
	return annotations
}

// merged returns object with a patch (RFC 7396).
func merged(object, patch map[string]any) map[string]any {
	result := maps.Clone(object)
	for name, value := range patch {
		inner, isObject := value.(map[string]any)
		old, wasObject := result[name].(map[string]any)
		if isObject && wasObject {
			value = merged(old, inner)
		}
		result[name] = value
	}
	return result
}

func equal(a, b any) bool {
	one, _ := json.Marshal(a)
	other, _ := json.Marshal(b)
	return string(one) == string(other)
}

func reply(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v)
}

// status answers with a Status (meta/v1), as the API server writes it.
func status(w http.ResponseWriter, code int, reason, message string, causes []any) {
	reply(w, code, map[string]any{
		"kind": "Status", "apiVersion": "v1", "metadata": map[string]any{}, "status": "Failure",
		"message": message, "reason": reason, "details": map[string]any{"causes": causes}, "code": code,
	})
}

// forbid answers as RBAC does.
func forbid(w http.ResponseWriter, verb, resource, namespace string) {
	const user = "system:serviceaccount:cgr-refresher:refresh-cgr-pull"
	status(w, 403, "Forbidden", fmt.Sprintf(`%s "cgr-pull" is forbidden: User %q cannot %s resource %q in API group "" in the namespace %q`,
		resource, user, verb, resource, namespace), nil)
}

const identity = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/0123456789abcdef"

// jwt returns an access token, with a signature that tests can look for.
func jwt(subject string, expires time.Time) string {
	encode := func(v any) string {
		text, _ := json.Marshal(v)
		return base64.RawURLEncoding.EncodeToString(text)
	}
	return encode(map[string]string{"alg": "RS256"}) + "." +
		encode(map[string]any{"iss": "https://issuer.enforce.dev", "sub": subject, "aud": "cgr.dev", "exp": expires.Unix()}) + ".c2VjcmV0U2lnbmF0dXJlMDEyMzQ1Njc4OQ"
}

// tokens exchanges for tokens of an hour.
type tokens struct {
	life      time.Duration
	exchanges int
	last      string
	down      func() bool
}

func (e *tokens) exchange(context.Context) (*oauth2.Token, error) {
	e.exchanges++
	if e.down != nil && e.down() {
		return nil, errors.New("no identity found")
	}
	expires := time.Now().Add(e.life).Truncate(time.Second)
	e.last = jwt(identity, expires)
	return &oauth2.Token{AccessToken: e.last, Expiry: expires}, nil
}

// skewed returns an exchange at an issuer whose clock is ahead.
func skewed(exchange func(context.Context) (*oauth2.Token, error), ahead time.Duration) func(context.Context) (*oauth2.Token, error) {
	return func(ctx context.Context) (*oauth2.Token, error) {
		token, err := exchange(ctx)
		if err == nil {
			token.AccessToken = jwt(identity, token.Expiry.Add(ahead))
		}
		return token, err
	}
}
