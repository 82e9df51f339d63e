//go:build e2e && linux

package faults

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"docker-credential-cgr/e2e/fakeplatform"
	"docker-credential-cgr/e2e/program"
	"docker-credential-cgr/e2e/testenv"
)

// homelessUID is added to a fixture's UID to get a user that is not in the user database, as with
// docker run --user.
const homelessUID = 1_000_000

// newHomeless returns a fixture whose user is not in the user database, with HOME=/ and the kernel
// keyring.
func newHomeless(t *testing.T, opts ...fakeplatform.Option) *fixture {
	t.Helper()
	p := newFixture(t, opts...)
	p.uid += homelessUID
	for _, dir := range []string{p.dir, p.home, p.path("tmp"), p.path("run")} {
		if err := os.Chown(dir, p.uid, p.uid); err != nil {
			t.Fatal(err)
		}
	}
	p.set("HOME=/", "CHAINGUARD_KEYCHAIN=kernel", alwaysSignsIn)
	before := rootFolder(t)
	t.Cleanup(func() {
		if after := rootFolder(t); after != before {
			t.Errorf("the root folder had\n%s\nand has\n%s", before, after)
		}
	})
	return p
}

func rootFolder(t *testing.T) string {
	t.Helper()
	entries, err := os.ReadDir("/")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return strings.Join(names, " ")
}

// environments returns variants with the different environments that processes of one user may have.
func (p *fixture) environments() []*variant {
	return []*variant{
		p.here(), p.with("HOME="), p.with("HOME=relative"), p.with("XDG_RUNTIME_DIR=" + p.path("run")), p.with("USER=somebody", "HOME="+p.home),
	}
}

// mixedProcesses is getAtOnce with all environments.
func (p *fixture) mixedProcesses(n int) []*running {
	p.t.Helper()
	var started []*running
	variants := p.environments()
	for i := range n {
		started = append(started, variants[i%len(variants)].startAtOnce(1)...)
	}
	for _, r := range started {
		r.goOn()
	}
	return started
}

// oneOfEach fails the test unless many concurrent processes cause one window without a session, and
// one refresh each time the token has expired.
func (p *fixture) oneOfEach(getAtOnce func(n int) []*running) {
	p.t.Helper()
	p.platform.Change(func(b *fakeplatform.Behavior) {
		b.AccessLifetime = 30 * time.Second // at no time one that serves a second getAtOnce
		b.Latency["sts.refresh"] = 500 * time.Millisecond
	})
	p.platform.ResetCounts()
	p.sameAnswer(all(getAtOnce(20)))
	p.want(0, p.counted(), totals{windows: 1, refreshes: 1})
	for round := range max(rounds(p.t), 3) {
		p.forgetWindows()
		p.platform.ResetCounts()
		p.sameAnswer(all(getAtOnce(20)))
		p.want(round+1, p.counted(), totals{refreshes: 1})
	}
}

// A user who is not in the user database: all processes use the same lock, in any environment.
func TestHomeless_OneWindowOneRefresh(t *testing.T) {
	p := newHomeless(t)
	p.oneOfEach(p.mixedProcesses)
}

// The same for a user whose home does not exist or is read-only.
func TestHomeless_HomeOutOfReach(t *testing.T) {
	for name, spoil := range map[string]func(p *fixture) error{
		"not there": func(p *fixture) error { return errors.Join(os.RemoveAll(p.home), os.Chown(p.dir, 0, 0)) },
		"root's":    func(p *fixture) error { return os.Chown(p.home, 0, 0) },
		"read-only": func(p *fixture) error { p.mountReadOnly(p.home); return nil },
		"full": func(p *fixture) error {
			p.mount("tmpfs", p.home, "tmpfs", 0, fmt.Sprintf("nr_inodes=1,size=64k,mode=0700,uid=%d,gid=%d", p.uid, p.uid))
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newFixture(t)
			p.set("CHAINGUARD_KEYCHAIN=kernel", "WINDOWS="+p.path("tmp/windows"), alwaysSignsIn)
			if err := spoil(p); err != nil {
				t.Fatal(err)
			}
			p.home = p.path("tmp") // where the programs run from here on
			p.platform.ResetCounts()
			p.sameAnswer(all(p.here().getAtOnce(20)))
			windows, _ := os.ReadFile(p.path("tmp/windows"))
			if n := len(strings.Fields(string(windows))); n != 1 || p.platform.Count("sts.refresh") != 1 {
				t.Errorf("got %d windows and %d refreshes, want 1 and 1", n, p.platform.Count("sts.refresh"))
			}
		})
	}
}

// A folder that another user created is not used: all processes use the next one.
func TestHomeless_FolderTaken(t *testing.T) {
	other := newFixture(t)
	for name, take := range map[string]func(dir string) error{
		"by another user": func(dir string) error { return errors.Join(os.Mkdir(dir, 0o700), os.Chown(dir, other.uid, other.uid)) },
		"open to all":     func(dir string) error { return errors.Join(os.Mkdir(dir, 0), os.Chmod(dir, 0o1777)) },
		"by a link":       func(dir string) error { return os.Symlink(other.path("tmp"), dir) },
		"by a file":       func(dir string) error { return os.WriteFile(dir, nil, 0o666) },
	} {
		t.Run(name, func(t *testing.T) {
			p := newHomeless(t)
			if err := take(p.userDirs()[0]); err != nil {
				t.Fatal(err)
			}
			p.platform.ResetCounts()
			p.sameAnswer(all(p.mixedProcesses(20)))
			p.want(0, p.counted(), totals{windows: 1, refreshes: 1})
			if left, _ := os.ReadDir(other.path("tmp")); len(left) != 0 {
				t.Errorf("files are where another user can change them: %v", left)
			}
		})
	}
}

