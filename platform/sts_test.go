package platform

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// refreshes asks the issuer of f, with R1, at most tries times.
func (f *fixture) refreshes(tries int) (access, refresh string, err error) {
	f.t.Helper()
	token, err := f.sts().Refresh(f.t.Context(), "R1", TokenRequest{Audiences: []string{registry}}, tries)
	if token == nil {
		return "", "", err
	}
	return token.AccessToken, token.RefreshToken, err
}

// What may pass by itself is tried again, what will not is not.
func TestRetries(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	page := func(status int) http.HandlerFunc { return serving(status, "text/html", "<html>try later</html>") }
	tests := []struct {
		name   string
		answer http.HandlerFunc
		again  bool
	}{
		{"F18 code 14", fails(503, CodeUnavailable, ""), true},
		{"F18 code 13", fails(500, CodeInternal, ""), true},
		{"F18 code 4", fails(504, CodeDeadlineExceeded, ""), true},
		{"F18 502 of a proxy", page(502), true},
		{"F18 503 of a proxy", page(503), true},
		{"F18 504 of a proxy", page(504), true},
		{"F16 no answer", closes, true},
		{"F18 code 16", fails(401, CodeUnauthenticated, ""), false},
		{"F18 code 3", fails(400, CodeInvalidArgument, ""), false},
		{"F18 code 7", fails(403, 7, ""), false},
		{"F18 code 5", fails(404, 5, ""), false},
		{"F18 code 8", fails(429, 8, ""), false},
		{"F18 code 12", fails(501, 12, ""), false},
		{"F18 code 2", fails(500, 2, ""), false},
		{"F18 407 of a proxy", page(407), false},
		{"F18 500 of a proxy", page(500), false},
		{"I44 200 of a captive portal", page(200), false},
		{"I46 redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/x", http.StatusTemporaryRedirect) }, false},
		{"I46 redirect to nowhere", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://%zz/")
			w.WriteHeader(http.StatusTemporaryRedirect)
		}, false},
		{"I54 429 with Retry-After", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(429)
		}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t)
			good := f.access(registry)
			f.wants("R1", test.answer)
			if !test.again {
				if access, _, err := f.refreshes(3); err == nil {
					t.Errorf("got %q, want an error", access)
				}
				return
			}
			f.wants("R1", gives(good, "R2"))
			if access, refresh, err := f.refreshes(3); err != nil || access != good || refresh != "R2" {
				t.Errorf("got %q, %q, %v, want the second answer", access, refresh, err)
			}
		})
	}
	for tries := 1; tries <= 3; tries++ {
		t.Run(fmt.Sprintf("F18 %d tries", tries), func(t *testing.T) {
			f := newFixture(t)
			for range tries {
				f.wants("R1", fails(503, CodeUnavailable, ""))
			}
			if access, _, err := f.refreshes(tries); err == nil {
				t.Errorf("got %q, want an error", access)
			}
		})
	}
}

// How long a server wants us to wait is ours to decide: a test that waited would not end.
func TestRetryAfter(t *testing.T) {
	for name, value := range map[string]string{
		"I54 1e9": "1e9", "I54 1000000000": "1000000000", "I54 past date": "Mon, 01 Jan 1990 00:00:00 GMT", "I54 garbage": "soon",
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			good := f.access(registry)
			f.wants("R1", func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", value)
				w.WriteHeader(503)
			})
			f.wants("R1", gives(good, ""))
			if access, _, err := f.refreshes(2); err != nil || access != good {
				t.Errorf("got %q, %v, want the second answer", access, err)
			}
		})
	}
}

func TestRefreshEndsWithItsContext(t *testing.T) {
	f := newFixture(t)
	ctx, cancel := context.WithCancel(t.Context())
	f.wants("R1", func(w http.ResponseWriter, r *http.Request) {
		cancel()
		fails(503, CodeUnavailable, "")(w, r)
	})
	if token, err := f.sts().Refresh(ctx, "R1", TokenRequest{Audiences: []string{registry}}, 3); err == nil {
		t.Errorf("F25 got %+v, want an error", token)
	}
}

