package helper

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"docker-credential-cgr/config"
	"docker-credential-cgr/keychain"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/token"
	tokenstore "docker-credential-cgr/token/store"
)

// A fixture is a helper with a file store of its own, an issuer that must not be
// asked, and nobody who could sign in unless a test sets person.
type fixture struct {
	t      *testing.T
	helper *Helper
	env    map[string]string
	opened int      // how often the session was opened
	said   []string // on standard error
	// person signs in; windows counts how often.
	person  func() (*token.Grant, error)
	windows int
}

func newFixture(t *testing.T, env map[string]string) *fixture {
	t.Helper()
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	t.Setenv("LOCALAPPDATA", t.TempDir())
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("the issuer was asked for %s, where nothing should ask it", r.URL.Path)
		w.WriteHeader(http.StatusInternalServerError)
	}))
	t.Cleanup(issuer.Close)
	vars := map[string]string{"CHAINGUARD_PLATFORM_ISSUER": issuer.URL, "HOME": t.TempDir()}
	for name, value := range env {
		vars[name] = value
	}
	cfg, err := config.Load(func(name string) string { return vars[name] })
	f := &fixture{t: t, env: vars}
	f.helper = &Helper{Config: cfg, ConfigErr: err, Context: context.Background(), Warn: f.warn, Line: error.Error, Session: f.session}
	return f
}

func (f *fixture) warn(err error) { f.said = append(f.said, err.Error()) }

// session opens the session anew, as each run of the program does.
func (f *fixture) session(organization string, mayPrompt bool) (*token.Session, error) {
	f.opened++
	store, err := keychain.Open(keychain.File, "docker-credential-cgr"+organization, 0)
	if err != nil {
		return nil, err
	}
	issuer := f.helper.Config.Issuer.String()
	s := &token.Session{
		Records: tokenstore.Records{
			Issuer: issuer, Keychain: store, LockTimeout: time.Second,
			Now: time.Now, Warn: f.warn, Note: func(format string, args ...any) { f.warn(fmt.Errorf(format, args...)) }, Debug: func(string, ...any) {},
		},
		Registry: "cgr.dev", API: "https://console-api.enforce.dev",
		STS:      &platform.STS{Issuer: issuer, Transport: platform.NewTransport(), Now: time.Now, Warn: f.warn, Debug: func(string, ...any) {}},
		NoSignIn: errors.New("no terminal"),
	}
	if f.person != nil && mayPrompt {
		s.SignIn = func(context.Context, token.SignInRequest) (*token.Grant, error) {
			f.windows++
			return f.person()
		}
	}
	return s, nil
}

// serve runs one verb and gives what it printed and its exit code.
func (f *fixture) serve(verb, input string) (out string, code int) {
	f.t.Helper()
	var text strings.Builder
	code = Serve(f.helper, verb, strings.NewReader(input), false, &text)
	return text.String(), code
}

// want runs one verb and checks all that it gave.
func (f *fixture) want(verb, input, out string, code int) {
	f.t.Helper()
	if got, gotCode := f.serve(verb, input); got != out || gotCode != code {
		f.t.Errorf("%s %q: got %q, exit %d, want %q, exit %d", verb, input, got, gotCode, out, code)
	}
}

