//go:build e2e && linux

package faults

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"docker-credential-cgr/e2e/fakeplatform"
	"docker-credential-cgr/e2e/program"
	"docker-credential-cgr/e2e/testenv"
)

// notFound is the output of get if there is no credential.
const notFound = "credentials not found in native keychain\n"

// fixture has the platform, the user and the home directory of a test. By default, secrets go to
// the file store and the browser signs in. At the end of the test, the fixture searches for leaked
// secrets and left-over processes and removes everything.
type fixture struct {
	t        *testing.T
	platform *fakeplatform.Platform
	host     string // the registry's
	uid      int
	dir      string // has all other files
	home     string
	environ  testenv.Environ

	mu      sync.Mutex
	results []result // of all programs
}

var places atomic.Int32

func newFixture(t *testing.T, opts ...fakeplatform.Option) *fixture {
	t.Helper()
	platform, err := fakeplatform.Start(append([]fakeplatform.Option{fakeplatform.WithAutoApprove()}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	n := int(places.Add(1)) - 1
	if n >= maxUsers {
		t.Fatalf("more than %d places: raise maxUsers", maxUsers)
	}
	p := &fixture{
		t: t, platform: platform, host: platform.RegistryHost(),
		uid: firstUID + n, dir: placeDir(firstUID + n),
	}
	p.home = p.path("home")
	p.environ = testenv.NewEnviron(p.dir, bin).With(append(platform.Environ(), "TZ=UTC")...)
	for dir, mode := range map[string]os.FileMode{p.dir: 0o711, p.home: 0o700, p.path("tmp"): 0o700, p.path("run"): 0o700} {
		if err := os.MkdirAll(dir, mode); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.Chmod(dir, mode), os.Chown(dir, p.uid, p.uid)); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(p.close)
	return p
}

// close stops the platform, checks for leaked secrets and processes, and removes everything.
func (p *fixture) close() {
	if err := awaitGone(p.uid); err != nil {
		p.t.Error(err)
	}
	p.searchSecrets()
	if err := p.platform.Close(); err != nil {
		p.t.Error(err)
	}
	removeKeys(p.uid)
	for _, dir := range p.userDirs() {
		if err := os.RemoveAll(dir); err != nil {
			p.t.Error(err)
		}
	}
	if p.t.Failed() {
		for _, r := range p.results[max(0, len(p.results)-8):] {
			p.t.Log(r)
		}
	}
	if err := os.RemoveAll(p.dir); err != nil {
		p.t.Error(err)
	}
}

// set sets environment variables. An empty value removes a variable.
func (p *fixture) set(settings ...string) { p.environ.Set(settings...) }

// with returns a variant of the fixture with additional variables.
func (p *fixture) with(settings ...string) *variant {
	return &variant{p, p.environ.With(settings...)}
}

// here returns a variant with the current variables of the fixture.
func (p *fixture) here() *variant { return p.with() }

// variant is the fixture with another environment.
type variant struct {
	*fixture
	environ testenv.Environ
}

// Settings that tests combine.
const (
	alwaysSignsIn = "CHAINGUARD_AUTH_AUTO_LOGIN=always"
	leavesWindow  = "VISIT=leave"
	deniesWindow  = "VISIT=deny"
)

func (p *fixture) path(name string) string { return filepath.Join(p.dir, name) }

// store returns the folder of the file store, which also has the locks of all stores.
func (p *fixture) store() string {
	return filepath.Join(p.home, ".local", "state", program.Name)
}

// userDirs returns the folders for locks without a home directory.
func (p *fixture) userDirs() []string {
	var dirs []string
	for _, parent := range []string{"/tmp", "/var/tmp", "/dev/shm"} {
		dirs = append(dirs, filepath.Join(parent, fmt.Sprintf("%s-%d", program.Name, p.uid)))
	}
	return dirs
}

// result is the output and exit code of a program.
type result struct {
	command        string
	stdout, stderr string
	code           int // -1 if a signal ended it
	took           time.Duration
	answers        bool // its standard output may contain a secret
}

func (r result) String() string {
	stdout := r.stdout
	if a, err := r.answer(); err == nil {
		stdout = "(a credential for " + a.ServerURL + ")"
	}
	return fmt.Sprintf("%s: exit %d after %s; standard output:\n%s\nstandard error:\n%s", r.command, r.code, r.took.Round(time.Millisecond), stdout, r.stderr)
}

type answer struct{ ServerURL, Username, Secret string }

// answer returns the credential that get printed.
func (r result) answer() (a answer, err error) {
	if r.code != 0 {
		return a, fmt.Errorf("exit %d", r.code)
	}
	if err := json.Unmarshal([]byte(r.stdout), &a); err != nil {
		return a, err
	}
	if a.Secret == "" {
		return a, errors.New("no secret in the answer")
	}
	return a, nil
}

// run runs a program and waits for it.
func (v *variant) run(input string, args ...string) result {
	v.t.Helper()
	return v.start(input, args...).goOn().wait()
}

func (p *fixture) run(input string, args ...string) result {
	p.t.Helper()
	return p.here().run(input, args...)
}

// get runs get for the registry's host.
func (v *variant) get() result {
	v.t.Helper()
	return v.run(v.host+"\n", program.Name, "get")
}

func (p *fixture) get() result {
	p.t.Helper()
	return p.here().get()
}

// startGet starts get for the registry's host.
func (v *variant) startGet() *running {
	v.t.Helper()
	return v.start(v.host+"\n", program.Name, "get").goOn()
}

// login signs in and fails the test on an error.
func (v *variant) login() {
	v.t.Helper()
	if r := v.run("", program.Name, "login"); r.code != 0 {
		v.t.Fatal(r)
	}
}

func (p *fixture) login() {
	p.t.Helper()
	p.here().login()
}

// served returns the credential in r and fails the test if there is none.
func (p *fixture) served(r result) answer {
	p.t.Helper()
	a, err := r.answer()
	if err != nil {
		p.t.Errorf("no credential (%v): %s", err, r)
	}
	return a
}

// refused fails the test unless r is the protocol's "not found" and standard error contains all
// texts.
func (p *fixture) refused(r result, texts ...string) {
	p.t.Helper()
	if r.code != 1 || r.stdout != notFound {
		p.t.Errorf("want not found, exit 1, got %s", r)
	}
	for _, text := range texts {
		if !strings.Contains(r.stderr, text) {
			p.t.Errorf("%q is not on standard error: %s", text, r)
		}
	}
}

// broken fails the test unless r has exit code 1 and one line of standard output that contains all
// texts and is not the protocol's "not found".
func (p *fixture) broken(r result, texts ...string) {
	p.t.Helper()
	if r.code != 1 || strings.Count(r.stdout, "\n") != 1 || r.stdout == notFound {
		p.t.Errorf("want an error of one line and exit code 1, got %s", r)
	}
	for _, text := range texts {
		if !strings.Contains(r.stdout, text) {
			p.t.Errorf("%q is not on standard output: %s", text, r)
		}
	}
}

// windows returns the addresses that browser windows were opened with.
func (p *fixture) windows() []string { return p.environ.Windows() }

// expire removes the access tokens in the file store, which has the same effect as their expiry.
// The session stays.
func (p *fixture) expire() {
	p.t.Helper()
	for _, path := range p.records("credential") {
		if err := os.Remove(path); err != nil {
			p.t.Fatal(err)
		}
	}
}

// records returns the file store's files of one kind.
func (p *fixture) records(kind string) []string {
	found, _ := filepath.Glob(filepath.Join(p.store(), kind+"-*.json"))
	return found
}

// forget removes the file store with its notes and locks.
func (p *fixture) forget() {
	p.t.Helper()
	if err := os.RemoveAll(p.store()); err != nil {
		p.t.Fatal(err)
	}
	_ = os.Remove(p.path("windows"))
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// within fails the test if r took longer than limit.
func (p *fixture) within(r result, limit time.Duration) {
	p.t.Helper()
	if r.took > limit {
		p.t.Errorf("it took %s, which is longer than %s: %s", r.took.Round(time.Millisecond), limit, r)
	}
}
