//go:build e2e && linux

package faults

import (
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"docker-credential-cgr/e2e/desktop"
	"docker-credential-cgr/e2e/fakeplatform"
	"docker-credential-cgr/e2e/program"
	"docker-credential-cgr/e2e/testenv"
)

// keychainLimit bounds a get whose keychain does not work.
const keychainLimit = 5 * time.Second

// newDesktop makes a place with a session bus and an unlocked keyring, which the
// program chooses by itself.
func newDesktop(t *testing.T) (*fixture, *desktop.Session) {
	t.Helper()
	p, session := newBus(t)
	if err := session.StartKeyring(); err != nil {
		t.Fatal(err)
	}
	return p, session
}

func newBus(t *testing.T) (*fixture, *desktop.Session) {
	t.Helper()
	p := newFixture(t)
	session, err := desktop.Start(desktop.User{UID: p.uid, Dir: p.path("run"), Environ: []string{"HOME=" + p.home, "PATH=" + os.Getenv("PATH")}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(session.Close)
	p.set("CHAINGUARD_KEYCHAIN=auto", "DBUS_SESSION_BUS_ADDRESS="+session.Address())
	return p, session
}

// locked fails the test unless r is the error of a keychain that is there and
// does not open: bounded, clear, with a way out, and nothing weaker is used.
func (p *fixture) locked(r result) {
	p.t.Helper()
	p.broken(r, "Secret Service", "unlock", "CHAINGUARD_KEYCHAIN=file")
	p.within(r, keychainLimit)
	p.nothingWeaker()
}

// nothingWeaker fails the test if another store than the keyring holds something.
func (p *fixture) nothingWeaker() {
	p.t.Helper()
	if files := append(p.records("session"), p.records("credential")...); len(files) != 0 {
		p.t.Errorf("secrets went to files: %v", files)
	}
	if keys := p.keys(); len(keys) != 0 {
		p.t.Errorf("secrets went to the kernel: %v", keys)
	}
}

func TestF1_Locked(t *testing.T) {
	p, session := newDesktop(t)
	p.login()
	p.served(p.get())
	if err := session.Lock(); err != nil {
		t.Fatal(err)
	}
	p.locked(p.get())
	// Signing in does not help either, and says so before a window opens.
	p.forgetWindows()
	r := p.run("", program.Name, "login")
	if r.code != 1 || !strings.Contains(r.stderr, "unlock") || len(p.windows()) != 0 {
		t.Errorf("want an error before a window opens, got %d windows: %s", len(p.windows()), r)
	}
	p.within(r, keychainLimit)
	p.nothingWeaker()
	// What nobody but the keychain knows is not "nobody is signed in" for list either.
	if r := p.run("", program.Name, "list"); r.code != 1 || !strings.Contains(r.stdout, "unlock") {
		t.Errorf("list: %s", r)
	}
}

func TestF2_PromptNobodyAnswers(t *testing.T) {
	p, session := newDesktop(t)
	p.login()
	asked, err := session.PromptSilently()
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Lock(); err != nil {
		t.Fatal(err)
	}
	p.locked(p.get())
	if !asked() {
		t.Error("no prompt was wanted: nothing is shown")
	}
	t.Run("the daemon is killed meanwhile", func(t *testing.T) {
		// In a session of its own, whose prompt is the first.
		p, session := newDesktop(t)
		p.login()
		asked, err := session.PromptSilently()
		if err != nil {
			t.Fatal(err)
		}
		if err := session.Lock(); err != nil {
			t.Fatal(err)
		}
		get := p.here().startGet()
		testenv.Await(t, "a prompt is wanted", asked)
		session.KillKeyring()
		p.locked(get.wait())
	})
}

func TestF3_BusDies(t *testing.T) {
	p, session := newDesktop(t)
	p.login()
	asked, err := session.PromptSilently()
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Lock(); err != nil {
		t.Fatal(err)
	}
	get := p.here().startGet()
	testenv.Await(t, "a prompt is wanted", asked)
	session.KillBus()
	r := get.wait()
	p.broken(r, "Secret Service")
	p.within(r, keychainLimit)
	p.nothingWeaker()
	if strings.Contains(r.stderr, "goroutine") || strings.Contains(r.stderr, "panic") {
		t.Errorf("it panics: %s", r)
	}
}

func TestF4_SilentBus(t *testing.T) {
	p := newFixture(t)
	socket := p.path("run/bus")
	bus, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer bus.Close()
	if err := os.Chown(socket, p.uid, p.uid); err != nil {
		t.Fatal(err)
	}
	p.set("CHAINGUARD_KEYCHAIN=auto", "DBUS_SESSION_BUS_ADDRESS=unix:path="+socket)
	// The kernel accepts; nobody reads.
	p.locked(p.get())
	p.refusedStore()
}

// refusedStore fails the test unless store fails clearly and keeps nothing.
func (p *fixture) refusedStore() {
	p.t.Helper()
	r := p.run(`{"ServerURL":"`+p.host+`","Username":"org/id","Secret":"a pull token of nobody"}`, program.Name, "store")
	p.broken(r, "Secret Service")
	p.nothingWeaker()
}

// Without a bus the next store is used at once, and no process is left behind.
func TestF5_NoBus(t *testing.T) {
	noBus := map[string]func(p *fixture){
		"no address":       func(p *fixture) { p.set("DBUS_SESSION_BUS_ADDRESS=") },
		"an address to be": func(p *fixture) { p.set("DBUS_SESSION_BUS_ADDRESS=autolaunch:") },
		"a stale address":  func(p *fixture) { p.set("DBUS_SESSION_BUS_ADDRESS=unix:path=" + p.path("run/gone")) },
		"a display": func(p *fixture) {
			p.set("DBUS_SESSION_BUS_ADDRESS=", "DISPLAY=:99", "XDG_RUNTIME_DIR="+p.path("run"))
		},
		"a socket of a bus that has ended": func(p *fixture) {
			socket := p.path("run/bus")
			bus, err := net.Listen("unix", socket)
			if err != nil {
				p.t.Fatal(err)
			}
			bus.(*net.UnixListener).SetUnlinkOnClose(false)
			_ = bus.Close()
			_ = os.Chown(socket, p.uid, p.uid)
			p.set("DBUS_SESSION_BUS_ADDRESS=unix:path=" + socket)
		},
	}
	for name, set := range noBus {
		t.Run(name, func(t *testing.T) {
			p := newFixture(t)
			p.set("CHAINGUARD_KEYCHAIN=auto")
			set(p)
			r := p.run("", program.Name, "login")
			if r.code != 0 || !strings.Contains(r.stderr, "kernel keyring") || !strings.Contains(r.stderr, "no Secret Service") {
				t.Errorf("want a login that is kept in the kernel keyring, and why, got %s", r)
			}
			r = p.get()
			p.served(r)
			p.within(r, keychainLimit)
			testenv.Await(t, "no process is left, the browser's included", func() bool { return len(processesOf(p.uid)) == 0 })
			if files := p.records("*"); len(files) != 0 {
				t.Errorf("secrets went to files: %v", files)
			}
		})
	}
}

// A bus on which nobody is a Secret Service is as good as none.
func TestF5_NoSecretService(t *testing.T) {
	p, _ := newBus(t)
	r := p.run("", program.Name, "login")
	if r.code != 0 || !strings.Contains(r.stderr, "kernel keyring") {
		t.Errorf("want a login that is kept in the kernel keyring, got %s", r)
	}
	p.served(p.get())
}

// The OS keychain that was asked for by name is never replaced by another.
func TestF5_OSOnly(t *testing.T) {
	p := newFixture(t)
	p.set("CHAINGUARD_KEYCHAIN=os")
	r := p.get()
	p.broken(r, "Secret Service", "D-Bus", "CHAINGUARD_KEYCHAIN=file")
	p.nothingWeaker()
}

// Where the keyring goes away and comes back locked, it is one error, no window.
func TestF6_KeyringRestarts(t *testing.T) {
	p, session := newDesktop(t)
	p.login()
	p.sameAnswer(all(p.here().getAtOnce(20)))
	started := p.here().startAtOnce(20)
	for i, r := range started {
		if i == len(started)/2 {
			session.KillKeyring()
		}
		r.goOn()
	}
	for _, r := range all(started) {
		if _, err := r.answer(); err != nil && !strings.Contains(r.stdout, "Secret Service") {
			p.refused(r, "docker-credential-cgr login")
		}
		p.within(r, 2*keychainLimit)
	}
	p.nothingWeaker()
	if err := session.StartKeyring(); err != nil {
		t.Fatal(err)
	}
	p.served(p.get())
	if n := len(p.windows()); n != 1 {
		t.Errorf("got %d windows, want the one of the login", n)
	}
}

// shortLife has the issuer give tokens that are not kept for later, longLife ones
// that are: a kept token is given until a minute before its end.
func shortLife(b *fakeplatform.Behavior) { b.AccessLifetime = 30 * time.Second }
func longLife(b *fakeplatform.Behavior)  { b.AccessLifetime = 0 }

// Many at once on a real keyring: all are served, and one refresh is sent.
func TestC18_Storm(t *testing.T) {
	p, _ := newDesktop(t)
	v := p.here()
	p.login()
	p.sameAnswer(all(v.getAtOnce(60)))
	for round := range rounds(t) {
		// The record that is kept is not good any more.
		p.platform.Change(shortLife)
		p.login()
		p.platform.Change(longLife)
		p.forgetWindows()
		p.platform.ResetCounts()
		results := all(v.getAtOnce(60))
		p.sameAnswer(results)
		t.Logf("round %d: windows %d, refreshes %d, the slowest of 60 took %s", round, len(p.windows()),
			p.platform.Count("sts.refresh"), slowest(results).Round(time.Millisecond))
		if n := p.platform.Count("sts.refresh"); n != 1 || len(p.windows()) != 0 {
			t.Errorf("got %d refreshes, %d windows, want 1, 0", n, len(p.windows()))
		}
	}
	p.nothingWeaker()
}
