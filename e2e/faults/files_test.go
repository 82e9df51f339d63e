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
	"docker-credential-cgr/e2e/standin"
)

// mount mounts something until the test ends. The tests have a mount namespace of
// their own.
func (p *place) mount(source, target, kind string, flags uintptr, options string) (unmount func()) {
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

// fill writes a file until there is no room, and gives its path.
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

// contents gives the files of the file store that hold secrets.
func (p *place) contents() map[string]string {
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

// A full disk: what was there stays whole, nothing half done is left, the token
// is given all the same, and what could not be kept is said.
func TestF11_DiskFull(t *testing.T) {
	p := newPlace(t, standin.WithBehaviour(func(b *standin.Behaviour) { b.Reuse = standin.ReuseAccepted }))
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

	r := p.get()
	p.served(r)
	if !strings.Contains(r.stderr, p.store()) || !strings.Contains(r.stderr, "no space left") {
		t.Errorf("it does not say what could not be kept: %s", r)
	}
	after := p.contents()
	for path, text := range before {
		if after[path] != text {
			t.Errorf("%s is not what it was", path)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(p.store(), "new-*")); len(left) != 0 || len(after) != len(before) {
		t.Errorf("left behind: %v, records %d where there were %d", left, len(after), len(before))
	}
	r = p.run(`{"ServerURL":"`+p.host+`","Username":"org/id","Secret":"a pull token of nobody"}`, program.Name, "store")
	p.broken(r, p.store(), "no space left")

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	p.served(p.get())
	if n := p.totals(); n.lost != 0 || n.windows != 1 {
		t.Errorf("got %s", n)
	}
}

// With an issuer that ends the session for a token that was spent, that is what
// standard error announces.
func TestF11_DiskFullStrict(t *testing.T) {
	p := newPlace(t)
	local := filepath.Join(p.home, ".local")
	if err := os.Mkdir(local, 0o700); err != nil {
		t.Fatal(err)
	}
	p.mount("tmpfs", local, "tmpfs", 0, fmt.Sprintf("size=64k,mode=0700,uid=%d,gid=%d", p.uid, p.uid))
	p.platform.Change(shortLife)
	p.login()
	p.platform.Change(longLife)
	filler := fill(t, local)
	r := p.get()
	p.served(r)
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if n := p.totals(); n.lost != 0 && !strings.Contains(r.stderr, "the next run has to sign in again") {
		t.Errorf("got %s, and nothing said so: %s", n, r)
	}
	p.forget()
	fill(t, local)
	p.notKept(p.run("", program.Name, "login"), p.store())
}

// A home that cannot be written to: a warm get answers, and so does one that has
// to refresh, which says what it could not keep.
func TestF12_ReadOnlyHome(t *testing.T) {
	p := newPlace(t, standin.WithBehaviour(func(b *standin.Behaviour) { b.Reuse = standin.ReuseAccepted }))
	p.login()
	readOnly := func() (unmount func()) {
		unmount = p.mount(p.home, p.home, "", syscall.MS_BIND, "")
		if err := syscall.Mount("", p.home, "", syscall.MS_REMOUNT|syscall.MS_BIND|syscall.MS_RDONLY, ""); err != nil {
			t.Fatal(err)
		}
		return unmount
	}
	unmount := readOnly()
	p.served(p.get())
	r := p.run(`{"ServerURL":"`+p.host+`","Username":"org/id","Secret":"a pull token of nobody"}`, program.Name, "store")
	p.broken(r, "read-only file system")
	unmount()
	p.platform.Change(shortLife)
	p.login()
	p.platform.Change(longLife)
	readOnly()
	r = p.get()
	p.served(r)
	if !strings.Contains(r.stderr, "without a lock") || !strings.Contains(r.stderr, "read-only file system") {
		t.Errorf("it does not say what it cannot do: %s", r)
	}
	// Other stores need no more of the home than a lock.
	kernel := p.with("CHAINGUARD_KEYCHAIN=kernel")
	kernel.login()
	p.served(kernel.get())
}

func TestF12_ForeignHome(t *testing.T) {
	p, other := newPlace(t), newPlace(t)
	other.login()
	p.set("HOME=" + other.home)
	r := p.get()
	p.broken(r, other.home)
	r = p.run("", program.Name, "login")
	if r.code != 1 || len(p.windows()) != 0 {
		t.Errorf("want an error before a window opens, got %d windows: %s", len(p.windows()), r)
	}
	p.with("CHAINGUARD_KEYCHAIN=kernel").login()
}

func TestF12_NoHome(t *testing.T) {
	p := newPlace(t)
	for _, home := range []string{"", "relative/home"} {
		v := p.with("HOME=" + home)
		p.broken(v.get(), "HOME")
		v = p.with("HOME="+home, "CHAINGUARD_KEYCHAIN=kernel")
		v.login()
		p.served(v.get())
	}
	p.notKept(p.with("HOME=/no/such/home").run("", program.Name, "login"), "/no/such/home")
}

// notKept fails the test unless a login whose session cannot be kept says so and
// fails: "signed in" would be untrue for the next run.
func (p *place) notKept(r result, texts ...string) {
	p.t.Helper()
	if r.code != 1 || strings.Contains(r.stdout, "Signed in") {
		p.t.Errorf("want a login that fails, since nothing is kept of it, got %s", r)
	}
	for _, text := range texts {
		if !strings.Contains(r.stderr, text) {
			p.t.Errorf("%q is not on standard error: %s", text, r)
		}
	}
}

// A power cut leaves the old file or the new one, whole: the new one's content is
// on the disk before its name is, and the name before we go on.
func TestF14_Order(t *testing.T) {
	p := newPlace(t)
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

// What another user could have made or changed is not used.
func TestF30_OtherUser(t *testing.T) {
	other := newPlace(t)
	tests := []struct {
		name  string
		spoil func(p *place) error
	}{
		{"state folder open to all", func(p *place) error { return os.Chmod(p.store(), 0o777) }},
		{"state folder of another user", func(p *place) error { return os.Chown(p.store(), other.uid, other.uid) }},
		{"state folder a link", func(p *place) error {
			elsewhere := p.path("elsewhere")
			return errors.Join(os.Rename(p.store(), elsewhere), os.Symlink(elsewhere, p.store()))
		}},
		{"record open to all", func(p *place) error { return os.Chmod(p.records("credential")[0], 0o666) }},
		{"record of another user", func(p *place) error { return os.Chown(p.records("credential")[0], other.uid, other.uid) }},
		{"record a link", func(p *place) error {
			path := p.records("credential")[0]
			return errors.Join(os.Rename(path, p.path("tmp/record")), os.Symlink(p.path("tmp/record"), path))
		}},
		{"record a FIFO", func(p *place) error {
			path := p.records("credential")[0]
			return errors.Join(os.Remove(path), syscall.Mkfifo(path, 0o600), os.Chown(path, p.uid, p.uid))
		}},
		{"record with a second name", func(p *place) error {
			return os.Link(p.records("credential")[0], p.path("tmp/second"))
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := newPlace(t)
			p.login()
			if err := test.spoil(p); err != nil {
				t.Fatal(err)
			}
			r := p.get()
			if r.code != 1 || r.stdout == notFound || !strings.Contains(r.stdout, p.store()) {
				t.Errorf("want an error that names what is not used, got %s", r)
			}
			for _, path := range []string{p.path("tmp/record"), p.path("tmp/second"), p.path("elsewhere")} {
				_ = os.RemoveAll(path) // the test's own work
			}
		})
	}
}

// The lock of the stores other than files lies below the home of the user
// database; another user's is not used.
func TestF30_LockOfOtherUser(t *testing.T) {
	p, other := newPlace(t), newPlace(t)
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

// A file system that has no locks: it goes on without one, and says so.
func TestF31_NoLocks(t *testing.T) {
	p := newPlace(t)
	p.login()
	for _, fault := range []string{"ENOLCK", "ENOSYS", "EOPNOTSUPP"} {
		p.expire()
		r := p.here().strace("flock", "flock:error="+fault, program.Name, "get")
		p.served(r.result)
		if !strings.Contains(r.stderr, "without a lock") {
			t.Errorf("%s: it does not say so: %s", fault, r.result)
		}
	}
	if n := p.totals(); n.lost != 0 || n.windows != 1 {
		t.Errorf("got %s", n)
	}
	// Those who go on without a lock at once lose nothing where the issuer takes a
	// spent token, and say what happened where it does not.
	p.platform.Change(func(b *standin.Behaviour) { b.Reuse = standin.ReuseRefused })
	p.expire()
	var started []*running
	for i := range 5 {
		log := filepath.Join(base, fmt.Sprintf("strace-nolock-%d", i))
		defer os.Remove(log)
		started = append(started, p.here().startStrace(log, "flock", "flock:error=ENOLCK", program.Name, "get"))
	}
	for _, r := range started {
		r.goOn()
	}
	served := 0
	for _, r := range all(started) {
		if _, err := r.answer(); err == nil {
			served++
		}
	}
	t.Logf("without a lock: %d of 5 at once are served", served)
	if n := p.totals(); n.lost != 0 || served == 0 {
		t.Errorf("without a lock: %s, %d served", n, served)
	}
}