// accessToken makes a token that names subject and lasts an hour.
func (f *fixture) accessToken(subject string) string {
	f.t.Helper()
	payload, err := json.Marshal(map[string]any{
		"iss": f.helper.Config.Issuer.String(), "sub": subject, "aud": "cgr.dev", "exp": time.Now().Add(time.Hour).Unix(),
	})
	if err != nil {
		f.t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"RS256"}`)) + "." + encode(payload) + "." + encode([]byte("signature"))
}

// signsIn sets a person who signs in as subject, and gives the token they get.
func (f *fixture) signsIn(subject string) (accessToken string) {
	accessToken = f.accessToken(subject)
	f.person = func() (*token.Grant, error) {
		return &token.Grant{Subject: subject, AccessTokens: []token.AccessToken{{Secret: accessToken, Audiences: []string{"cgr.dev"}, Expires: time.Now().Add(time.Hour)}}}, nil
	}
	return accessToken
}

// pair is the JSON that store takes and get gives.
func pair(t *testing.T, server, username, secret string) string {
	t.Helper()
	text, err := json.Marshal(map[string]string{"ServerURL": server, "Username": username, "Secret": secret})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// answer is what get prints.
func answer(server, username, secret string) string {
	return fmt.Sprintf("{\"ServerURL\":%q,\"Username\":%q,\"Secret\":%q}\n", server, username, secret)
}

func TestGetStored(t *testing.T) {
	f := newFixture(t, nil)
	f.want("store", pair(t, "cgr.dev", "org/id", "s3cret-s3cret"), "", 0)
	for _, server := range []string{"cgr.dev", "https://cgr.dev", "CGR.DEV", "cgr.dev:443", "https://cgr.dev/v2/"} {
		f.want("get", server+"\n", answer(server, "org/id", "s3cret-s3cret"), 0)
	}
	t.Run("I7 a path changes nothing and is no key", func(t *testing.T) {
		f.want("get", "cgr.dev/org/image", answer("cgr.dev/org/image", "org/id", "s3cret-s3cret"), 0)
		f.want("store", pair(t, "https://cgr.dev/other/path", "org/other", "s4cret-s4cret"), "", 0)
		f.want("get", "cgr.dev", answer("cgr.dev", "org/other", "s4cret-s4cret"), 0)
	})
	t.Run("a host below has a pair of its own", func(t *testing.T) {
		f.want("get", "apk.cgr.dev", notFoundLine, 1)
		f.want("store", pair(t, "apk.cgr.dev", "org/apk", "s5cret-s5cret"), "", 0)
		f.want("get", "apk.cgr.dev", answer("apk.cgr.dev", "org/apk", "s5cret-s5cret"), 0)
		f.want("get", "cgr.dev", answer("cgr.dev", "org/other", "s4cret-s4cret"), 0)
	})
}

func TestGetPairFromEnvironment(t *testing.T) {
	f := newFixture(t, map[string]string{"CHAINGUARD_IDENTITY_ID": "org/id", "CHAINGUARD_TOKEN": "pull-token-pull-token"})
	f.want("get", "cgr.dev", answer("cgr.dev", "org/id", "pull-token-pull-token"), 0)
	f.want("list", "", `{"cgr.dev":"org/id"}`+"\n", 0)
	f.want("get", "evil.example", notFoundLine, 1)
	if f.opened != 0 {
		t.Errorf("got the session opened %d times, want none", f.opened)
	}
}

func TestGetSignsIn(t *testing.T) {
	f := newFixture(t, nil)
	accessToken := f.signsIn("subject-a")
	for range 3 {
		f.want("get", "cgr.dev", answer("cgr.dev", token.Username, accessToken), 0)
	}
	if f.windows != 1 {
		t.Errorf("got %d windows, want 1", f.windows)
	}
}

// A window that somebody closed is an answer, and public pulls go on.
func TestGetClosedWindow(t *testing.T) {
	f := newFixture(t, nil)
	f.person = func() (*token.Grant, error) { return nil, &token.SignInError{Why: "was refused"} }
	for range 3 {
		f.want("get", "cgr.dev", notFoundLine, 1)
	}
	if f.windows != 1 {
		t.Errorf("P6 after a closed window: got %d windows, want 1", f.windows)
	}
	if len(f.said) != 3 || !strings.Contains(f.said[0], "was refused") {
		t.Errorf("got %q on standard error, want the reason each time", f.said)
	}
}

func TestBadConfig(t *testing.T) {
	t.Run("a bad setting is an error for our hosts", func(t *testing.T) {
		f := newFixture(t, map[string]string{"CHAINGUARD_KEYCHAIN": "vault"})
		for _, verb := range []string{"get", "erase", "list"} {
			out, code := f.serve(verb, "cgr.dev")
			if code != 1 || !strings.Contains(out, "CHAINGUARD_KEYCHAIN") || strings.Count(out, "\n") != 1 {
				t.Errorf("%s: got %q, exit %d, want one line that names the variable, exit 1", verb, out, code)
			}
		}
		t.Run("P3 and leaves foreign ones alone", func(t *testing.T) {
			f.want("get", "evil.example", notFoundLine, 1)
			f.want("erase", "evil.example", "", 0)
		})
		if f.opened != 0 {
			t.Errorf("got the session opened %d times, want none", f.opened)
		}
	})
	t.Run("a bad registry is an error for every host", func(t *testing.T) {
		f := newFixture(t, map[string]string{"CHAINGUARD_PLATFORM_REGISTRY": "http://cgr.dev"})
		out, code := f.serve("get", "cgr.dev")
		if code != 1 || !strings.Contains(out, "CHAINGUARD_PLATFORM_REGISTRY") {
			t.Errorf("got %q, exit %d, want the variable named, exit 1", out, code)
		}
	})
	t.Run("P1 several bad settings are one line", func(t *testing.T) {
		f := newFixture(t, map[string]string{"CHAINGUARD_KEYCHAIN": "vault", "CHAINGUARD_AUTH_MODE": "x", "CHAINGUARD_DEBUG": "x"})
		f.helper.Line = func(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
		out, _ := f.serve("get", "cgr.dev")
		if strings.Count(out, "\n") != 1 || !strings.Contains(out, "KEYCHAIN") || !strings.Contains(out, "DEBUG") {
			t.Errorf("got %q, want one line that names all", out)
		}
	})
}
