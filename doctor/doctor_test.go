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

// newChecker returns a Checker for a platform that answers as it should, with a file store
// and a home directory of its own, and nothing in PATH.
func newChecker(t *testing.T) *Checker {
	t.Helper()
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_STATE_HOME", "")
	t.Setenv("LOCALAPPDATA", filepath.Join(home, "AppData", "Local"))
	p := &Checker{
		Name:     name,
		LookPath: func(string) (string, error) { return "", errors.New("not found") },
		Getenv:   getenv(map[string]string{"HOME": home, "XDG_RUNTIME_DIR": filepath.Join(home, "run")}),
		Home:     home, EUID: -1,
		Transport: platform.NewTransport(),
		Now:       func() time.Time { return now },
	}
	t.Cleanup(p.running.Wait) // an abandoned check may still write below home
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

// session returns a session without a sign-in.
func session(t *testing.T, p *Checker, kind keychain.Kind) *token.Session {
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

// name is the program's name in these tests. login and configure are hints of its own.
const (
	name      = "docker-credential-cgr"
	login     = name + " login"
	configure = name + " configure-docker"
)

// fixText returns the fix of a result as package cli prints it.
func fixText(r Result) string {
	verbs := map[hint.Action]string{
		hint.SignIn: "login", hint.ListImages: "images list", hint.ConfigureDocker: "configure-docker", hint.ReplaceHelper: "configure-docker --replace",
		hint.ListSettings: "config view", hint.SetSetting: "config set", hint.UnsetSetting: "config unset",
	}
	var fixes []string
	for _, h := range r.Fix {
		text := h.Text
		if verb, ok := verbs[h.Action]; ok {
			text = strings.TrimSpace(name + " " + verb + " " + h.Arguments)
		}
		fixes = append(fixes, text)
	}
	return strings.Join(fixes, "; ")
}

// want checks the status of a result, and that its message and its fix contain the texts.
func want(t *testing.T, got Result, status Status, message, fix string) {
	t.Helper()
	if got.Status != status || !strings.Contains(got.Message, message) || !strings.Contains(fixText(got), fix) {
		t.Errorf("got %+v, want %s with %q, fix %q", got, status, message, fix)
	}
	sound(t, got)
}

// sound checks what every result has to be.
func sound(t *testing.T, r Result) {
	t.Helper()
	if wrong := r.Status == Warning || r.Status == Failure; wrong != (len(r.Fix) > 0) {
		t.Errorf("got %+v, want a fix for warnings and failures only", r)
	}
	if strings.ContainsFunc(r.Message+fixText(r), func(c rune) bool { return !unicode.IsPrint(c) }) || r.Message == "" {
		t.Errorf("P14 got %+v, want one printable line", r)
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

func TestRun(t *testing.T) {
	p := newChecker(t)
	results := p.Run(t.Context(), p.Config.Registry.Host+"/org/image")
	var checks []string
	for _, r := range results {
		sound(t, r)
		checks = append(checks, r.Check)
	}
	got := strings.Join(slices.Compact(checks), " ")
	if want := "program settings docker store issuer api registry clock session image"; got != want {
		t.Errorf("got the checks %q, want %q", got, want)
	}
	want(t, only(t, results, "program"), Failure, "not in PATH", "put it into the first directory in PATH")
	want(t, only(t, results, "store"), OK, "file store", "")
	want(t, only(t, results, "clock"), OK, "agrees with the issuer's", "")
	want(t, only(t, results, "session"), Warning, "not signed in", "docker-credential-cgr login")
	if !Failed(results) {
		t.Error("got no failure, want one")
	}
	if Failed([]Result{ok("a", "b"), warning("a", "b", hint.Text("c")), skipped("a", "b")}) {
		t.Error("got a failure of a warning")
	}
}

// What the settings leave unknown is not looked at.
func TestRunWrongSettings(t *testing.T) {
	p := newChecker(t)
	_, p.ConfigErr = config.Load(getenv(map[string]string{"CHAINGUARD_AUTH_MODE": "x"}))
	p.Session = nil
	p.Transport = untouched(t)
	results := p.Run(t.Context(), "")
	want(t, only(t, results, "settings"), Failure, "CHAINGUARD_AUTH_MODE", "unset CHAINGUARD_AUTH_MODE, or correct it")
	want(t, only(t, results, "docker"), Failure, "config.json", configure)
	for _, check := range []string{"store", "issuer", "api", "registry", "clock", "session"} {
		want(t, only(t, results, check), Skipped, "the settings are wrong", "")
	}
	p.Config.Registry = nil
	want(t, only(t, p.Run(t.Context(), ""), "docker"), Skipped, "the registry is not known", "")
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
func TestRunBounded(t *testing.T) {
	p := newChecker(t)
	silent := blackHole(t)
	p.Config.Issuer, p.Config.API, p.Config.Registry = silent, silent, silent
	p.LookPath = func(string) (string, error) {
		<-t.Context().Done()
		return "", t.Context().Err()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	results := p.Run(ctx, "")
	want(t, only(t, results, "program"), Failure, "no answer within", "find what blocks it")
	want(t, only(t, results, "issuer"), Failure, "accepts connections, but does not answer", "check that this machine is online")
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
	r := failure("a", "a\x1b]8;;x\x07b\nc\u202ed", hint.Text("b\x1b[31m"), hint.Do(hint.SetSetting, "b\x1b"))
	sound(t, r)
}

func TestFromError(t *testing.T) {
	err := hint.With(errors.New("X belongs to user 1, not to you"), hint.Text("sudo chown 0 X"))
	want(t, failed("docker", err, hint.Text("other")), Failure, "X belongs to user 1, not to you", "sudo chown 0 X")
	want(t, failed("docker", errors.New("broken"), hint.Text("fix it")), Failure, "broken", "fix it")
}

func TestQuoted(t *testing.T) {
	for path, want := range map[string]string{
		"/usr/local/bin/x-1.2":     "/usr/local/bin/x-1.2",
		"/a b":                     "'/a b'",
		"/a;rm -rf $HOME":          "'/a;rm -rf $HOME'",
		"":                         "''",
		filepath.FromSlash("/a/b"): filepath.FromSlash("/a/b"),
	} {
		if got := hint.Quote(path); got != want {
			t.Errorf("%q: got %s, want %s", path, got, want)
		}
	}
}
