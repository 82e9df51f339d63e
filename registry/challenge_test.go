package registry

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestChallenge(t *testing.T) {
	c := serves(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v2/" || r.Header.Get("Authorization") != "" {
			t.Errorf("got %s with %q, want /v2/ without a credential", r.URL.Path, r.Header.Get("Authorization"))
		}
		w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+r.Host+`/token",service="cgr.dev"`)
		refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
	})
	realm, service, err := c.Challenge(t.Context())
	if err != nil || realm.String() != c.URL.String()+"/token" || service != "cgr.dev" {
		t.Errorf("got %v, %q, %v, want the registry's own", realm, service, err)
	}

	for name, handler := range map[string]http.HandlerFunc{
		"I44 200":          func(w http.ResponseWriter, _ *http.Request) { answer(w, "text/html", "<html>") },
		"no header":        func(w http.ResponseWriter, _ *http.Request) { refuse(w, 401, "UNAUTHORIZED", "") },
		"I59 another host": challenging(`Bearer realm="https://evil.example/token"`),
		"I59 no realm":     challenging(`Bearer service="cgr.dev"`),
	} {
		t.Run(name, func(t *testing.T) {
			realm, _, err := serves(t, handler).Challenge(t.Context())
			oneLine(t, err)
			if realm != nil {
				t.Errorf("got %v beside an error, want none", realm)
			}
		})
	}
	t.Run("not found", func(t *testing.T) {
		_, _, err := serves(t, http.NotFound).Challenge(t.Context())
		oneLine(t, err)
		var refused *Error
		if !errors.As(err, &refused) || refused.Step != StepPing || refused.Status != 404 {
			t.Errorf("got %#v, want the registry's answer", err)
		}
	})
}

func challenging(header string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", header)
		refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
	}
}

// client is one of a registry that is not asked.
func client(t testing.TB, registry string) *Client {
	t.Helper()
	u, err := url.Parse(registry)
	if err != nil {
		t.Fatal(err)
	}
	return &Client{URL: u}
}

