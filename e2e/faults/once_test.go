//go:build e2e && linux

package faults

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"docker-credential-cgr/e2e/fakeplatform"
	"docker-credential-cgr/e2e/program"
	"docker-credential-cgr/e2e/testenv"
)

// Many processes without a session: one window opens, and all get its credential.
func TestC1_OneWindow(t *testing.T) {
	p := newFixture(t)
	v := p.with(alwaysSignsIn)
	for round := range rounds(t) {
		p.forget()
		p.platform.ResetCounts()
		results := all(v.getAtOnce(60))
		p.sameAnswer(results)
		// The refresh token from the browser is redeemed at once: one refresh.
		p.want(round, p.totals(), totals{windows: 1, refreshes: 1})
		if n := p.platform.Count("signin"); n != 1 {
			t.Errorf("got %d sign-ins, want 1", n)
		}
	}
}

// A denied or abandoned sign-in ends the wait of all processes.
func TestC1_OneWindowIsAnAnswer(t *testing.T) {
	t.Run("denied", func(t *testing.T) {
		p := newFixture(t, fakeplatform.WithBehavior(func(b *fakeplatform.Behavior) { b.AutoApprove = false }))
		v := p.with(alwaysSignsIn, deniesWindow)
		for round := range rounds(t) {
			p.forget()
			p.platform.ResetCounts()
			for _, r := range all(v.getAtOnce(60)) {
				p.refused(r, "denied")
			}
			p.want(round, p.counted(), totals{windows: 1})
		}
	})
	t.Run("left by a client that is ended", func(t *testing.T) {
		p := newFixture(t)
		v := p.with(alwaysSignsIn, leavesWindow)
		for round := range rounds(t) {
			p.forget()
			p.platform.ResetCounts()
			started := v.getAtOnce(60)
			holder := p.holderOf(started)
			if err := holder.cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			for i, r := range all(started) {
				if started[i] == holder {
					p.broken(r, "stopped")
				} else {
					p.refused(r, "abandoned")
				}
			}
			p.want(round, p.counted(), totals{windows: 1})
		}
	})
}

// holderOf waits until one process has opened a window and the others wait for it.
func (p *fixture) holderOf(started []*running) (holder *running) {
	p.t.Helper()
	testenv.Await(p.t, "one process signs in and the others wait for it", func() bool {
		holder = nil
		waiting := 0
		for _, r := range started {
			switch said := r.stderr.String(); {
			case strings.Contains(said, "waiting until"):
				holder = r
			case strings.Contains(said, "waiting for "):
				waiting++
			}
		}
		return holder != nil && waiting == len(started)-1 && len(p.windows()) == 1
	})
	return holder
}

// Many processes with an expired access token: one refresh.
func TestC2_Expired(t *testing.T) {
	p := newFixture(t)
	p.platform.Change(func(b *fakeplatform.Behavior) { b.Latency["sts.refresh"] = 200 * time.Millisecond })
	for round := range rounds(t) {
		p.forget()
		p.platform.Change(shortLife)
		p.login()
		p.platform.Change(longLife)
		p.forgetWindows()
		p.platform.ResetCounts()
		results := all(p.here().getAtOnce(100))
		p.sameAnswer(results)
		t.Logf("the slowest of 100 took %s", slowest(results).Round(time.Millisecond))
		p.want(round, p.totals(), totals{refreshes: 1})
	}
}

func (p *fixture) forgetWindows() { _ = os.Remove(p.path("windows")) }

// The same with a revoked refresh token: one request to the issuer, and one window.
func TestC2_SessionEnded(t *testing.T) {
	p := newFixture(t)
	v := p.with(alwaysSignsIn)
	for round := range rounds(t) {
		p.forget()
		p.login()
		p.expire()
		p.platform.RevokeSessions()
		p.forgetWindows()
		p.platform.ResetCounts()
		p.sameAnswer(all(v.getAtOnce(50)))
		p.want(round, p.totals(), totals{windows: 1, refreshes: 2})
	}
}

