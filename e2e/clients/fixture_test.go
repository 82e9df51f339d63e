//go:build e2e && linux

package clients

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"docker-credential-cgr/e2e/fakeplatform"
	"docker-credential-cgr/e2e/testenv"
)

// fixture has the platform and the home directory of a test. At the end of the test, it searches
// for leaked secrets and left-over processes and removes everything.
type fixture struct {
	t        *testing.T
	platform *fakeplatform.Platform
	host     string // the registry's
	dir      string // has all other files
	home     string
	environ  testenv.Environ
	watch    *watch
	results  []result // of all programs
	profile  string   // Chromium's, if it runs: it is not searched
}

// newFixture returns a fixture in which the helper is registered in Docker's configuration.
func newFixture(t *testing.T, opts ...fakeplatform.Option) *fixture {
	t.Helper()
	p := newMachine(t, opts...)
	p.set("DOCKER_CONFIG=" + filepath.Dir(p.configFile()))
	p.writeConfig(fmt.Sprintf(`{"credHelpers": {%q: "cgr"}}`, p.host))
	return p
}

// newMachine starts a platform and creates an empty home directory. By default, secrets go to the
// file store and the browser signs in.
func newMachine(t *testing.T, opts ...fakeplatform.Option) *fixture {
	t.Helper()
	platform, err := fakeplatform.Start(opts...)
	if err != nil {
		t.Fatal(err)
	}
	// The names of t.TempDir are too long for the path of a socket.
	dir, err := os.MkdirTemp("", "cgr-e2e-")
	if err != nil {
		t.Fatal(err)
	}
	p := &fixture{
		t: t, platform: platform, host: platform.RegistryHost(),
		dir: dir, home: filepath.Join(dir, "home"),
	}
	p.environ = testenv.NewEnviron(dir, bin)
	p.environ.Set(platform.Environ()...)
	p.environ.Set("XDG_RUNTIME_DIR="+filepath.Join(dir, "run"), "GOCOVERDIR="+os.Getenv("GOCOVERDIR"))
	for _, name := range []string{"HOME", "XDG_RUNTIME_DIR", "TMPDIR"} {
		if err := os.MkdirAll(p.environ[name], 0o700); err != nil {
			t.Fatal(err)
		}
	}
	p.watch = startWatch(dir)
	t.Cleanup(p.close)
	return p
}

// close stops the platform, checks for leaked secrets and processes, and removes everything.
func (p *fixture) close() {
	if err := awaitGone(p.dir); err != nil {
		p.t.Error(err)
	}
	p.watch.stop()
	p.searchSecrets()
	if err := p.platform.Close(); err != nil {
		p.t.Error(err)
	}
	if text, err := os.ReadFile("/proc/self/mountinfo"); err != nil || bytes.Contains(text, []byte(p.dir)) {
		p.t.Errorf("a mount is left below %s (%v)", p.dir, err)
	}
	if err := os.RemoveAll(p.dir); err != nil {
		p.t.Error(err)
	}
}

func (p *fixture) configFile() string { return filepath.Join(p.home, ".docker", "config.json") }

func (p *fixture) writeConfig(text string) {
	p.t.Helper()
	if err := os.MkdirAll(filepath.Dir(p.configFile()), 0o700); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(p.configFile(), []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// set sets environment variables. An empty value removes a variable.
func (p *fixture) set(settings ...string) { p.environ.Set(settings...) }

// signsInAlone makes the helper open a browser without a terminal.
func (p *fixture) signsInAlone() { p.set("CHAINGUARD_AUTH_AUTO_LOGIN=always") }

func (p *fixture) path(name string) string { return filepath.Join(p.dir, name) }

// command returns a command with the environment and the namespace of the fixture.
func (p *fixture) command(ctx context.Context, args ...string) *exec.Cmd {
	p.t.Helper()
	scratch, err := os.MkdirTemp(p.dir, "scratch-")
	if err != nil {
		p.t.Fatal(err)
	}
	cmd := isolated(ctx, scratch, p.home, args[0], args[1:]...)
	cmd.Dir = p.home
	cmd.Env = p.environ.List()
	p.watch.skip(cmd.Args)
	p.watch.skip(args)
	// A background process would keep the pipes open.
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// result is the output and exit code of a command.
type result struct {
	command        string
	stdout, stderr string
	code           int
	took           time.Duration
	answers        bool // standard output may contain a secret
}

func (r result) String() string {
	return fmt.Sprintf("$ %s\n%s%s[exit code %d after %s]", r.command, r.stdout, r.stderr, r.code, r.took.Round(time.Millisecond))
}

// run runs a command without a terminal and waits for it.
func (p *fixture) run(args ...string) result {
	p.t.Helper()
	return p.start("", args...).wait()
}

// must runs a command and fails the test if it fails.
func (p *fixture) must(args ...string) result {
	p.t.Helper()
	r := p.run(args...)
	if r.code != 0 {
		p.t.Fatalf("failed: %s", r)
	}
	return r
}

// asks runs a command that prints a secret.
func (p *fixture) asks(input string, args ...string) result {
	p.t.Helper()
	r := p.start(input, args...)
	r.answers = true
	return r.wait()
}

// running is a running command.
type running struct {
	p              *fixture
	cmd            *exec.Cmd
	stdout, stderr bytes.Buffer
	stop           context.CancelFunc
	since          time.Time
	name           string
	answers        bool // it prints a secret
	waited         bool
}

// start starts a command with this standard input. The caller must call wait; otherwise the command
// is killed at the end of the test.
func (p *fixture) start(input string, args ...string) *running {
	p.t.Helper()
	ctx, stop := context.WithTimeout(p.t.Context(), testenv.Timeout)
	r := &running{p: p, cmd: p.command(ctx, args...), stop: stop, since: time.Now(), name: strings.Join(args, " ")}
	r.cmd.Stdin, r.cmd.Stdout, r.cmd.Stderr = strings.NewReader(input), &r.stdout, &r.stderr
	if err := r.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		if stop(); !r.waited {
			_ = r.cmd.Wait() // it was killed
		}
	})
	return r
}

// wait waits until the command exits.
func (r *running) wait() result {
	r.p.t.Helper()
	defer r.stop()
	r.waited = true
	err := r.cmd.Wait()
	done := result{
		command: r.name, stdout: r.stdout.String(), stderr: r.stderr.String(),
		code: r.cmd.ProcessState.ExitCode(), took: time.Since(r.since),
	}
	done.answers = r.answers && done.code == 0
	r.p.results = append(r.p.results, done)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		r.p.t.Fatalf("%v: %s", err, done)
	}
	if done.code < 0 {
		r.p.t.Fatalf("a signal ended it: %s", done)
	}
	return done
}

// get runs `docker-credential-cgr get` like a client.
func (p *fixture) get() result {
	p.t.Helper()
	return p.asks(p.host, "docker-credential-cgr", "get")
}

// windows returns how many browser windows were opened.
func (p *fixture) windows() int { return len(p.environ.Windows()) }

// wantCounts checks the number of requests since the last call, by name (see
// fakeplatform.Platform.Count). "windows" is the number of browser windows.
func (p *fixture) wantCounts(when string, want map[string]int) {
	p.t.Helper()
	for name, n := range want {
		got := p.platform.Count(name)
		if name == "windows" {
			got = p.windows()
		}
		if got != n {
			p.t.Errorf("%s: %d %s, want %d", when, got, name, n)
		}
	}
	p.platform.ResetCounts()
	if err := os.RemoveAll(p.environ["WINDOWS"]); err != nil {
		p.t.Fatal(err)
	}
}
