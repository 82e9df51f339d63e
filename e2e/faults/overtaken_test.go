//go:build e2e && linux

package faults

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"docker-credential-cgr/e2e/fakebrowser"
	"docker-credential-cgr/e2e/fakeplatform"
	"docker-credential-cgr/e2e/program"
	"docker-credential-cgr/e2e/testenv"
)

// slowly delays the issuer's refreshes from now on.
func (p *fixture) slowly(d time.Duration) {
	p.platform.Change(func(b *fakeplatform.Behavior) { b.Latency["sts.refresh"] = d })
}

// startRefresh starts a get whose refresh has arrived at the issuer, which takes
// its time over it.
func (v *variant) startRefresh(takes time.Duration) *running {
	v.t.Helper()
	v.expire()
	v.platform.ResetCounts()
	v.slowly(takes)
	r := v.startGet()
	testenv.Await(v.t, "the refresh has arrived", func() bool { return v.platform.Count("sts.refresh") == 1 })
	v.slowly(0)
	return r
}

// account gives who is signed in, by the session's record.
func (p *fixture) account() string {
	for _, text := range p.values() {
		var record struct{ Refresh, Email string }
		if json.Unmarshal([]byte(text), &record) == nil && record.Refresh != "" {
			return record.Email
		}
	}
	return ""
}

// After a logout has returned, no process brings the session back.
func TestC7_LogoutDuringRefresh(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		takes time.Duration
	}{
		{"logout waits", time.Second},
		// Nothing waits for ever for a refresh: logout goes on without the lock.
		{"logout does not wait", 7 * time.Second},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := newFixture(t)
			p.login()
			refresh := p.here().startRefresh(test.takes)
			r := p.run(p.host, program.Name, "erase")
			if r.code != 0 || r.stdout != "" {
				t.Errorf("logout failed: %s", r)
			}
			t.Logf("logout took %s", r.took.Round(time.Millisecond))
			refresh.wait()
			if kept := p.kept(); len(kept) != 0 {
				t.Errorf("after logout the store holds %d secrets", len(kept))
			}
			p.refused(p.get(), "docker-credential-cgr login")
		})
	}
}

func TestC7_LogoutInACrowd(t *testing.T) {
	p := newFixture(t)
	v := p.here()
	for round := range rounds(t) {
		p.login()
		p.expire()
		started := v.startAtOnce(30)
		logout := v.start(p.host+"\n", program.Name, "erase")
		testenv.Await(t, "logout reads its standard input", func() bool { return unread(logout.stdin) == 0 })
		// In the middle of the others.
		for i, r := range started {
			if i == len(started)/2 {
				logout.goOn()
			}
			r.goOn()
		}
		if r := logout.wait(); r.code != 0 {
			t.Error(r)
		}
		kept := p.kept()
		served := 0
		for _, r := range all(started) {
			if _, err := r.answer(); err == nil {
				served++
			} else if r.stdout != notFound && !strings.Contains(r.stdout, "replaced or removed") {
				t.Errorf("neither served nor told that nobody is signed in: %s", r)
			}
		}
		t.Logf("round %d: %d of 30 served, the others told that nobody is signed in", round, served)
		if later := p.kept(); len(later) != 0 || len(kept) != 0 {
			t.Fatalf("round %d: after logout the store held %d secrets, and %d once all had ended", round, len(kept), len(later))
		}
	}
}

// A login by another person while a refresh of the former's session is under way
// wins, and what that refresh brings is thrown away.
func TestC8_LoginDuringRefresh(t *testing.T) {
	p := newFixture(t)
	p.login()
	refresh := p.here().startRefresh(2 * time.Second)
	p.forgetWindows()
	p.platform.Change(func(b *fakeplatform.Behavior) { b.Person = fakeplatform.Grace })
	r := p.run("", program.Name, "login")
	if r.code != 0 || !strings.Contains(r.stdout, fakeplatform.Grace) {
		t.Errorf("want to be signed in as %s, got %s", fakeplatform.Grace, r)
	}
	if n := len(p.windows()); n != 1 {
		t.Errorf("login opened %d windows, want 1", n)
	}
	refresh.wait()
	if got := p.account(); got != fakeplatform.Grace {
		t.Errorf("the session kept is %s's, want %s's", got, fakeplatform.Grace)
	}
	p.expire()
	p.served(p.get())
	p.want(0, p.totals(), totals{windows: 1, refreshes: 3})
}

