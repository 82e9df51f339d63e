package registry

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"docker-credential-cgr/platform"
	"docker-credential-cgr/token"
)

const (
	secret   = "eyJhbGciOiJSUzI1NiJ9.eyJzZWNyZXQiOjF9.c2lnbmF0dXJl" // must never be shown
	identity = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/0123456789abcdef"
	python   = "example.com/python"
	manifest = "{}"
	digest   = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a" // of manifest
	index    = "application/vnd.oci.image.index.v1+json"
)

// serves starts a registry.
func serves(t *testing.T, handler http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return &Client{URL: u, Transport: platform.NewTransport()}
}

// refuse answers as a registry does that will not.
func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	type entry map[string]string
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": []entry{{"code": code, "message": message}}})
}

func answer(w http.ResponseWriter, kind, body string) {
	w.Header().Set("Content-Type", kind)
	_, _ = io.WriteString(w, body)
}

// oneLine checks what every error has to be.
func oneLine(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		t.Fatal("got no error, want one")
	}
	if text := err.Error(); strings.Contains(text, secret) || strings.ContainsAny(text, "\n\r\x00\x1b") {
		t.Errorf("P13 P14 got the error %q, want one printable line without the secret", text)
	}
}

func TestToken(t *testing.T) {
	for _, test := range []struct {
		name       string
		credential *token.Credential
		want       string // the Authorization header
	}{
		{"anonymous", nil, ""},
		{"S11 an access token", &token.Credential{Username: "_token", Secret: secret}, "Bearer " + secret},
		{"a pull token", &token.Credential{Username: identity, Secret: "x:y"}, "Basic YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYS8wMTIzNDU2Nzg5YWJjZGVmOng6eQ=="},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := serves(t, func(w http.ResponseWriter, r *http.Request) {
				if got, want := r.Method+" "+r.URL.Path+" "+r.URL.Query().Get("scope"), "GET /token repository:example.com/python:pull"; got != want {
					t.Errorf("got %q, want %q", got, want)
				}
				if got, want := r.URL.Query().Get("service"), r.Host; got != want {
					t.Errorf("got the service %q, want %q", got, want)
				}
				if got := r.Header.Get("Authorization"); got != test.want {
					t.Errorf("got Authorization %q, want %q", got, test.want)
				}
				answer(w, "application/json", `{"token":"registry-token", "expires_in":300, "newer":null}`)
			})
			got, err := c.Token(t.Context(), python, test.credential)
			if want := (Token{"registry-token", test.credential == nil}); err != nil || got != want {
				t.Errorf("got %+v, %v, want %+v", got, err, want)
			}
		})
	}
	for name, body := range map[string]string{
		"I44 HTML": "<html>Welcome to the hotel", "I44 empty": "", "I44 no token": `{}`, "I44 an empty one": `{"token":""}`, "I44 a list": `[]`,
		"I49 control characters": `{"token":"a\r\nb"}`, "I49 200 KB": `{"token":"` + strings.Repeat("x", 200<<10) + `"}`,
		"I45 2 MB": `{"token":"x"` + strings.Repeat(" ", 2<<20) + `}`,
	} {
		t.Run(name, func(t *testing.T) {
			c := serves(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, "text/html", body) })
			_, err := c.Token(t.Context(), python, nil)
			oneLine(t, err)
			if !strings.Contains(err.Error(), "proxy") {
				t.Errorf("got %q, want it to name a proxy", err)
			}
		})
	}
	t.Run("what cannot be right is not sent", func(t *testing.T) {
		c := serves(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("got a request for %s, want none", r.URL) })
		for _, repository := range []string{"", "python", "a/b:latest", "a/b@" + digest, "../a/b", "a/B", "a/b c", "a/b\n", "a/b:pull,push", "cgr.dev:443/a/b"} {
			_, err := c.Token(t.Context(), repository, &token.Credential{Username: "_token", Secret: secret})
			oneLine(t, err)
		}
		_, err := c.Token(t.Context(), python, &token.Credential{Username: "_token", Secret: secret + "\r\nX: y"})
		oneLine(t, err)
	})
}