// Many processes with a valid token: no lock is used, and no request is sent.
func TestC3_Warm(t *testing.T) {
	p := newFixture(t)
	p.login()
	for _, kind := range []string{"*.lock", "*.holder"} {
		found, _ := filepath.Glob(filepath.Join(p.store(), kind))
		for _, path := range found {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
	}
	before := p.folder()
	p.forgetWindows()
	p.platform.ResetCounts()
	p.sameAnswer(all(p.here().getAtOnce(100)))
	if after := p.folder(); after != before {
		t.Errorf("the folder has changed from\n%s\nto\n%s", before, after)
	}
	if n := p.platform.Count(""); n != 0 {
		t.Errorf("got %d requests, want 0", n)
	}
	trace := p.strace("flock,fcntl,connect,socket,openat", program.Name, "get")
	p.served(trace.result)
	for _, line := range trace.lines {
		switch {
		case strings.Contains(line, "flock("), strings.Contains(line, "F_SETLK"), strings.Contains(line, "F_OFD_SETLK"),
			strings.Contains(line, "socket("), strings.Contains(line, "connect("), strings.Contains(line, ".lock\""):
			t.Errorf("a get with a valid token makes this system call: %s", line)
		}
	}
	p.want(0, p.totals(), totals{})
}

// folder returns the names, sizes and times of the state folder's files.
func (p *fixture) folder() string {
	p.t.Helper()
	entries, err := os.ReadDir(p.store())
	if err != nil {
		p.t.Fatal(err)
	}
	var text strings.Builder
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			p.t.Fatal(err)
		}
		text.WriteString(entry.Name() + " " + info.ModTime().Format(time.RFC3339Nano) + "\n")
	}
	return text.String()
}

// Processes with different issuers do not wait for each other.
func TestC12_TwoIssuers(t *testing.T) {
	slow, quick := newFixture(t), newFixture(t)
	// One user, one file store, two issuers.
	other := slow.with(quick.platform.Environ()...)
	other.login()
	slow.login()
	slow.expire()
	slow.platform.Change(func(b *fakeplatform.Behavior) { b.Latency["sts.refresh"] = time.Hour })
	slow.platform.ResetCounts()
	waits := slow.here().startGet()
	testenv.Await(t, "the first issuer is asked", func() bool { return slow.platform.Count("sts.refresh") == 1 })
	r := other.run(quick.host+"\n", program.Name, "get")
	slow.served(r)
	if strings.Contains(r.stderr, "waiting") || !waits.alive() {
		t.Errorf("one issuer's get waits for the other's: %s", r)
	}
	_ = waits.cmd.Process.Kill()
	waits.wait()
}

// During the sign-in backoff, get fails at once and opens no window.
func TestC14_Cooldown(t *testing.T) {
	p := newFixture(t, fakeplatform.WithBehavior(func(b *fakeplatform.Behavior) { b.AutoApprove = false }))
	v := p.with(alwaysSignsIn, deniesWindow)
	p.refused(v.get(), "denied")
	p.forgetWindows()
	alone := v.get()
	p.refused(alone, "may start by itself at", "docker-credential-cgr login")
	for round := range rounds(t) {
		p.platform.ResetCounts()
		results := all(v.getAtOnce(100))
		for _, r := range results {
			p.refused(r, "may start by itself at")
		}
		if n := p.platform.Count(""); n != 0 || len(p.windows()) != 0 {
			t.Errorf("got %d requests and %d windows, want none", n, len(p.windows()))
		}
		t.Logf("round %d: windows %d, alone %s, the slowest of 100 at once %s", round, len(p.windows()),
			alone.took.Round(time.Millisecond), slowest(results).Round(time.Millisecond))
		warm := p.warmCrowd()
		if limit := 3*warm + time.Second; slowest(results) > limit {
			t.Errorf("the slowest of 100 processes took %s, while 100 with a valid token take %s: they wait for each other", slowest(results), warm)
		}
	}
	p.forgetWindows()
	// login ignores the backoff.
	if r := p.with("VISIT=sign-in").run("", program.Name, "login"); r.code != 0 || len(p.windows()) != 1 {
		t.Errorf("login opens %d windows: %s", len(p.windows()), r)
	}
	p.served(v.get())
}

// warmCrowd returns how long 100 concurrent processes with a valid token take on this machine.
func (p *fixture) warmCrowd() time.Duration {
	p.t.Helper()
	v := p.with("CHAINGUARD_IDENTITY_ID=an-identity", "CHAINGUARD_TOKEN=a-token-of-nobody")
	results := all(v.getAtOnce(100))
	for _, r := range results {
		p.served(r)
	}
	return slowest(results)
}
