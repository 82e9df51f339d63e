//go:build e2e && linux

package faults

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"docker-credential-cgr/e2e/program"
)

// mount mounts something until the test ends. The tests have their own mount namespace.
func (p *fixture) mount(source, target, kind string, flags uintptr, options string) (unmount func()) {
	p.t.Helper()
	if err := syscall.Mount(source, target, kind, flags, options); err != nil {
		p.t.Fatalf("mounting on %s: %v", target, err)
	}
	mounted := true
	unmount = func() {
		if mounted {
			mounted = false
			if err := syscall.Unmount(target, syscall.MNT_DETACH); err != nil {
				p.t.Errorf("unmounting %s: %v", target, err)
			}
		}
	}
	p.t.Cleanup(unmount)
	return unmount
}

// fill fills the disk with a file and returns its path.
func fill(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "filler")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 4096); err == nil; {
		_, err = f.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
	return path
}

// contents returns the files of the file store with secrets.
func (p *fixture) contents() map[string]string {
	p.t.Helper()
	all := map[string]string{}
	for _, path := range append(p.records("session"), p.records("credential")...) {
		text, err := os.ReadFile(path)
		if err != nil {
			p.t.Fatal(err)
		}
		all[path] = string(text)
	}
	return all
}

// A full disk: existing files stay unchanged, no partial files are left, and the refresh token is
// not redeemed, because its successor could not be stored.
func TestF11_DiskFull(t *testing.T) {
	p := newFixture(t)
	local := filepath.Join(p.home, ".local")
	if err := os.Mkdir(local, 0o700); err != nil {
		t.Fatal(err)
	}
	p.mount("tmpfs", local, "tmpfs", 0, fmt.Sprintf("size=64k,mode=0700,uid=%d,gid=%d", p.uid, p.uid))
	p.platform.Change(shortLife)
	p.login()
	p.platform.Change(longLife)
	before := p.contents()
	filler := fill(t, local)

	p.platform.ResetCounts()
	p.refused(p.get(), p.store(), "no space left")
	if n := p.platform.Count(""); n != 0 {
		t.Errorf("got %d requests, want none", n)
	}
	after := p.contents()
	for path, text := range before {
		if after[path] != text {
			t.Errorf("%s has changed", path)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(p.store(), "new-*")); len(left) != 0 || len(after) != len(before) {
		t.Errorf("left behind: %v, records %d where there were %d", left, len(after), len(before))
	}
	r := p.run(`{"ServerURL":"`+p.host+`","Username":"org/id","Secret":"a pull token of nobody"}`, program.Name, "store")
	p.broken(r, p.store(), "no space left")

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	p.served(p.get())
	if n := p.totals(); n.lost != 0 || n.windows != 1 {
		t.Errorf("got %s", n)
	}
}

// Without a session, no window opens, because its credential could not be stored.
func TestF11_DiskFullSignedOut(t *testing.T) {
	p := newFixture(t)
	local := filepath.Join(p.home, ".local")
	if err := os.Mkdir(local, 0o700); err != nil {
		t.Fatal(err)
	}
	p.mount("tmpfs", local, "tmpfs", 0, fmt.Sprintf("size=64k,mode=0700,uid=%d,gid=%d", p.uid, p.uid))
	fill(t, local)
	p.noWindow(p.with(alwaysSignsIn), p.store(), "no space left")
	p.notKept(p.run("", program.Name, "login"), p.store())
}

// noWindow fails the test unless many interactive processes report that there is no credential, and
// why, without a window or a request.
func (p *fixture) noWindow(v *variant, why ...string) {
	p.t.Helper()
	p.platform.ResetCounts()
	for _, r := range all(v.getAtOnce(20)) {
		p.refused(r, why...)
	}
	if n := p.platform.Count(""); n != 0 || len(p.windows()) != 0 {
		p.t.Errorf("got %d requests and %d windows, want none", n, len(p.windows()))
	}
}

// A read-only home: a get with a valid token succeeds, and nothing is requested that could not be
// stored.
func TestF12_ReadOnlyHome(t *testing.T) {
	p := newFixture(t)
	v := p.with(alwaysSignsIn)
	unmount := p.mountReadOnly(p.home)
	p.noWindow(v, "a sign-in could not be stored", "read-only file system")
	unmount()

	p.login()
	unmount = p.mountReadOnly(p.home)
	p.served(v.get())
	r := p.run(`{"ServerURL":"`+p.host+`","Username":"org/id","Secret":"a pull token of nobody"}`, program.Name, "store")
	p.broken(r, "read-only file system")
	unmount()
	p.platform.Change(shortLife)
	p.login()
	p.platform.Change(longLife)
	p.forgetWindows()
	unmount = p.mountReadOnly(p.home)
	p.noWindow(v, "the session cannot be refreshed", "read-only file system")
	// Other stores need only a lock, which can be elsewhere.
	kernel := v.with("CHAINGUARD_KEYCHAIN=kernel", alwaysSignsIn)
	p.sameAnswer(all(kernel.getAtOnce(20)))
	if n := len(p.windows()); n != 1 {
		t.Errorf("got %d windows, want 1", n)
	}
	unmount()
	// The session is still valid.
	p.forgetWindows()
	p.platform.ResetCounts()
	p.served(v.get())
	p.want(0, p.counted(), totals{refreshes: 1})
}

// mountReadOnly makes a folder read-only until it is unmounted.
func (p *fixture) mountReadOnly(dir string) (unmount func()) {
	p.t.Helper()
	unmount = p.mount(dir, dir, "", syscall.MS_BIND, "")
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_BIND|syscall.MS_RDONLY, ""); err != nil {
		p.t.Fatal(err)
	}
	return unmount
}