// Every answer to /token that the registry is known to give is told by its cause.
func TestTokenRefused(t *testing.T) {
	given := &token.Credential{Username: identity, Secret: secret}
	for _, test := range []struct {
		name          string
		credential    *token.Credential
		status        int
		code, message string
		want          string // in the cause
	}{
		{"not public, and none given", nil, 401, "UNAUTHORIZED", "Authentication required", "not public"},
		{"bad credential or no repository", given, 403, "FORBIDDEN", "Forbidden", "does not exist"},
		{"no organization", given, 400, "BAD_REQUEST", "unable to resolve", `no organization "example.com"`},
		{"I47 ESC and our secret", given, 403, "FORBIDDEN\x1b[2J", "no\r\n" + secret, "expired"},
		{"too many", given, 429, "TOOMANYREQUESTS", "slow down", ""},
		{"broken", given, 500, "UNKNOWN", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := serves(t, func(w http.ResponseWriter, _ *http.Request) { refuse(w, test.status, test.code, test.message) })
			_, err := c.Token(t.Context(), python, test.credential)
			oneLine(t, err)
			var refused *Error
			if !errors.As(err, &refused) || refused.Step != StepToken || refused.Status != test.status || refused.Code == "" || refused.Repository != python || refused.Anonymous != (test.credential == nil) {
				t.Fatalf("got %#v, want what the registry said", err)
			}
			if got, _ := refused.explain(); !strings.Contains(got, test.want) || test.want == "" && got != "" {
				t.Errorf("got the cause %q, want %q in it", got, test.want)
			}
		})
	}
	t.Run("a proxy's page", func(t *testing.T) {
		c := serves(t, func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "<html>blocked "+secret, http.StatusForbidden)
		})
		_, err := c.Token(t.Context(), python, given)
		oneLine(t, err)
		var refused *Error
		if !errors.As(err, &refused) || refused.Code != "" || !strings.Contains(cause(refused), "proxy") {
			t.Errorf("got %#v, want it to name a proxy", err)
		}
	})
	t.Run("I48 the pair as it was sent", func(t *testing.T) {
		c := serves(t, func(w http.ResponseWriter, r *http.Request) {
			refuse(w, 403, "FORBIDDEN", r.Header.Get("Authorization"))
		})
		_, err := c.Token(t.Context(), python, given)
		oneLine(t, err)
		if !strings.Contains(err.Error(), "Basic [secret]") {
			t.Errorf("got %q, want the pair blanked", err)
		}
	})
}

// Credentials go to the registry and to no other.
func TestRedirect(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("P15 got a request for %s with %q, want none", r.URL, r.Header.Get("Authorization"))
	}))
	defer elsewhere.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		t.Run(fmt.Sprintf("I46 P15 %d", status), func(t *testing.T) {
			c := serves(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, status) })
			_, errToken := c.Token(t.Context(), python, &token.Credential{Username: "_token", Secret: secret})
			_, errManifest := c.Manifest(t.Context(), Reference{Repository: python}, Token{Secret: secret})
			errPing := c.Ping(t.Context())
			for _, err := range []error{errToken, errManifest, errPing} {
				oneLine(t, err)
				var refused *Error
				if !errors.As(err, &refused) || refused.Status != status || !strings.Contains(err.Error(), strings.TrimPrefix(elsewhere.URL, "http://")) {
					t.Errorf("got %v, want the status and the host in it", err)
				}
			}
		})
	}
}

func TestManifest(t *testing.T) {
	for _, test := range []struct {
		name string
		ref  Reference
		path string
	}{
		{"by tag", Reference{Repository: python, Tag: "3.13"}, "/v2/example.com/python/manifests/3.13"},
		{"by nothing", Reference{Repository: python}, "/v2/example.com/python/manifests/latest"},
		{"by digest", Reference{Repository: python, Tag: "3.13", Digest: digest}, "/v2/example.com/python/manifests/" + digest},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := serves(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodGet || r.URL.Path != test.path || r.Header.Get("Authorization") != "Bearer registry-token" {
					t.Errorf("got %s %s with %q, want GET %s with the token", r.Method, r.URL.Path, r.Header.Get("Authorization"), test.path)
				}
				for _, kind := range manifestTypes {
					if !strings.Contains(r.Header.Get("Accept"), kind) {
						t.Errorf("got Accept %q, want %s in it", r.Header.Get("Accept"), kind)
					}
				}
				answer(w, index+"; charset=utf-8", manifest)
			})
			got, err := c.Manifest(t.Context(), test.ref, Token{Secret: "registry-token"})
			if err != nil || got.Digest != digest || got.MediaType != index || string(got.Body) != manifest {
				t.Errorf("got %+v, %v, want the manifest", got, err)
			}
		})
	}
}

// The manifest itself says its digest, whatever the header does.
func TestManifestBody(t *testing.T) {
	const body = `{"schemaVersion":2}`
	sum256, sum512 := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(body))), fmt.Sprintf("sha512:%x", sha512.Sum512([]byte(body)))
	for _, test := range []struct {
		name, header, ref, want string
	}{
		{"I60 no header", "", "", sum256},
		{"I60 another header", digest, "", sum256},
		{"I60 no digest in the header", "md5:xyz", "", sum256},
		{"by its digest", "", sum256, sum256},
		{"by its SHA-512", "", sum512, sum512},
		{"I60 by another digest", digest, digest, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := serves(t, func(w http.ResponseWriter, r *http.Request) {
				if test.header != "" {
					w.Header().Set("Docker-Content-Digest", test.header)
				}
				answer(w, index, body)
			})
			got, err := c.Manifest(t.Context(), Reference{Repository: python, Digest: test.ref}, Token{Secret: secret})
			if test.want == "" {
				oneLine(t, err)
			} else if err != nil || got.Digest != test.want {
				t.Errorf("got %+v, %v, want %s", got, err, test.want)
			}
		})
	}
}

