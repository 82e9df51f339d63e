package kubernetes

import (
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"docker-credential-cgr/hint"
	"docker-credential-cgr/platform"
)

// TestOpenAPI signs in to a server with a certificate, as a pod does.
func TestOpenAPI(t *testing.T) {
	c := newCluster(t)
	server := httptest.NewTLSServer(c)
	defer server.Close()
	address, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	host, port, err := net.SplitHostPort(address.Host)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name string, text []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	environ := map[string]string{}
	getenv := func(name string) string { return environ[name] }
	wantError := func(want string) {
		t.Helper()
		if _, err := OpenAPI(getenv, dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	wantError("this is not a pod of a cluster: KUBERNETES_SERVICE_HOST or KUBERNETES_SERVICE_PORT is not set")
	environ["KUBERNETES_SERVICE_HOST"] = host
	wantError("KUBERNETES_SERVICE_PORT is not set")
	environ["KUBERNETES_SERVICE_PORT"] = port
	wantError("cannot sign in to the API server: open " + filepath.Join(dir, "ca.crt"))
	write("ca.crt", []byte("none"))
	wantError("namespace")
	write("namespace", []byte("web\n"))
	wantError("no certificate in " + filepath.Join(dir, "ca.crt"))
	write("ca.crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	write("token", []byte("api-token\n"))

	r, source := newRefresher(c)
	r.Open = func() (*API, error) { return OpenAPI(getenv, dir) }
	if got := mustRefresh(t, r); got[0].Namespace != "web" || got[0].Action != Created || login(t, c.config("web")) != source.last {
		t.Errorf("got %+v, want the secret in the pod's namespace", got)
	}
	if c.bearers[0] != "api-token" {
		t.Errorf("got the token %q, want that of the file", c.bearers[0])
	}

	if err := os.Remove(filepath.Join(dir, "token")); err != nil {
		t.Fatal(err)
	}
	got := mustRefresh(t, r)
	if err := got[0].Err; err == nil || !strings.Contains(err.Error(), "cannot sign in to the API server: ") || len(hint.Of(err)) != 1 {
		t.Errorf("got %v, want an error about the file, with a hint", err)
	}
	environ["KUBERNETES_SERVICE_HOST"] = "fd00::1"
	if api, err := OpenAPI(getenv, dir); err != nil || api.URL != "https://[fd00::1]:"+port {
		t.Errorf("got %+v, %v, want an IPv6 address in brackets", api, err)
	}
}

// The certificate of another authority is not trusted, and the token is not sent.
func TestOpenAPIOtherAuthority(t *testing.T) {
	c := newCluster(t)
	server := httptest.NewUnstartedServer(c)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	api, _ := c.open()
	api.URL, api.Transport = server.URL, platform.NewTransport()
	err := api.sendOnce(t.Context(), request{method: http.MethodGet, path: secretPath("web")}, nil)
	if !platform.IsUnreachable(err) || !strings.Contains(err.Error(), "which this machine does not trust") || len(c.requests) != 0 {
		t.Errorf("got %v after %q, want an error about the certificate", err, c.requests)
	}
}

func TestStatusError(t *testing.T) {
	for name, test := range map[string]struct {
		code       int
		body, want string
	}{
		"two managers": {409, `{"message":"Apply failed with 2 conflicts","details":{"causes":[
			{"reason":"FieldManagerConflict","message":"conflict with \"kubectl-client-side-apply\" using v1 at 2026-10-31T12:00:00Z","field":".data..dockerconfigjson"},
			{"reason":"FieldManagerConflict","message":"conflict with \"kubectl-client-side-apply\" using v1 at 2026-10-31T12:00:00Z","field":".type"},
			{"reason":"FieldManagerConflict","message":"conflict with \"argo\\u001b[2J\" with subresource \"status\" using v1","field":".type"}]}}`,
			`.data..dockerconfigjson, .type is managed by kubectl-client-side-apply, argo\x1b[2J`},
		"another cause": {409, `{"message":"m","details":{"causes":[{"reason":"Other","message":"x"}]}}`, "h answered 409 Conflict: m"},
		"causes of 403": {403, `{"message":"m","details":{"causes":[{"reason":"FieldManagerConflict","message":"x"}]}}`, "h answered 403 Forbidden: m"},
		"no JSON":       {502, "<html>", "h answered 502 Bad Gateway"},
		"null":          {404, "null", "h answered 404 Not Found"},
		"wrong types":   {404, `{"message":5}`, "h answered 404 Not Found"},
		"our token":     {400, `{"message":"token api-token-1 is bad"}`, "h answered 400 Bad Request: token [secret] is bad"},
	} {
		err := parseStatus(platform.Response{Host: "h", Status: test.code, Body: []byte(test.body), Header: http.Header{}}, "api-token-1")
		if err.Error() != test.want {
			t.Errorf("%s: got %q, want %q", name, err, test.want)
		}
	}
}

// Whatever a secret holds and the API server answers, an error is printable and has nothing
// of the token, and what is written keeps the other registries.
func FuzzRefresh(f *testing.F) {
	f.Add(200, `{"auths":{"a.example":{"auth":"YTpi"}}}`, "kubernetes.io/dockerconfigjson", 200, "")
	f.Add(200, `{"auths":{"cgr.dev":{}}, "x": [1]}`, "kubernetes.io/dockerconfigjson", 409, `{"message":"m","details":{"causes":[{"reason":"FieldManagerConflict","message":"conflict with \"a"}]}}`)
	f.Add(404, "", "", 201, "")
	f.Add(200, "{", "Opaque", 403, `{"message":"User \"a\" cannot get resource \"secrets\""}`)
	f.Add(403, "", "", 200, `{"message":"\u001b[2J`+"\n"+`"}`)
	f.Fuzz(func(t *testing.T, getCode int, config, kind string, patchCode int, answer string) {
		c := newCluster(t)
		var written []byte
		c.before = func(w http.ResponseWriter, method, _ string, _ int) bool {
			code := patchCode
			if method == http.MethodGet {
				code = getCode
			}
			if code < 200 || code > 499 || code == 429 { // others are tried again, with pauses
				code = 400
			}
			if method == http.MethodGet && code == 200 {
				reply(w, 200, map[string]any{"type": kind, "metadata": map[string]any{"resourceVersion": "1"}, "data": map[string][]byte{key: []byte(config)}})
				return true
			}
			w.WriteHeader(code)
			_, _ = w.Write([]byte(answer))
			return true
		}
		r, _ := newRefresher(c, "web")
		r.Open = func() (*API, error) {
			api, err := c.open()
			api.Transport = inspect{c, func(body []byte) { written = body }}
			return api, err
		}
		mustRefresh(t, r)
		if written == nil || getCode != 200 {
			return
		}
		var patch secretObject
		if err := json.Unmarshal(written, &patch); err != nil {
			t.Fatal(err)
		}
		var old, changed map[string]json.RawMessage
		if strings.TrimSpace(config) != "" && json.Unmarshal([]byte(config), &old) != nil || json.Unmarshal(patch.Data[key], &changed) != nil {
			t.Fatalf("got %q from %q, want it left alone if it is no object", patch.Data[key], config)
		}
		var oldAuths, auths map[string]json.RawMessage
		_ = json.Unmarshal(old["auths"], &oldAuths)
		if err := json.Unmarshal(changed["auths"], &auths); err != nil {
			t.Fatal(err)
		}
		login(t, string(patch.Data[key]))
		delete(old, "auths")
		delete(changed, "auths")
		delete(oldAuths, "cgr.dev")
		delete(auths, "cgr.dev")
		if !equal(old, changed) && len(old)+len(changed) > 0 || !equal(oldAuths, auths) && len(oldAuths)+len(auths) > 0 {
			t.Errorf("got %s from %s, want everything else kept", patch.Data[key], config)
		}
	})
}

// inspect passes the bodies of patches on to see.
type inspect struct {
	next http.RoundTripper
	see  func(body []byte)
}

func (i inspect) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPatch {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		i.see(body)
	}
	return i.next.RoundTrip(r)
}

// The end of a token by this machine's clock.
func TestRefreshSkewedClock(t *testing.T) {
	c := newCluster(t)
	r, source := newRefresher(c, "web")
	old := jwt(identity, time.Now().Add(2*time.Hour)) // by the issuer's clock, an hour ahead
	c.putSecret("web", `{"auths":{"cgr.dev":{"auth":"`+entry("_token", old)+`"}}}`, "")
	exchange := source.exchange
	r.Exchange = skewed(exchange, time.Hour)
	if got := mustRefresh(t, r); got[0].Action != Unchanged || time.Until(got[0].Expires) > time.Hour {
		t.Errorf("got %+v, want it unchanged and ending in an hour", got[0])
	}
}
