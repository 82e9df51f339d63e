package platform

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"
)

const (
	registry = "cgr.dev"
	api      = "https://console-api.enforce.dev"
	alice    = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
)

// step is one request that the issuer wants, and what it answers.
type step struct {
	path, bearer string
	form         url.Values
	answer       http.HandlerFunc
}

// fixture is an issuer that is told what to want and what to answer. Its steps
// are read by one request at a time.
type fixture struct {
	t     *testing.T
	now   time.Time     // by our clock
	skew  time.Duration // the issuer's clock less ours
	url   string        // of the issuer
	steps []step
	said  []string // warnings
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, now: time.Date(2026, 10, 5, 9, 0, 0, 0, time.UTC)}
	server := httptest.NewServer(f)
	f.url = server.URL
	t.Cleanup(func() {
		server.Close()
		if len(f.steps) > 0 {
			t.Errorf("the issuer was not asked for %d more requests, first with %q", len(f.steps), f.steps[0].bearer)
		}
	})
	return f
}

// ServeHTTP checks that a request is the one wanted next, and answers it.
func (f *fixture) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var next step
	if len(f.steps) > 0 {
		next, f.steps = f.steps[0], f.steps[1:]
	}
	body, _ := io.ReadAll(r.Body)
	bearer := r.Header.Get("Authorization")
	switch {
	case next.answer == nil:
		f.t.Errorf("the issuer was asked for %s with %q and %q, where nothing should ask it", r.URL, bearer, body)
	case r.Method != http.MethodPost || r.URL.Path != next.path || r.URL.RawQuery != "":
		f.t.Errorf("the issuer was asked: got %s %s, want POST %s", r.Method, r.URL, next.path)
	case bearer != "Bearer "+next.bearer || string(body) != next.form.Encode():
		f.t.Errorf("the issuer was asked: got %q with %q, want %q with %q", bearer, body, next.bearer, next.form.Encode())
	default:
		w.Header().Set("Date", f.now.Add(f.skew).UTC().Format(http.TimeFormat))
		next.answer(w, r)
		return
	}
	w.WriteHeader(http.StatusTeapot)
}

// wants has the issuer want one more refresh, for the registry's audience.
func (f *fixture) wants(bearer string, answer http.HandlerFunc) {
	f.steps = append(f.steps, step{"/sts/exchange_refresh_token", bearer, url.Values{"aud": {registry}}, answer})
}

func (f *fixture) sts() *STS {
	return &STS{
		Issuer: f.url, Transport: NewTransport(), Now: func() time.Time { return f.now },
		Warn:  func(err error) { f.said = append(f.said, err.Error()) },
		Debug: func(format string, args ...any) { f.t.Logf("debug: "+format, args...) },
	}
}

// gives answers a refresh with an access token and perhaps a new refresh token.
func gives(access, refresh string) http.HandlerFunc {
	return answers(map[string]any{
		"token": map[string]any{"token": access, "expiry": nil}, "refreshToken": map[string]any{"token": refresh}, "unknown": []int{1},
	})
}

// answers answers with JSON.
func answers(value any) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(value)
	}
}

// fails answers with an error as the gateway does.
func fails(status, code int, message string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]any{"code": code, "message": message, "details": []any{}})
	}
}

// closes breaks the connection off without an answer.
func closes(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// jwt makes a token of claims. Nobody looks at its signature.
func jwt(t testing.TB, claims map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + encode(payload) + "." + encode([]byte("signature"))
}

// access makes an access token that lasts an hour by the issuer's clock.
func (f *fixture) access(audiences ...string) string {
	now := f.now.Add(f.skew)
	return jwt(f.t, map[string]any{
		"iss": f.url, "sub": alice, "aud": audiences, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	})
}

// inVain fails the test if a request comes.
func inVain(t *testing.T) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		t.Errorf("P15 a request came that must not: %s %s, Authorization %q, body %q", r.Method, r.URL, r.Header.Get("Authorization"), body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, "{}")
	}))
	t.Cleanup(server.Close)
	return server
}
