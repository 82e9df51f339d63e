package doctor

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"docker-credential-cgr/config"
	"docker-credential-cgr/hint"
	"docker-credential-cgr/keychain"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/token"
	"docker-credential-cgr/token/store"
)

// now is the time in these tests.
var now = time.Date(2026, time.November, 22, 12, 0, 0, 0, time.UTC)

// patient is somebody whose platform answers as it should, with a file store and a
// home of their own, and nothing in PATH.
func patient(t *testing.T) *Patient {
	t.Helper()
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_STATE_HOME", "")
	p := &Patient{
		LookPath: func(string) (string, error) { return "", errors.New("not found") },
		Getenv:   getenv(map[string]string{"HOME": home, "XDG_RUNTIME_DIR": filepath.Join(home, "run")}),
		Home:     home, EUID: -1,
		Transport: platform.NewTransport(),
		Now:       func() time.Time { return now },
	}
	p.Config, p.ConfigErr = config.Read(config.Sources{Getenv: p.Getenv})
	if p.ConfigErr != nil {
		t.Fatal(p.ConfigErr)
	}
	p.Config.Issuer = serves(t, refuse(http.StatusNotImplemented, `{"code":12}`))
	p.Config.API = serves(t, refuse(http.StatusUnauthorized, `{"code":16}`))
	p.Config.Registry = serves(t, challenge)
	p.Config.Keychain = config.KeychainFile
	p.Session = session(t, p, keychain.File)
	return p
}

// session is nobody's.
func session(t *testing.T, p *Patient, kind keychain.Kind) *token.Session {
	t.Helper()
	k, err := keychain.Open(kind, name, 100*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	quiet := func(string, ...any) {}
	return &token.Session{
		Records: store.Records{
			Issuer: p.Config.Issuer.String(), Keychain: k, Now: p.Now,
			Warn: func(err error) { t.Errorf("got a warning: %v", err) }, Note: quiet, Debug: quiet,
		},
		Registry: p.Config.Registry.Host, API: p.Config.API.String(),
		STS: &platform.STS{Issuer: p.Config.Issuer.String(), Transport: p.Transport, Now: p.Now, Warn: func(error) {}, Debug: quiet},
	}
}

func getenv(values map[string]string) func(string) string {
	return func(name string) string { return values[name] }
}

func serves(t *testing.T, handler http.HandlerFunc) *url.URL {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", now.Format(http.TimeFormat))
		handler(w, r)
	}))
	t.Cleanup(server.Close)
	return parse(t, server.URL)
}

