package e2e

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"docker-credential-cgr/e2e/fakeplatform"
	"docker-credential-cgr/e2e/leaks"
	"docker-credential-cgr/e2e/testenv"
)

// fixture has the platform and the home directory of a test that signs in with an organization's
// provider.
type fixture struct {
	t        *testing.T
	platform *fakeplatform.Platform
	home     string
	binary   string
	environ  testenv.Environ
}

func newFixture(t *testing.T, binary string, behave func(*fakeplatform.Behavior)) *fixture {
	t.Helper()
	platform, err := fakeplatform.Start(fakeplatform.WithBehavior(behave))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = platform.Close() })
	d := &fixture{t: t, platform: platform, home: t.TempDir(), binary: binary}
	d.environ = testenv.Environ{}.With(platform.Environ()...).With(
		"PATH="+os.Getenv("PATH"), "HOME="+d.home, "CHAINGUARD_KEYCHAIN=file", "DBUS_SESSION_BUS_ADDRESS=",
		"GOCOVERDIR="+os.Getenv("GOCOVERDIR"), "SYSTEMROOT="+os.Getenv("SYSTEMROOT"), "LOCALAPPDATA="+d.home, "APPDATA="+d.home,
		"BROWSER=visit", "WINDOWS="+filepath.Join(d.home, "windows"))
	return d
}

// windows returns the addresses that browser windows were opened with.
func (d *fixture) windows() []string { return d.environ.Windows() }

// running is a running command.
type running struct {
	*exec.Cmd
	out        bytes.Buffer
	stderrFile string
}

func (r *running) err() string {
	text, err := os.ReadFile(r.stderrFile)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func (d *fixture) start(stdin string, environ []string, args ...string) *running {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), time.Minute)
	d.t.Cleanup(cancel)
	file, err := os.CreateTemp(d.t.TempDir(), "stderr")
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = file.Close() })
	r := &running{Cmd: exec.CommandContext(ctx, d.binary, args...), stderrFile: file.Name()}
	r.Env = d.environ.With(environ...).List()
	r.Stdin, r.Stdout, r.Stderr = strings.NewReader(stdin), &r.out, file
	if err := r.Start(); err != nil {
		d.t.Fatal(err)
	}
	return r
}

// ends waits for a command, checks that standard error contains no secret, and returns the exit
// code.
func (d *fixture) ends(r *running) (code int) {
	d.t.Helper()
	err := r.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		d.t.Fatal(err)
	}
	if stderr := r.err(); leaks.Of(d.platform.Issued()).In([]byte(stderr)) {
		d.t.Errorf("P13 standard error contains a secret:\n%s", stderr)
	}
	return code
}

// wantSignedIn checks that a login succeeded and that get returns a token without a window.
func (d *fixture) wantSignedIn(r *running) {
	d.t.Helper()
	if code := d.ends(r); code != 0 || !strings.HasPrefix(r.out.String(), "Signed in as "+fakeplatform.Ada+" until ") {
		d.t.Fatalf("got exit code %d, %q, want it signed in:\n%s", code, r.out.String(), r.err())
	}
	windows := len(d.windows())
	d.wantToken(d.start(d.platform.RegistryHost()+"\n", nil, "get"))
	if got := len(d.windows()); got != windows {
		d.t.Errorf("get: got %d windows, want the stored token", got-windows)
	}
}

func (d *fixture) wantToken(get *running) {
	d.t.Helper()
	if code := d.ends(get); code != 0 || !strings.Contains(get.out.String(), `"Username":"_token"`) {
		d.t.Errorf("get: got exit code %d, want a token:\n%s", code, get.err())
	}
}

// wantRefused checks that a login failed with this error and stored nothing.
func (d *fixture) wantRefused(r *running, what string) {
	d.t.Helper()
	if code := d.ends(r); code != 1 || r.out.Len() != 0 || !strings.Contains(r.err(), what) {
		d.t.Errorf("got exit code %d, %q, want 1 and %q:\n%s", code, r.out.String(), what, r.err())
	}
	get := d.start(d.platform.RegistryHost()+"\n", []string{"CI=true"}, "get")
	if code := d.ends(get); code != 1 || !strings.Contains(get.out.String(), "credentials not found") {
		d.t.Errorf("get: got exit code %d, %q, want no stored credential", code, get.out.String())
	}
}

func (d *fixture) wantCounts(counts map[string]int) {
	d.t.Helper()
	for name, want := range counts {
		if got := d.platform.Count(name); got != want {
			d.t.Errorf("got %d requests %s, want %d", got, name, want)
		}
	}
}

// says waits until standard error matches the pattern and returns the first group.
func (d *fixture) says(r *running, pattern string) string {
	d.t.Helper()
	expression := regexp.MustCompile(pattern)
	var found []string
	testenv.Await(d.t, "standard error matches "+pattern, func() bool {
		found = expression.FindStringSubmatch(r.err())
		return found != nil
	})
	return found[1]
}
