//go:build linux

package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"

	"docker-credential-cgr/e2e/desktop"
	"docker-credential-cgr/e2e/fakeplatform"
	"docker-credential-cgr/e2e/program"
	"docker-credential-cgr/e2e/testenv"
)

// browserName is the name under which this program acts as the browser.
const browserName = "visit"

// Names of stores in the report.
const (
	secretService = "Secret Service"
	kernelKeyring = "kernel keyring"
	fileStore     = "file"
)

// skip is a measurement that is not possible here.
type skip struct{ what, why string }

// fixture has a home directory, a desktop session and fake platforms for the measurements.
// The user's own files are not used, except for the kernel keyring and the folder of locks,
// which the program finds regardless of its environment. close cleans up both.
type fixture struct {
	dir     string // temporary
	bin     string
	environ testenv.Environ
	session *desktop.Session // nil if there is none
	busless bool             // a process can run without a session bus
	gnupg   bool             // gpg has started agents
	stores  []string         // that work here
	skipped []skip

	platforms  []*fakeplatform.Platform
	newFolders []string // folders for locks that did not exist before, innermost first
}

func newFixture() (_ *fixture, err error) {
	// A short name, because paths of sockets are limited in length.
	dir, err := os.MkdirTemp("", "cgr-bench-")
	if err != nil {
		return nil, err
	}
	p := &fixture{dir: dir, bin: filepath.Join(dir, "bin")}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	for _, name := range []string{"bin", "home", "run", "tmp"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			return nil, err
		}
	}
	p.environ = testenv.NewEnviron(dir, p.bin)
	// The measurements choose the store themselves and sign in without a terminal.
	p.environ.Set("CHAINGUARD_KEYCHAIN=", "GORACE=", "XDG_RUNTIME_DIR="+p.path("run"), "CHAINGUARD_AUTH_AUTO_LOGIN=always")
	if err := p.build(); err != nil {
		return nil, err
	}
	if p.newFolders, err = missingFolders(); err != nil {
		return nil, err
	}
	// The program finds a bus of systemd without a variable.
	_, statErr := os.Stat(fmt.Sprintf("/run/user/%d/bus", os.Getuid()))
	p.busless = errors.Is(statErr, os.ErrNotExist)
	if !p.busless {
		p.skip("auto without a bus", "the user has a session bus that every process finds")
	}
	p.startDesktop()
	return p, nil
}

func (p *fixture) path(name string) string { return filepath.Join(p.dir, name) }

func (p *fixture) program() string { return filepath.Join(p.bin, program.Name) }

func (p *fixture) skip(what, why string) {
	progress("%s is not measured: %s", what, why)
	p.skipped = append(p.skipped, skip{what, why})
}

// rewrite writes a file again in one call, as an installation does. A program as the
// linker writes it, in pieces, takes up to a fifth longer to start.
func rewrite(path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o755)
}

// build builds the program and the minimal programs with the flags of a release.
func (p *fixture) build() error {
	for name, source := range map[string]string{
		program.Name: ".", "empty": "e2e/bench/empty.go", "bare": "e2e/bench/bare.go", "peak": "e2e/bench/peak.go",
	} {
		args := append([]string{"build"}, program.Shipped()...)
		cmd := exec.Command("go", append(args, "-o", filepath.Join(p.bin, name), source)...)
		cmd.Dir = program.Root()
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("cannot build %s: %w\n%s", name, err, out)
		}
		if err := rewrite(filepath.Join(p.bin, name)); err != nil {
			return err
		}
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return os.Symlink(self, filepath.Join(p.bin, browserName))
}

// startDesktop starts a session bus with an unlocked keyring, if they are installed.
func (p *fixture) startDesktop() {
	session, err := desktop.Start(desktop.User{UID: os.Getuid(), Dir: p.path("run"), Environ: p.environ.List()})
	if err == nil {
		p.session = session
		err = session.StartKeyring()
	}
	if err != nil {
		p.skip(secretService, err.Error())
		if p.session != nil {
			p.session.Close()
			p.session = nil
		}
	}
}

// settingsOf returns the environment variables that select a store.
func (p *fixture) settingsOf(store string) []string {
	switch store {
	case kernelKeyring:
		return []string{"CHAINGUARD_KEYCHAIN=kernel"}
	case fileStore:
		return []string{"CHAINGUARD_KEYCHAIN=file"}
	}
	return []string{"CHAINGUARD_KEYCHAIN=os", p.bus()}
}

func (p *fixture) bus() string { return "DBUS_SESSION_BUS_ADDRESS=" + p.session.Address() }

// newPlatform starts a platform that approves each sign-in.
func (p *fixture) newPlatform() (*fakeplatform.Platform, error) {
	platform, err := fakeplatform.Start(fakeplatform.WithAutoApprove())
	if err == nil {
		p.platforms = append(p.platforms, platform)
	}
	return platform, err
}

// with returns the fixture's environment with additional settings.
func (p *fixture) with(settings ...[]string) []string {
	return p.environ.With(slices.Concat(settings...)...).List()
}

// close stops everything and removes all files.
func (p *fixture) close() error {
	var errs []error
	for _, platform := range p.platforms {
		errs = append(errs, p.forget(platform), platform.Close())
	}
	if p.session != nil {
		p.session.Close()
	}
	if p.gnupg {
		errs = append(errs, p.closeGnuPG())
	}
	for _, dir := range p.newFolders {
		_ = os.Remove(dir) // fails if another program uses it now
	}
	return errors.Join(append(errs, os.RemoveAll(p.dir))...)
}

// forget removes what the program stored outside of p.dir for a platform: kernel keys, and
// the locks and notes of the kernel keyring and the Secret Service.
func (p *fixture) forget(platform *fakeplatform.Platform) error {
	if slices.Contains(p.stores, kernelKeyring) {
		settings := append(p.settingsOf(kernelKeyring), platform.Environ()...)
		if err := p.runQuietly(context.Background(), platform.RegistryHost(), settings, p.program(), "erase"); err != nil {
			return err
		}
	}
	dir, err := stateFolder()
	if err != nil {
		return err
	}
	// The program names a session's files like this.
	hash := sha256.Sum256([]byte("session " + platform.Issuer))
	files, err := filepath.Glob(filepath.Join(dir, "session-"+hex.EncodeToString(hash[:8])+".*"))
	for _, file := range files {
		err = errors.Join(err, os.Remove(file))
	}
	return err
}

// stateFolder returns the folder for the locks of the kernel keyring and the Secret Service.
func stateFolder() (string, error) {
	u, err := user.Current()
	if err != nil {
		return "", err
	}
	return filepath.Join(u.HomeDir, ".local", "state", program.Name), nil
}

// missingFolders returns stateFolder and those of its parents that do not exist.
func missingFolders() (missing []string, err error) {
	dir, err := stateFolder()
	if err != nil {
		return nil, err
	}
	for range 3 { // the folder, state and .local
		if _, err := os.Lstat(dir); err == nil {
			break
		}
		missing = append(missing, dir)
		dir = filepath.Dir(dir)
	}
	return missing, nil
}