func parse(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// refuse answers as the platform's gateways refuse.
func refuse(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

// challenge answers as the registry does without a token.
func challenge(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+r.Host+`/token",service="`+r.Host+`"`)
	refuse(http.StatusUnauthorized, `{"errors":[{"code":"UNAUTHORIZED"}]}`)(w, r)
}

// want checks one result: its status, and words that what it says and what mends it
// have to hold.
func want(t *testing.T, got Result, status Status, says, mend string) {
	t.Helper()
	if got.Status != status || !strings.Contains(got.Says, says) || !strings.Contains(got.Fix, mend) {
		t.Errorf("got %+v, want %s with %q, mended by %q", got, status, says, mend)
	}
	sound(t, got)
}

// sound checks what every result has to be.
func sound(t *testing.T, r Result) {
	t.Helper()
	if wrong := r.Status == Warning || r.Status == Failure; wrong != (r.Fix != "") {
		t.Errorf("got %+v, want what mends it where something is wrong, and there alone", r)
	}
	if strings.ContainsFunc(r.Says+r.Fix, func(c rune) bool { return !unicode.IsPrint(c) }) || r.Says == "" {
		t.Errorf("P14 got %+q, want one printable line", r)
	}
}

// only gives the one result of a check.
func only(t *testing.T, results []Result, check string) Result {
	t.Helper()
	of := slices.DeleteFunc(slices.Clone(results), func(r Result) bool { return r.Check != check })
	if len(of) != 1 {
		t.Fatalf("got %d results of %s, want 1: %+v", len(of), check, results)
	}
	return of[0]
}

func TestExamine(t *testing.T) {
	p := patient(t)
	results := p.Examine(t.Context(), p.Config.Registry.Host+"/org/image")
	var checks []string
	for _, r := range results {
		sound(t, r)
		checks = append(checks, r.Check)
	}
	got := strings.Join(slices.Compact(checks), " ")
	if want := "program settings docker store issuer api registry clock session image"; got != want {
		t.Errorf("got the checks %q, want %q", got, want)
	}
	want(t, only(t, results, "program"), Failure, "not in PATH", "put it into a folder of PATH")
	want(t, only(t, results, "store"), OK, "file store", "")
	want(t, only(t, results, "clock"), OK, "goes with the issuer's", "")
	want(t, only(t, results, "session"), Warning, "nobody is signed in", "docker-credential-cgr login")
	if !Failed(results) {
		t.Error("got no failure, want one")
	}
	if Failed([]Result{ok("a", "b"), warning("a", "b", "c"), skipped("a", "b")}) {
		t.Error("got a failure of a warning")
	}
}

// What the settings leave unknown is not looked at.
func TestExamineWrongSettings(t *testing.T) {
	p := patient(t)
	_, p.ConfigErr = config.Load(getenv(map[string]string{"CHAINGUARD_AUTH_MODE": "x"}))
	p.Session = nil
	p.Transport = untouched(t)
	results := p.Examine(t.Context(), "")
	want(t, only(t, results, "settings"), Failure, "CHAINGUARD_AUTH_MODE", "unset CHAINGUARD_AUTH_MODE, or correct it")
	want(t, only(t, results, "docker"), Failure, "config.json", configure)
	for _, check := range []string{"store", "issuer", "api", "registry", "clock", "session"} {
		want(t, only(t, results, check), Skipped, "the settings are wrong", "")
	}
	p.Config.Registry = nil
	want(t, only(t, p.Examine(t.Context(), ""), "docker"), Skipped, "the registry is not known", "")
}

type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// untouched fails the test when a request is sent.
func untouched(t *testing.T) http.RoundTripper {
	return transportFunc(func(r *http.Request) (*http.Response, error) {
		t.Errorf("got a request to %s, want none", r.URL)
		return nil, errors.New("no network")
	})
}

// P11: it ends, whatever hangs: else this test would not.
func TestExamineBounded(t *testing.T) {
	p := patient(t)
	silent := blackHole(t)
	p.Config.Issuer, p.Config.API, p.Config.Registry = silent, silent, silent
	p.LookPath = func(string) (string, error) { select {} }
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	results := p.Examine(ctx, "")
	want(t, only(t, results, "program"), Failure, "no answer within", "see what that waits for")
	want(t, only(t, results, "issuer"), Failure, "in time", "see that this machine is online")
}

// blackHole takes connections and never says anything.
func blackHole(t *testing.T) *url.URL {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return parse(t, "http://"+l.Addr().String())
}

func TestOneLine(t *testing.T) {
	r := failure("a", "b\x1b[31m", "%s", "a\x1b]8;;x\x07b\nc\u202ed")
	sound(t, r)
}

func TestFromError(t *testing.T) {
	err := hint.With(errors.New("X belongs to user 1, not to you"), hint.Text("sudo chown 0 X"))
	want(t, fromError("docker", err, "other"), Failure, "X belongs to user 1, not to you", "sudo chown 0 X")
	want(t, fromError("docker", errors.New("broken"), "mend it"), Failure, "broken", "mend it")
}

func TestQuoted(t *testing.T) {
	for path, want := range map[string]string{
		"/usr/local/bin/x-1.2":     "/usr/local/bin/x-1.2",
		"/a b":                     "'/a b'",
		"/it's":                    `'/it'\''s'`,
		"/a;rm -rf $HOME":          "'/a;rm -rf $HOME'",
		"":                         "''",
		filepath.FromSlash("/a/b"): filepath.FromSlash("/a/b"),
	} {
		if got := quoted(path); got != want {
			t.Errorf("%q: got %s, want %s", path, got, want)
		}
	}
}