func TestReadChallenge(t *testing.T) {
	const cgr, loopback = "https://cgr.dev", "http://127.0.0.1:5000"
	for _, test := range []struct {
		name, registry string
		headers        []string
		want           string // the realm
	}{
		{"the registry's", cgr, []string{`Bearer realm="https://cgr.dev/token",service="cgr.dev"`}, "https://cgr.dev/token"},
		{"spaces, cases, quoted pairs, a port", cgr, []string{"  bEaReR\tREALM = \"https://CGR.dev:443\\/token\" , Service=cgr.dev ,, "}, "https://CGR.dev:443/token"},
		{"a comma in quotes", cgr, []string{`Bearer scope="a,b realm=x",realm="https://cgr.dev/token"`}, "https://cgr.dev/token"},
		{"beside another scheme", cgr, []string{`Basic realm="x", Bearer realm="https://cgr.dev/token"`}, "https://cgr.dev/token"},
		{"beside another header", cgr, []string{`Basic realm="x"`, `Bearer realm="https://cgr.dev/token"`}, "https://cgr.dev/token"},
		{"loopback that was configured", loopback, []string{`Bearer realm="http://127.0.0.1:5000/token"`}, "http://127.0.0.1:5000/token"},

		{"I59 another host", cgr, []string{`Bearer realm="https://evil.example/token"`}, ""},
		{"I59 below the host", cgr, []string{`Bearer realm="https://a.cgr.dev/token"`}, ""},
		{"I59 a look-alike", cgr, []string{`Bearer realm="https://cgr.dev.evil.example/token"`}, ""},
		{"I59 user info", cgr, []string{`Bearer realm="https://cgr.dev@evil.example/token"`}, ""},
		{"I59 user info at the host", cgr, []string{`Bearer realm="https://a:b@cgr.dev/token"`}, ""},
		{"I59 a backslash", cgr, []string{`Bearer realm="https://cgr.dev\\@evil.example/token"`}, ""},
		{"I59 http", cgr, []string{`Bearer realm="http://cgr.dev/token"`}, ""},
		{"I59 another port", cgr, []string{`Bearer realm="https://cgr.dev:8443/token"`}, ""},
		{"I59 metadata", cgr, []string{`Bearer realm="http://169.254.169.254/latest"`}, ""},
		{"I59 loopback", cgr, []string{`Bearer realm="https://127.0.0.1/token"`}, ""},
		{"I59 another port of loopback", loopback, []string{`Bearer realm="http://127.0.0.1:5001/token"`}, ""},
		{"I59 https on loopback", loopback, []string{`Bearer realm="https://127.0.0.1:5000/token"`}, ""},
		{"I59 no host", cgr, []string{`Bearer realm="/token"`}, ""},
		{"I59 opaque", cgr, []string{`Bearer realm="https:cgr.dev/token"`}, ""},
		{"I59 a file", cgr, []string{`Bearer realm="file:///etc/passwd"`}, ""},
		{"I59 no URL", cgr, []string{"Bearer realm=\"https://cgr.dev/\x1b\""}, ""},
		{"I59 no realm", cgr, []string{`Bearer service="cgr.dev"`}, ""},
		{"I59 empty realm", cgr, []string{`Bearer realm=""`}, ""},
		{"I59 two challenges", cgr, []string{`Bearer realm="https://cgr.dev/token", Bearer realm="https://evil.example/token"`}, ""},
		{"I59 two headers", cgr, []string{`Bearer realm="https://cgr.dev/token"`, `Bearer realm="https://evil.example/token"`}, ""},
		{"I59 two realms", cgr, []string{`Bearer realm="https://cgr.dev/token",REALM="https://evil.example/token"`}, ""},
		{"I59 no end", cgr, []string{`Bearer realm="https://cgr.dev/token`}, ""},
		{"I59 something behind the quotes", cgr, []string{`Bearer realm="https://cgr.dev/token"x`}, ""},
		{"I59 basic only", cgr, []string{`Basic realm="https://cgr.dev/token"`}, ""},
		{"I59 a parameter first", cgr, []string{`realm="https://cgr.dev/token"`}, ""},
		{"I59 no characters of a token", cgr, []string{`Bearer(realm="https://cgr.dev/token")`}, ""},
		{"none", cgr, nil, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			realm, _, err := client(t, test.registry).readChallenge(test.headers)
			if test.want == "" {
				oneLine(t, err)
				if realm != nil {
					t.Errorf("got %v beside an error, want none", realm)
				}
				return
			}
			if err != nil || realm.String() != test.want {
				t.Errorf("got %v, %v, want %s", realm, err, test.want)
			}
		})
	}
}

// Whatever a server asks for, no realm but the registry's own comes through.
func FuzzReadChallenge(f *testing.F) {
	for _, header := range []string{
		`Bearer realm="https://cgr.dev/token",service="cgr.dev"`, `Basic realm="x", Bearer realm="https://cgr.dev:443/"`,
		`Bearer realm="https://cgr.dev@evil.example"`, `Bearer realm="https://cgr.dev\\.evil.example"`, `Negotiate abc==`, `Bearer realm=x realm=y`,
	} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		realm, service, err := client(t, "https://cgr.dev").readChallenge([]string{header})
		if err != nil {
			if realm != nil || strings.ContainsAny(err.Error(), "\n\r\x00\x1b") {
				t.Errorf("got %v and the error %q, want one printable line alone", realm, err)
			}
			return
		}
		// As net/http will read it.
		u, err := url.Parse(realm.String())
		if err != nil || u.Scheme != "https" || !strings.EqualFold(u.Hostname(), "cgr.dev") || u.Port() != "" && u.Port() != "443" || u.User != nil {
			t.Errorf("%q: got %v, %v, want the registry's own", header, realm, err)
		}
		if strings.ContainsAny(service, "\n\r\x00\x1b") {
			t.Errorf("got the service %q, want it printable", service)
		}
	})
}