func TestF12_ForeignHome(t *testing.T) {
	p, other := newFixture(t), newFixture(t)
	other.login()
	p.set("HOME=" + other.home)
	p.refused(p.get())
	p.refused(p.with(alwaysSignsIn).get(), "a sign-in could not be stored", other.home)
	r := p.run("", program.Name, "login")
	if r.code != 1 || len(p.windows()) != 0 {
		t.Errorf("want an error before a window opens, got %d windows: %s", len(p.windows()), r)
	}
	p.with("CHAINGUARD_KEYCHAIN=kernel").login()
}

// Without a usable HOME, the store, the settings and Docker's configuration are in the home of the
// user database.
func TestF12_NoHome(t *testing.T) {
	p := newFixture(t)
	p.login()
	p.platform.ResetCounts()
	for _, home := range []string{"", "relative/home", "/"} {
		v := p.with("HOME=" + home)
		p.served(v.get())
		if r := v.run("", program.Name, "list"); r.code != 0 || !strings.Contains(r.stdout, p.host) {
			t.Errorf("HOME=%q: want the host listed, got %s", home, r)
		}
		if r := v.run("", program.Name, "config", "path"); !strings.HasPrefix(r.stdout, p.home+"/") {
			t.Errorf("HOME=%q: want the settings below %s, got %s", home, p.home, r)
		}
	}
	if r := p.with("HOME=").run("", program.Name, "configure-docker"); r.code != 0 || !exists(filepath.Join(p.home, ".docker", "config.json")) {
		t.Errorf("want Docker's configuration below %s, got %s", p.home, r)
	}
	for _, home := range []string{"", "relative/home", "/"} {
		v := p.with("HOME="+home, "CHAINGUARD_KEYCHAIN=kernel")
		v.login()
		p.served(v.get())
	}
	v := p.with("HOME=/no/such/home")
	p.notKept(v.run("", program.Name, "login"), "/no/such/home")
	p.forgetWindows()
	p.noWindow(p.with("HOME=/no/such/home", alwaysSignsIn), "/no/such/home")
}

// notKept fails the test unless a login fails with an error if its session cannot be stored.
func (p *fixture) notKept(r result, texts ...string) {
	p.t.Helper()
	if r.code != 1 || strings.Contains(r.stdout, "Signed in") {
		p.t.Errorf("want a failed login, because nothing is stored, got %s", r)
	}
	for _, text := range texts {
		if !strings.Contains(r.stderr, text) {
			p.t.Errorf("%q is not on standard error: %s", text, r)
		}
	}
}

// A power cut leaves the complete old or new file: the new content is synced before the rename, and
// the folder after it.
func TestF14_Order(t *testing.T) {
	p := newFixture(t)
	p.login()
	p.expire()
	trace := p.strace("openat,write,fsync,fdatasync,renameat,renameat2,rename,close,sendto,connect", program.Name, "get")
	p.served(trace.result)
	var order []string
	for _, line := range trace.lines {
		switch {
		case strings.Contains(line, "openat(") && strings.Contains(line, "/new-"):
			order = append(order, "create")
		case strings.Contains(line, "write(") && strings.Contains(line, `"{\"v\":`):
			order = append(order, "content")
		case strings.Contains(line, "fsync("):
			order = append(order, "sync")
		case strings.Contains(line, "rename") && strings.Contains(line, "/session-") && strings.Contains(line, ".json"):
			order = append(order, "session")
		case strings.Contains(line, "rename") && strings.Contains(line, "/credential-"):
			order = append(order, "credential")
		case strings.Contains(line, "rename") && strings.Contains(line, ".holder"):
			order = append(order, "note")
		case strings.Contains(line, "write(1,"):
			order = append(order, "answer")
		}
	}
	got := strings.Join(order, " ")
	const want = "create content sync session sync create content sync credential sync answer"
	if !strings.HasSuffix(got, want) {
		t.Errorf("got the order %q, want at its end %q", got, want)
	}
}