func TestManifestWrong(t *testing.T) {
	for _, test := range []struct{ name, digest, kind, ref string }{
		{"I60 another than asked", digest, index, "sha256:" + strings.Repeat("0", 64)},
		{"I44 a page", digest, "text/html", ""},
		{"I44 a page without a digest", "", "text/html", ""},
		{"I44 no type", digest, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := serves(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Content-Type"] = nil
				if test.digest != "" {
					w.Header().Set("Docker-Content-Digest", test.digest)
				}
				answer(w, test.kind, "<html>")
			})
			got, err := c.Manifest(t.Context(), Reference{Repository: python, Digest: test.ref}, Token{Secret: secret})
			oneLine(t, err)
			if got.Digest != "" || got.Body != nil {
				t.Errorf("got %+v beside an error, want nothing", got)
			}
		})
	}
	t.Run("I45 5 MB", func(t *testing.T) {
		c := serves(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, index, strings.Repeat(" ", maxManifest+1)) })
		_, err := c.Manifest(t.Context(), Reference{Repository: python}, Token{Secret: secret})
		oneLine(t, err)
	})
	t.Run("what cannot be right is not sent", func(t *testing.T) {
		c := serves(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("got a request for %s, want none", r.URL) })
		for _, ref := range []Reference{{}, {Repository: "python"}, {Repository: python, Tag: "a/b"}, {Repository: python, Tag: "x@" + digest}, {Repository: python, Digest: "sha256:xyz"}, {Repository: python + ":x"}} {
			_, err := c.Manifest(t.Context(), ref, Token{Secret: secret})
			oneLine(t, err)
		}
	})
}

// Every answer to a manifest's request that the registry is known to give is told by
// its cause.
func TestManifestRefused(t *testing.T) {
	for _, test := range []struct {
		name          string
		anonymous     bool
		status        int
		code, message string
		want          string // in the cause
	}{
		{"no right", false, 403, "FORBIDDEN", "caller does not have the required capabilities", "may not pull"},
		{"a tag that needs a credential", true, 403, "FORBIDDEN", "", "latest and latest-dev"},
		{"no repository", false, 404, "NAME_UNKNOWN", "repository name not known to registry", "no repository example.com/python"},
		{"no tag", false, 404, "MANIFEST_UNKNOWN", "manifest unknown", `no tag "3.13" in it`},
		{"token refused", false, 401, "UNAUTHORIZED", "authentication required", "rejected"},
		{"I47 ESC", false, 404, "NAME_UNKNOWN", "\x1b]8;;x\a", "no repository"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := serves(t, func(w http.ResponseWriter, _ *http.Request) { refuse(w, test.status, test.code, test.message) })
			_, err := c.Manifest(t.Context(), Reference{Repository: python, Tag: "3.13"}, Token{Secret: secret, Anonymous: test.anonymous})
			oneLine(t, err)
			var refused *Error
			if !errors.As(err, &refused) || refused.Step != StepManifest || refused.Status != test.status || refused.Code != test.code || refused.Reference != "3.13" {
				t.Fatalf("got %#v, want what the registry said", err)
			}
			if got, _ := refused.explain(); !strings.Contains(got, test.want) {
				t.Errorf("got the cause %q, want %q in it", got, test.want)
			}
		})
	}
	for _, status := range []int{429, 503} {
		t.Run(fmt.Sprintf("%d is asked once", status), func(t *testing.T) {
			asked := 0
			c := serves(t, func(w http.ResponseWriter, _ *http.Request) { asked++; w.WriteHeader(status) })
			_, err := c.Manifest(t.Context(), Reference{Repository: python}, Token{Secret: secret})
			oneLine(t, err)
			if asked != 1 {
				t.Errorf("got %d requests, want one", asked)
			}
		})
	}
}

// Whatever a server says, the error can be shown and holds no secret.
func FuzzParseErrors(f *testing.F) {
	const secret = "s3cret-0123456789" // not to be made by the end of an escape, which an "e" is
	f.Add([]byte(`{"errors":[{"code":"NAME_UNKNOWN","message":"no\u001b[2J"}]}`))
	f.Add([]byte(`{"errors":[{"code":"` + secret + `","message":"\u202e` + secret + `"},{}]}`))
	f.Add([]byte(`{"errors":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		e := &Error{Host: "cgr.dev", Step: StepToken, Status: 403, Repository: python}
		e.Code, e.Message = parseErrors(body, []string{secret})
		if text := e.Error(); strings.Contains(text, secret) || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0x202e }) {
			t.Errorf("got %q, want it printable and without the secret", text)
		}
	})
}

// cause returns why the registry answered so.
func cause(e *Error) string {
	text, _ := e.explain()
	return text
}
