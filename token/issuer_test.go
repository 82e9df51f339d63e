package token

import (
	"context"
	"docker-credential-cgr/token/store"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"docker-credential-cgr/hint"
	"docker-credential-cgr/keychain"
	"docker-credential-cgr/platform"
)

const (
	registry = "cgr.dev"
	api      = "https://console-api.enforce.dev"
	alice    = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	bob      = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

// testClock is the time of a test, which moves when it is told to.
type testClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *testClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *testClock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// step is one request that the issuer wants, and what it answers.
type step struct {
	bearer, audience string
	answer           http.HandlerFunc
}

// fixture is a session with a file store of its own, an issuer that is told what
// to want and what to answer, a clock, and a person. Each call of session is
// another process that shares them.
type fixture struct {
	t     *testing.T
	clock *testClock
	skew  time.Duration // the issuer's clock less ours
	url   string        // of the issuer
	store *keychain.Keychain

	mu      sync.Mutex
	steps   []step
	asked   int
	said    []string
	windows int
	wanted  []string // audiences of the last sign-in
	// person is who signs in; nil where nobody is there.
	person  func(context.Context) (*Grant, error)
	confirm func(last, now Account) bool
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	t.Setenv("LOCALAPPDATA", t.TempDir())
	store, err := keychain.Open(keychain.File, "docker-credential-cgr", 0)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, store: store, clock: &testClock{now: time.Date(2026, 10, 5, 9, 0, 0, 0, time.UTC)}}
	server := httptest.NewServer(f)
	f.url = server.URL
	t.Cleanup(func() {
		server.Close()
		if len(f.steps) > 0 {
			t.Errorf("the issuer was not asked for %d more requests, first with %q for %s", len(f.steps), f.steps[0].bearer, f.steps[0].audience)
		}
	})
	return f
}

// ServeHTTP checks that a request is the one wanted next, and answers it.
func (f *fixture) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.asked++
	var next step
	if len(f.steps) > 0 {
		next, f.steps = f.steps[0], f.steps[1:]
	}
	f.mu.Unlock()
	bearer, audience := r.Header.Get("Authorization"), r.PostFormValue("aud")
	switch {
	case next.answer == nil:
		f.t.Errorf("the issuer was asked with %q for %s, where nothing should ask it", bearer, audience)
	case r.Method != http.MethodPost || r.URL.RawQuery != "" || r.URL.Path != "/sts/exchange_refresh_token" && next.bearer != "ID":
		f.t.Errorf("the issuer was asked: got %s %s, want POST /sts/exchange_refresh_token", r.Method, r.URL)
	case bearer != "Bearer "+next.bearer || audience != next.audience:
		f.t.Errorf("the issuer was asked: got %q for %s, want %q for %s", bearer, audience, next.bearer, next.audience)
	default:
		w.Header().Set("Date", f.clock.Now().Add(f.skew).UTC().Format(http.TimeFormat))
		next.answer(w, r)
		return
	}
	w.WriteHeader(http.StatusTeapot)
}

// wants has the issuer want one more refresh, for the registry's audience.
func (f *fixture) wants(bearer string, answer http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.steps = append(f.steps, step{bearer, registry, answer})
}

// gives answers a refresh with an access token and perhaps a new refresh token.
func gives(access, refresh string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{
			"token": map[string]any{"token": access, "expiry": nil}, "refreshToken": map[string]any{"token": refresh}, "unknown": []int{1},
		})
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

// first does something before it answers.
func first(do func(), then http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		do()
		then(w, r)
	}
}

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

// access makes an access token for the registry that lasts an hour by the
// issuer's clock; id tells it from others.
func (f *fixture) access(subject, id string) string {
	now := f.clock.Now().Add(f.skew)
	return jwt(f.t, map[string]any{
		"iss": f.url, "sub": subject, "aud": []string{registry}, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "jti": id,
		"email": subject[:min(1, len(subject))] + "@example.com",
	})
}

// refreshToken makes a refresh token that lasts for d by our clock.
func (f *fixture) refreshToken(id string, d time.Duration) string {
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, `{"exp":%d,"id":%q}`, f.clock.Now().Add(d).Unix(), id))
}

// signsIn sets a person who signs in as subject and gets a refresh token.
func (f *fixture) signsIn(subject, refresh string) {
	f.person = func(context.Context) (*Grant, error) {
		return &Grant{
			Subject: subject, Email: subject[:1] + "@example.com", RefreshToken: refresh,
			AccessTokens: []AccessToken{{
				Secret: f.access(subject, "of the callback"), Audiences: []string{registry, api}, Expires: f.clock.Now().Add(time.Hour),
			}},
		}, nil
	}
}