// A token for another account or audience is refused, and the error shows its claims
// escaped.
func TestCheckedTokens(t *testing.T) {
	f := newFixture(t)
	end := f.now.Add(time.Hour).Unix()
	good := map[string]any{"iss": f.url, "sub": alice, "aud": registry, "exp": end}
	with := func(name string, value any) string {
		Claims := map[string]any{}
		for k, v := range good {
			Claims[k] = v
		}
		Claims[name] = value
		return jwt(t, Claims)
	}
	tests := []struct{ name, access, want string }{ // want "": taken
		{"whole", jwt(t, good), ""},
		{"I50 aud is a list", with("aud", []string{registry}), ""},
		{"I51 an audience more than was asked for", with("aud", []string{registry, "https://api\x1b"}), `returned a token that is also for https://api\x1b`},
		{"issuer with a slash", with("iss", f.url+"/"), ""},
		{"I51 another issuer", with("iss", "https://other.example\x1b[31m"), `https://other.example\x1b[31m`},
		{"I51 no issuer", with("iss", ""), "another issuer"},
		{"I51 another audience", with("aud", "https://api\x1b"), `returned a token for https://api\x1b instead of cgr.dev`},
		{"I51 no audience", with("aud", nil), "instead of cgr.dev"},
		{"I51 an audience that begins like ours", with("aud", "cgr.dev.evil.example"), "instead of cgr.dev"},
		{"I49 no JWT", "opaque-secret-token", "not a JWT"},
		{"I49 line end", jwt(t, good) + "\n", "control characters"},
		{"I49 200 KB", with("x", strings.Repeat("x", 200<<10)), "not a JWT"},
		{"I44 empty", "", "not the issuer"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f.t = t
			f.wants("R1", gives(test.access, "R2"))
			access, refresh, err := f.refreshes(3)
			switch {
			case test.want == "" && (err != nil || access != test.access || refresh != "R2"):
				t.Errorf("got %q, %q, %v, want the token", access, refresh, err)
			case test.want != "" && (err == nil || access != "" || !strings.Contains(err.Error(), test.want)):
				t.Errorf("got %q, %v, want no token, and %q in the error", access, err, test.want)
			case err != nil && (strings.Contains(err.Error(), "secret") || strings.ContainsAny(err.Error(), "\x1b\n")):
				t.Errorf("got %q, want one printable line without the token", err)
			}
		})
	}
	t.Run("I49 line end in the refresh token", func(t *testing.T) {
		f.t = t
		f.wants("R1", gives(jwt(t, good), "R2\r\nX-Evil: 1"))
		if access, refresh, err := f.refreshes(1); err == nil || access != "" || refresh != "" {
			t.Errorf("got %q, %q, %v, want neither", access, refresh, err)
		}
	})
	t.Run("I49 an opaque refresh token", func(t *testing.T) {
		f.t = t
		f.wants("R1", gives(jwt(t, good), `opaque "token" é`))
		if _, refresh, err := f.refreshes(1); err != nil || refresh != `opaque "token" é` {
			t.Errorf("got %q, %v, want it as it is", refresh, err)
		}
	})
}

func TestLocalTime(t *testing.T) {
	now := time.Date(2026, 10, 5, 9, 0, 0, 0, time.UTC)
	end := now.Add(time.Hour)
	for _, test := range []struct {
		name   string
		server time.Time
		want   time.Time
	}{
		{"F21 no date", time.Time{}, end},
		{"F21 the same", now, end},
		{"F21 30 s ahead, as a slow answer is", now.Add(30 * time.Second), end},
		{"F21 a day ahead", now.Add(24 * time.Hour), end.Add(-24 * time.Hour)},
		{"F21 a day behind", now.Add(-24 * time.Hour), end.Add(24 * time.Hour)},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := localTime(end, test.server, now); !got.Equal(test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
	if got := localTime(time.Time{}, now.Add(time.Hour), now); !got.IsZero() {
		t.Errorf("of no time: got %v, want none", got)
	}
}
