package registry

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestPing(t *testing.T) {
	c := serves(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v2/" || r.Header.Get("Authorization") != "" {
			t.Errorf("got %s with %q, want /v2/ without a credential", r.URL.Path, r.Header.Get("Authorization"))
		}
		w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+r.Host+`/token",service="cgr.dev"`)
		refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
	})
	if err := c.Ping(t.Context()); err != nil {
		t.Error(err)
	}

	for name, handler := range map[string]http.HandlerFunc{
		"I44 200":          func(w http.ResponseWriter, _ *http.Request) { answer(w, "text/html", "<html>") },
		"no header":        func(w http.ResponseWriter, _ *http.Request) { refuse(w, 401, "UNAUTHORIZED", "") },
		"I59 another host": challenging(`Bearer realm="https://evil.example/token"`),
		"I59 no realm":     challenging(`Bearer service="cgr.dev"`),
	} {
		t.Run(name, func(t *testing.T) { oneLine(t, serves(t, handler).Ping(t.Context())) })
	}
	t.Run("not found", func(t *testing.T) {
		err := serves(t, http.NotFound).Ping(t.Context())
		oneLine(t, err)
		var refused *Error
		if !errors.As(err, &refused) || refused.Step != StepPing || refused.Status != 404 {
			t.Errorf("got %#v, want the registry's response", err)
		}
	})
}

func challenging(header string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", header)
		refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
	}
}

// client returns a client for a registry that gets no requests.
func client(t testing.TB, registry string) *Client {
	t.Helper()
	u, err := url.Parse(registry)
	if err != nil {
		t.Fatal(err)
	}
	return &Client{URL: u}
}

func TestCheckChallenge(t *testing.T) {
	const cgr, loopback = "https://cgr.dev", "http://127.0.0.1:5000"
	for _, test := range []struct {
		name, registry string
		header         string
		valid          bool
	}{
		{"the registry's", cgr, `Bearer realm="https://cgr.dev/token",service="cgr.dev"`, true},
		{"upper case, a port, a scope", cgr, `BEARER REALM="https://CGR.dev:443/token", scope="a"`, true},
		{"a configured registry on loopback", loopback, `Bearer realm="http://127.0.0.1:5000/token"`, true},

		{"I59 another host", cgr, `Bearer realm="https://evil.example/token"`, false},
		{"I59 below the host", cgr, `Bearer realm="https://a.cgr.dev/token"`, false},
		{"I59 a look-alike", cgr, `Bearer realm="https://cgr.dev.evil.example/token"`, false},
		{"I59 user info", cgr, `Bearer realm="https://cgr.dev@evil.example/token"`, false},
		{"I59 user info at the host", cgr, `Bearer realm="https://a:b@cgr.dev/token"`, false},
		{"I59 a backslash", cgr, `Bearer realm="https://cgr.dev\\@evil.example/token"`, false},
		{"I59 http", cgr, `Bearer realm="http://cgr.dev/token"`, false},
		{"I59 another port", cgr, `Bearer realm="https://cgr.dev:8443/token"`, false},
		{"I59 metadata", cgr, `Bearer realm="http://169.254.169.254/latest"`, false},
		{"I59 loopback", cgr, `Bearer realm="https://127.0.0.1/token"`, false},
		{"I59 another port of loopback", loopback, `Bearer realm="http://127.0.0.1:5001/token"`, false},
		{"I59 https on loopback", loopback, `Bearer realm="https://127.0.0.1:5000/token"`, false},
		{"I59 no host", cgr, `Bearer realm="/token"`, false},
		{"I59 opaque", cgr, `Bearer realm="https:cgr.dev/token"`, false},
		{"I59 a file", cgr, `Bearer realm="file:///etc/passwd"`, false},
		{"I59 no URL", cgr, "Bearer realm=\"https://cgr.dev/\x1b\"", false},
		{"I59 no realm", cgr, `Bearer service="cgr.dev"`, false},
		{"I59 empty realm", cgr, `Bearer realm=""`, false},
		{"I59 two challenges", cgr, `Bearer realm="https://cgr.dev/token", Bearer realm="https://evil.example/token"`, false},
		{"I59 another challenge first", cgr, `Basic realm="x", Bearer realm="https://cgr.dev/token"`, false},
		{"I59 two realms", cgr, `Bearer realm="https://cgr.dev/token",REALM="https://evil.example/token"`, false},
		{"I59 no end", cgr, `Bearer realm="https://cgr.dev/token`, false},
		{"I59 something behind the quotes", cgr, `Bearer realm="https://cgr.dev/token"x`, false},
		{"I59 basic only", cgr, `Basic realm="https://cgr.dev/token"`, false},
		{"I59 a parameter first", cgr, `realm="https://cgr.dev/token"`, false},
		{"I59 no characters of a token", cgr, `Bearer(realm="https://cgr.dev/token")`, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := client(t, test.registry).checkChallenge([]string{test.header})
			if (err == nil) != test.valid {
				t.Errorf("got %v, want it accepted: %v", err, test.valid)
			}
			if err != nil {
				oneLine(t, err)
			}
		})
	}
	for _, headers := range [][]string{nil, {`Bearer realm="https://cgr.dev/token"`, `Bearer realm="https://evil.example/token"`}} {
		oneLine(t, client(t, cgr).checkChallenge(headers))
	}
}

// No header makes a client accept a realm that is not on the registry.
func FuzzCheckChallenge(f *testing.F) {
	for _, header := range []string{
		`Bearer realm="https://cgr.dev/token",service="cgr.dev"`, `Basic realm="x", Bearer realm="https://cgr.dev:443/"`,
		`Bearer realm="https://cgr.dev@evil.example"`, `Bearer realm="https://cgr.dev\\.evil.example"`, `Negotiate abc==`, `Bearer realm=x realm=y`,
	} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		err := client(t, "https://cgr.dev").checkChallenge([]string{header})
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r\x00\x1b") {
				t.Errorf("got the error %q, want one printable line", err)
			}
			return
		}
		// As a client reads it.
		_, realm, _ := strings.Cut(header, `"`)
		realm, _, _ = strings.Cut(realm, `"`)
		u, err := url.Parse(realm)
		if err != nil || u.Scheme != "https" || !strings.EqualFold(u.Hostname(), "cgr.dev") || u.Port() != "" && u.Port() != "443" || u.User != nil {
			t.Errorf("%q: got %v, %v, want the registry's own", header, realm, err)
		}
	})
}