// Files that another user could have created or changed are not used.
func TestF30_OtherUser(t *testing.T) {
	other := newFixture(t)
	tests := []struct {
		name  string
		spoil func(p *fixture) error
	}{
		{"state folder open to all", func(p *fixture) error { return os.Chmod(p.store(), 0o777) }},
		{"state folder of another user", func(p *fixture) error { return os.Chown(p.store(), other.uid, other.uid) }},
		{"state folder a link", func(p *fixture) error {
			elsewhere := p.path("elsewhere")
			return errors.Join(os.Rename(p.store(), elsewhere), os.Symlink(elsewhere, p.store()))
		}},
		{"record open to all", func(p *fixture) error { return os.Chmod(p.records("credential")[0], 0o666) }},
		{"record of another user", func(p *fixture) error { return os.Chown(p.records("credential")[0], other.uid, other.uid) }},
		{"record a link", func(p *fixture) error {
			path := p.records("credential")[0]
			return errors.Join(os.Rename(path, p.path("tmp/record")), os.Symlink(p.path("tmp/record"), path))
		}},
		{"record a FIFO", func(p *fixture) error {
			path := p.records("credential")[0]
			return errors.Join(os.Remove(path), syscall.Mkfifo(path, 0o600), os.Chown(path, p.uid, p.uid))
		}},
		{"record with a second name", func(p *fixture) error {
			return os.Link(p.records("credential")[0], p.path("tmp/second"))
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := newFixture(t)
			p.login()
			if err := test.spoil(p); err != nil {
				t.Fatal(err)
			}
			r := p.get()
			if r.code != 1 || r.stdout == notFound || !strings.Contains(r.stdout, p.store()) {
				t.Errorf("want an error that names the file, got %s", r)
			}
			for _, path := range []string{p.path("tmp/record"), p.path("tmp/second"), p.path("elsewhere")} {
				_ = os.RemoveAll(path) // the test's own work
			}
		})
	}
}

// The lock of the other stores is below the home of the user database. Another user's is not used.
func TestF30_LockOfOtherUser(t *testing.T) {
	p, other := newFixture(t), newFixture(t)
	p.set("CHAINGUARD_KEYCHAIN=kernel")
	p.login()
	p.expireIn("kernel")
	for _, owner := range []int{p.uid, other.uid} {
		mode := os.FileMode(0o777)
		if owner == other.uid {
			mode = 0o700
		}
		if err := errors.Join(os.Chown(p.store(), owner, owner), os.Chmod(p.store(), mode)); err != nil {
			t.Fatal(err)
		}
		r := p.get()
		if r.code != 1 || !strings.Contains(r.stdout, p.store()) {
			t.Errorf("owner %d, mode %o: want an error that names the folder, got %s", owner, mode, r)
		}
	}
	if n := p.platform.Count("sts.refresh"); n != 1 {
		t.Errorf("got %d refreshes, want the login's alone", n)
	}
}

// A system without locks: a session needs no new sign-in, and no refresh token is redeemed, because
// another process may be redeeming it.
func TestF31_NoLocks(t *testing.T) {
	p := newFixture(t)
	p.login()
	p.forgetWindows()
	p.platform.ResetCounts()
	for _, fault := range []string{"ENOLCK", "ENOSYS", "EOPNOTSUPP"} {
		p.expire()
		r := p.with(alwaysSignsIn).strace("flock", "flock:error="+fault, program.Name, "get")
		p.refused(r.result, "without a lock")
	}
	p.want(0, p.totals(), totals{})
	p.forget()
	// Without a session, get signs in without a lock and warns.
	r := p.with(alwaysSignsIn).strace("flock", "flock:error=ENOLCK", program.Name, "get")
	p.served(r.result)
	if !strings.Contains(r.stderr, "continuing without a lock") {
		t.Errorf("missing warning: %s", r.result)
	}
}