// signsInForAnHour sets a person who signs in as subject and gets no refresh token,
// but access tokens, of which first is for the registry alone.
func (f *fixture) signsInForAnHour(subject, first string) {
	f.person = func(context.Context) (*Grant, error) {
		end := f.clock.Now().Add(time.Hour)
		return &Grant{
			Subject: subject, Email: subject[:1] + "@example.com",
			AccessTokens: []AccessToken{
				{Secret: f.access(subject, "for all"), Audiences: []string{registry, api}, Expires: end},
				{Secret: first, Audiences: []string{registry}, Expires: end},
			},
		}, nil
	}
}

// session is the session as another process sees it.
func (f *fixture) session() *Session {
	s := &Session{
		Records: store.Records{
			Issuer: f.url, Keychain: f.store, LockTimeout: 10 * time.Second,
			Now: f.clock.Now, Warn: f.warn, Note: f.note, Debug: f.debug,
		},
		Registry: registry, API: api,
		STS:            &platform.STS{Issuer: f.url, Transport: platform.NewTransport(), Now: f.clock.Now, Warn: f.warn, Debug: f.debug},
		NoSignIn:       hint.With(errors.New("no terminal"), hint.Do(hint.SignIn)),
		ConfirmAccount: f.confirm,
	}
	if f.person != nil {
		s.SignIn = func(ctx context.Context, r SignInRequest) (*Grant, error) {
			f.mu.Lock()
			f.windows++
			f.wanted = r.Audiences
			person := f.person
			f.mu.Unlock()
			return person(ctx)
		}
	}
	return s
}

func (f *fixture) warn(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.said = append(f.said, err.Error())
}

func (f *fixture) note(format string, args ...any) { f.warn(fmt.Errorf(format, args...)) }

func (f *fixture) debug(format string, args ...any) { f.t.Logf("debug: "+format, args...) }

// counts gives, since it was last called: requests, windows and warnings.
func (f *fixture) counts() (asked, windows int, said []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	asked, windows, said = f.asked, f.windows, f.said
	f.asked, f.windows, f.said = 0, 0, nil
	return asked, windows, said
}

// get asks for the registry's credential as another process.
func (f *fixture) get() (Credential, error) {
	f.t.Helper()
	return f.session().Credential(f.t.Context(), registry, true)
}

// wantGet asks for the registry's credential, and checks it and what it took.
func (f *fixture) wantGet(what, secret string, asked, windows int) {
	f.t.Helper()
	f.counts()
	c, err := f.get()
	if err != nil || c.Username != Username || c.Secret != secret {
		f.t.Errorf("%s: got %q %.200q, %v, want %q %.200q", what, c.Username, c.Secret, err, Username, secret)
	}
	if gotAsked, gotWindows, _ := f.counts(); gotAsked != asked || gotWindows != windows {
		f.t.Errorf("%s: got %d requests and %d windows, want %d and %d", what, gotAsked, gotWindows, asked, windows)
	}
}

// wantSession checks what is kept of the session.
func (f *fixture) wantSession(what, refresh, subject string) {
	f.t.Helper()
	r, err := f.session().ReadSession()
	if err != nil || r.Refresh != refresh || r.Subject != subject {
		f.t.Errorf("%s: got session with %q of %q, %v, want %q of %q", what, r.Refresh, r.Subject, err, refresh, subject)
	}
}

// signedIn makes a session of alice with the refresh token R1 and the access
// token that it returns.
func (f *fixture) signedIn() (accessToken string) {
	f.t.Helper()
	accessToken = f.access(alice, "A1")
	f.signsIn(alice, "R0")
	f.wants("R0", gives(accessToken, "R1"))
	f.wantGet("sign-in", accessToken, 1, 1)
	f.person = nil
	return accessToken
}

func unixOnly(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("modes are Unix's")
	}
}

// openToOthers makes the store one that must not be used any more.
func (f *fixture) openToOthers() {
	if err := os.Chmod(strings.TrimPrefix(f.store.String(), "file store "), 0o755); err != nil {
		f.t.Error(err)
	}
}

func contains(texts []string, part string) bool {
	return strings.Contains(strings.Join(texts, "\n"), part)
}
