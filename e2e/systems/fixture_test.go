//go:build e2e && linux

package systems

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"docker-credential-cgr/e2e/fakeplatform"
	"docker-credential-cgr/e2e/leaks"
	"docker-credential-cgr/e2e/program"
	"docker-credential-cgr/e2e/testenv"
)

// notFound is what Docker reads as "there is no credential".
const notFound = "credentials not found in native keychain"

// build builds the program for a system and returns its path.
func build(t *testing.T, system, architecture string) string {
	t.Helper()
	binary, err := program.BuildFor(t.TempDir(), system, architecture)
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

// require skips the test if a program is not installed.
func require(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("%s is not installed: run sh e2e/systems/install.sh", name)
	}
}

// fixture has the platform and the environment of a user.
type fixture struct {
	t        *testing.T
	platform *fakeplatform.Platform
	environ  testenv.Environ
	// command returns the command that runs the program.
	command func(ctx context.Context, args ...string) *exec.Cmd
}

func newFixture(t *testing.T, command func(ctx context.Context, args ...string) *exec.Cmd, settings ...string) *fixture {
	t.Helper()
	platform, err := fakeplatform.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = platform.Close() })
	return &fixture{t, platform, testenv.Environ{}.With(platform.Environ()...).With(settings...), command}
}

// result is what a program wrote, and its exit code.
type result struct {
	out, err string
	code     int
}

func (r result) String() string { return fmt.Sprintf("exit code %d, %q, %q", r.code, r.out, r.err) }

// running is a started program.
type running struct {
	cmd *exec.Cmd
	out bytes.Buffer
	log string // the file with its standard error
}

func (r *running) err() string {
	text, err := os.ReadFile(r.log)
	if err != nil {
		return err.Error()
	}
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}

func (f *fixture) start(stdin string, args ...string) *running {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), testenv.Timeout)
	f.t.Cleanup(cancel)
	log, err := os.CreateTemp(f.t.TempDir(), "stderr")
	if err != nil {
		f.t.Fatal(err)
	}
	defer log.Close()
	r := &running{cmd: f.command(ctx, args...), log: log.Name()}
	r.cmd.Env = f.environ.List()
	r.cmd.Stdin, r.cmd.Stdout, r.cmd.Stderr = strings.NewReader(stdin), &r.out, log
	if err := r.cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	return r
}

// end waits for a program and checks that its standard error contains no secret.
func (f *fixture) end(r *running) result {
	f.t.Helper()
	var exit *exec.ExitError
	if err := r.cmd.Wait(); err != nil && !errors.As(err, &exit) {
		f.t.Fatalf("%v: %v", r.cmd.Args, err)
	}
	if leaks.Of(f.platform.Issued()).In([]byte(r.err())) {
		f.t.Errorf("P13 standard error contains a secret:\n%s", r.err())
	}
	return result{strings.ReplaceAll(r.out.String(), "\r\n", "\n"), r.err(), r.cmd.ProcessState.ExitCode()}
}

func (f *fixture) run(stdin string, args ...string) result {
	f.t.Helper()
	return f.end(f.start(stdin, args...))
}

// succeed runs the program, which must succeed and write out, and returns its standard output.
func (f *fixture) succeed(out, stdin string, args ...string) string {
	f.t.Helper()
	r := f.run(stdin, args...)
	if r.code != 0 || !strings.Contains(r.out, out) {
		f.t.Fatalf("%v: got %v, want success and %q", args, r, out)
	}
	return r.out
}

// get runs get for the registry, which must return a token.
func (f *fixture) get() string {
	f.t.Helper()
	return f.succeed(`"Username":"_token"`, f.platform.RegistryHost()+"\n", "get")
}

// wantForeign checks that another registry gets the answer that it needs no credential, without a request.
func (f *fixture) wantForeign() {
	f.t.Helper()
	before := f.platform.Count("")
	if r := f.run("index.docker.io\n", "get"); r.code != 1 || strings.TrimSpace(r.out) != notFound || r.err != "" {
		f.t.Errorf("get for another registry: got %v, want %q alone", r, notFound)
	}
	if n := f.platform.Count("") - before; n != 0 {
		f.t.Errorf("get for another registry: got %d requests, want none", n)
	}
}

// wantSignedOut checks that get finds no credential and says how to sign in.
func (f *fixture) wantSignedOut() {
	f.t.Helper()
	r := f.run(f.platform.RegistryHost()+"\n", "get")
	if r.code != 1 || strings.TrimSpace(r.out) != notFound || !strings.Contains(r.err, "docker-credential-cgr login") {
		f.t.Errorf("get: got %v, want %q and how to sign in", r, notFound)
	}
}

// address matches the address at which a person signs in on another device.
var address = regexp.MustCompile(`(?m)^ +(http\S+headless_code=\S+)$`)

// signIn signs in on another device, with login --headless.
func (f *fixture) signIn() {
	f.t.Helper()
	login := f.start("", "login", "--headless")
	var found []string
	testenv.Await(f.t, "login prints an address", func() bool {
		found = address.FindStringSubmatch(login.err())
		return found != nil
	})
	if err := fakeplatform.Approve(f.t.Context(), found[1], fakeplatform.Ada, "lovelace"); err != nil {
		f.t.Fatal(err)
	}
	if r := f.end(login); r.code != 0 || !strings.Contains(r.out, "Signed in as "+fakeplatform.Ada) {
		f.t.Fatalf("login: got %v, want success", r)
	}
}