// The user logs out or in during a refresh, and /run/user/UID disappears or appears: later processes
// still wait for the same lock.
func TestHomeless_LogOutMeanwhile(t *testing.T) {
	for _, there := range []bool{true, false} {
		t.Run(fmt.Sprintf("there %v", there), func(t *testing.T) {
			p := newHomeless(t)
			run := fmt.Sprintf("/run/user/%d", p.uid)
			p.set("XDG_RUNTIME_DIR=" + run)
			login := func() {
				if err := errors.Join(os.MkdirAll(filepath.Dir(run), 0o755), os.Mkdir(run, 0o700), os.Chown(run, p.uid, p.uid)); err != nil {
					t.Fatal(err)
				}
			}
			logout := func() {
				if err := os.RemoveAll(run); err != nil {
					t.Error(err)
				}
			}
			t.Cleanup(logout)
			if there {
				login()
			}
			p.login()
			p.expireIn("kernel")
			p.platform.ResetCounts()
			p.slowly(2 * time.Second)
			holder := p.here().startGet()
			testenv.Await(t, "the refresh has arrived", func() bool { return p.platform.Count("sts.refresh") == 1 })
			p.slowly(0)
			if there {
				logout()
			} else {
				login()
			}
			later := p.here().startGet()
			p.sameAnswer([]result{holder.wait(), later.wait()})
			if n := p.platform.Count("sts.refresh"); n != 1 {
				t.Errorf("got %d refreshes, want 1", n)
			}
		})
	}
}

// Without any usable store, public pulls continue: nothing is found, listed or removed, and no window
// opens, because its credential could not be stored.
func TestHomeless_NoStore(t *testing.T) {
	for name, settings := range map[string][]string{
		"files":                        {"CHAINGUARD_KEYCHAIN=file"},
		"no HOME":                      {"CHAINGUARD_KEYCHAIN=file", "HOME="},
		"keyctl is refused":            {"CHAINGUARD_KEYCHAIN="},
		"keyctl is refused, by choice": {"CHAINGUARD_KEYCHAIN=kernel"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newHomeless(t)
			v := p.with(settings...)
			run := v.run
			if strings.HasPrefix(name, "keyctl") {
				run = v.runRefused
			}
			for range 2 {
				p.refused(run(p.host+"\n", program.Name, "get"), "nothing can be stored", "no home directory")
			}
			v.environ["CHAINGUARD_AUTH_AUTO_LOGIN"] = "tty"
			p.refused(run(p.host+"\n", program.Name, "get"), "no terminal to sign in at", "no home directory")
			if n := p.platform.Count(""); n != 0 || len(p.windows()) != 0 {
				t.Errorf("got %d requests and %d windows, want none", n, len(p.windows()))
			}
			if r := run("", program.Name, "list"); r.code != 0 || strings.TrimSpace(r.stdout) != "{}" {
				t.Errorf("want an empty list, got %s", r)
			}
			if r := run(p.host, program.Name, "erase"); r.code != 0 {
				t.Errorf("want nothing to erase, got %s", r)
			}
			pair := `{"ServerURL":"` + p.host + `","Username":"org/id","Secret":"a pull token of nobody"}`
			p.broken(run(pair, program.Name, "store"), "nothing can be stored")
			p.notKept(run("", program.Name, "login"), "nothing can be stored")
			if len(p.windows()) != 0 {
				t.Error("login opens a window although nothing can be stored")
			}
		})
	}
}

// A workload identity needs no store: each get returns a new token.
func TestHomeless_Identity(t *testing.T) {
	p := newHomeless(t)
	const subject = "repo:example/app"
	p.set("CHAINGUARD_KEYCHAIN=file", "CI_ID_TOKEN="+p.platform.IDToken(subject),
		"CHAINGUARD_AUTH_IDENTITY="+p.platform.WorkloadIdentity(subject, "registry.pull"), "CHAINGUARD_AUTH_IDENTITY_TOKEN_ENV=CI_ID_TOKEN")
	for range 2 {
		r := p.get()
		p.served(r)
		if !strings.Contains(r.stderr, "is not stored: nothing can be stored") {
			t.Errorf("missing warning: %s", r)
		}
	}
	if r := p.run("", program.Name, "login"); r.code != 0 || !strings.Contains(r.stderr, "nothing can be stored") {
		t.Errorf("want a login with a warning that nothing is stored, got %s", r)
	}
}

// runRefused runs a program that may not call keyctl(2), as with a container's seccomp profile.
func (v *variant) runRefused(input string, args ...string) result {
	v.t.Helper()
	refused := []string{"strace", "-f", "-q", "-o", v.path("tmp/strace"), "-e", "trace=add_key,keyctl",
		"-e", "inject=add_key,keyctl:error=EPERM", filepath.Join(bin, args[0])}
	return v.run(input, append(refused, args[1:]...)...)
}