// The same where the two do not meet at the lock, whose file was removed meanwhile:
// the slow one finishes last, and what it brings is of an older session.
func TestC10_SlowWriterIsDropped(t *testing.T) {
	p := newFixture(t)
	p.login()
	slow := p.here().startRefresh(4 * time.Second)
	locks, _ := filepath.Glob(filepath.Join(p.store(), "*.lock"))
	for _, path := range locks {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	p.platform.Change(func(b *fakeplatform.Behavior) { b.Person = fakeplatform.Grace })
	p.login()
	if !slow.alive() {
		t.Fatal("the slow one has ended: nothing is shown")
	}
	before := p.kept()
	r := slow.wait()
	if after := p.kept(); after["refresh"] != before["refresh"] || after["access"] != before["access"] || p.account() != fakeplatform.Grace {
		t.Errorf("the slow writer has replaced what the login kept: %s", r)
	}
	if a, err := r.answer(); err == nil && a.Secret != before["access"] {
		t.Errorf("the slow one gives a token of the former session")
	}
	p.want(0, p.totals(), totals{windows: 2, refreshes: 2})
}

// Login writes one store and clears the others; get reads the chosen one alone.
func TestC11_OtherStore(t *testing.T) {
	p := newFixture(t)
	p.login()
	kernel := p.with("CHAINGUARD_KEYCHAIN=kernel")
	kernel.login()
	p.served(kernel.get())
	if files := append(p.records("session"), p.records("credential")...); len(files) != 0 {
		t.Errorf("a login that is kept in the kernel leaves %v", files)
	}
	p.refused(p.get(), "docker-credential-cgr login")
	p.login()
	if keys := p.keys(); len(keys) != 0 {
		t.Errorf("a login that is kept in files leaves the keys %v", keys)
	}
	p.refused(kernel.get(), "docker-credential-cgr login")
	p.served(p.get())
}

// A live token is given without waiting, whoever signs in or refreshes meanwhile.
func TestC13_LiveTokenNeverWaits(t *testing.T) {
	p := newFixture(t)
	p.login()
	person := p.with(leavesWindow).start("", program.Name, "login").goOn()
	person.says("waiting until")
	r := p.get()
	p.served(r)
	if strings.Contains(r.stderr, "waiting") {
		t.Errorf("get waits: %s", r)
	}
	_ = person.cmd.Process.Signal(os.Interrupt)
	person.wait()

	// Nor where a refresh is due, and somebody is at it.
	p.login()
	p.refreshIsDue()
	p.platform.ResetCounts()
	p.slowly(time.Hour)
	early := p.here().startGet()
	testenv.Await(t, "the refresh has arrived", func() bool { return p.platform.Count("sts.refresh") == 1 })
	other := p.get()
	p.served(other)
	if other.took > time.Second || strings.Contains(other.stderr, "waiting") {
		t.Errorf("get waits for somebody else's early refresh: %s", other)
	}
	// Who is at it gives the kept token in the end.
	r = early.wait()
	p.served(r)
	p.within(r, 5*time.Second)
	// And then nobody tries again for a while.
	p.served(p.get())
	if n := p.platform.Count("sts.refresh"); n != 1 {
		t.Errorf("got %d refreshes, want 1", n)
	}
}

// refreshIsDue has the kept access tokens look as if most of their life had
// passed.
func (p *fixture) refreshIsDue() {
	p.t.Helper()
	for _, path := range p.records("credential") {
		text, err := os.ReadFile(path)
		if err != nil {
			p.t.Fatal(err)
		}
		var record map[string]any
		if err := json.Unmarshal(text, &record); err != nil || record["renew"] == nil {
			p.t.Fatalf("%s has no time of renewal (%v)", path, err)
		}
		record["renew"] = time.Now().Add(-time.Second).Unix()
		if text, err = json.Marshal(record); err != nil {
			p.t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o600); err != nil { // its mode and owner stay
			p.t.Fatal(err)
		}
	}
}

// A person signs in while gets that open no window wait: they are served by it.
func TestC15_LoginServesThoseWhoWait(t *testing.T) {
	p := newFixture(t)
	for round := range rounds(t) {
		p.forget()
		p.platform.ResetCounts()
		person := p.with(leavesWindow).start("", program.Name, "login").goOn()
		person.says("waiting until")
		testenv.Await(t, "the window is open", func() bool { return len(p.windows()) == 1 })
		started := p.here().getAtOnce(30)
		for _, r := range started {
			r.says("waiting for process")
			r.says("signing in")
		}
		if _, _, err := (fakebrowser.Person{}).Visit(p.windows()[0]); err != nil {
			t.Fatal(err)
		}
		if r := person.wait(); r.code != 0 {
			t.Error(r)
		}
		p.sameAnswer(all(started))
		p.want(round, p.totals(), totals{windows: 1, refreshes: 1})
	}
}
