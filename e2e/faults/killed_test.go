//go:build e2e && linux

package faults

import (
	"encoding/json"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"docker-credential-cgr/e2e/fakeplatform"
	"docker-credential-cgr/e2e/program"
	"docker-credential-cgr/e2e/testenv"
)

// enough is how many steps a program takes at most: the sweeps end when it gets
// through.
const enough = 300

// goesOn is how soon whoever waits goes on once the holder of the lock is dead:
// it looks every 20 ms, and then has a refresh to do.
const goesOn = time.Second

// sweep has one process after the other killed before each of its steps, while
// another one waits for it, and gives how often each step was met. set makes the
// state before; check looks at the state after.
func sweep(p *fixture, holder, waiter *variant, set func(), check func(at string, held map[string]string, waiter result)) {
	p.t.Helper()
	met := map[string]int{}
	waited := 0
	var slow time.Duration
	for n := 1; ; n++ {
		if n > enough {
			p.t.Fatalf("the program takes more than %d steps", enough)
		}
		set()
		traced := holder.traceGet(n)
		step := traced.step()
		if step == "" {
			traced.wait()
			_ = traced.go1.Close()
			break
		}
		met[step]++
		at := step + " (step " + strconv.Itoa(n) + ")"

		// Whether it has the lock shows in the next one: that waits, or gets done.
		next := waiter.startGet()
		testenv.Await(p.t, "the next one waits or ends", func() bool {
			return !next.alive() || strings.Contains(next.stderr.String(), "waiting for ")
		})
		waits := next.alive()
		held := p.kept()
		killed := time.Now()
		traced.kill()
		r := next.wait()
		if waits {
			waited++
			took := time.Since(killed)
			slow = max(slow, took)
			if took > goesOn {
				p.t.Errorf("killed before %s: the next one went on after %s: %s", at, took, r)
			}
		}
		check(at, held, r)
		if p.t.Failed() {
			break
		}
	}
	p.t.Logf("killed before %v, the next one waited for it %d times, and went on after %s at most", met, waited, slow.Round(time.Millisecond))
	if met["write"] == 0 || waited == 0 {
		p.t.Error("it was never killed at work")
	}
}

// kept gives the secrets that the store holds now: a refresh token under
// "refresh", an access token under "access".
func (p *fixture) kept() map[string]string {
	kept := map[string]string{}
	for _, text := range p.values() {
		var record struct{ Refresh, Secret string }
		if json.Unmarshal([]byte(text), &record) != nil {
			p.t.Errorf("a record is not whole: %d bytes", len(text))
			continue
		}
		if record.Refresh != "" {
			kept["refresh"] = record.Refresh
		}
		if record.Secret != "" {
			kept["access"] = record.Secret
		}
	}
	return kept
}

// values gives all that the chosen store holds.
func (p *fixture) values() (texts []string) {
	if p.environ["CHAINGUARD_KEYCHAIN"] == "kernel" {
		for _, key := range p.keys() {
			name := p.as("keyctl", "rdescribe", key)
			if !strings.Contains(name, program.Name) || strings.Contains(name, program.Name+" probe ") {
				continue // a probe has no secret, and is gone in a minute
			}
			if text := p.as("keyctl", "pipe", key); text != "" {
				texts = append(texts, text)
			}
		}
		return texts
	}
	for _, kind := range []string{"session", "credential"} {
		for _, path := range p.records(kind) {
			text, err := os.ReadFile(path)
			if err == nil {
				texts = append(texts, string(text))
			}
		}
	}
	return texts
}

// as runs a program as the place's user and gives what it prints.
func (p *fixture) as(args ...string) string {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.SysProcAttr = as(p.uid)
	out, _ := cmd.Output() // nothing, where it fails
	return string(out)
}

// keys gives the user's kernel keys, but for those that are being removed.
func (p *fixture) keys() []string {
	return strings.Fields(p.as("keyctl", "rlist", "@u"))
}

// TestC4_F13_RefreshKilled kills a refresh at every step. With an issuer that
// takes a spent refresh token once more nothing may ever be lost; with one that
// ends the session for it, nothing but what was in the answer that nobody kept.
func TestC4_F13_RefreshKilled(t *testing.T) {
	for _, store := range []string{"file", "kernel"} {
		for name, reuse := range map[string]fakeplatform.ReusePolicy{"lenient": fakeplatform.ReuseAccepted, "strict": fakeplatform.ReuseRevokes} {
			t.Run(store+" "+name, func(t *testing.T) {
				p := newFixture(t, fakeplatform.WithBehavior(func(b *fakeplatform.Behavior) { b.Reuse = reuse }))
				p.set("CHAINGUARD_KEYCHAIN=" + store)
				v := p.here()
				lost, signedIn := 0, false
				set := func() {
					if !signedIn {
						v.login()
						signedIn = true
					}
					p.expireIn(store)
					p.platform.ResetCounts()
				}
				sweep(p, v, v, set, func(at string, held map[string]string, next result) {
					if _, err := next.answer(); err == nil {
						return
					}
					// The next one was not served. That is right only where the issuer
					// had answered, and the answer was not kept.
					if reuse == fakeplatform.ReuseAccepted {
						t.Errorf("killed before %s: the session is lost: %s", at, next)
					}
					if p.platform.Count("sts.refresh") < 2 || held["access"] != "" {
						t.Errorf("killed before %s: the session is lost, though the answer was not: %s", at, next)
					}
					p.refused(next, "has ended", "docker-credential-cgr login")
					lost++
					signedIn = false
				})
				t.Logf("lost sessions: %d", lost)
			})
		}
	}
}

// expireIn removes the access tokens of a store. The session stays.
func (p *fixture) expireIn(store string) {
	p.t.Helper()
	if store == "file" {
		p.expire()
		return
	}
	for _, key := range p.keys() {
		if strings.Contains(p.as("keyctl", "rdescribe", key), "docker-credential-cgr credential ") {
			p.as("keyctl", "unlink", key, "@u")
		}
	}
}

// TestC4_F13_SignInKilled kills a sign-in at every step. Whoever waits is served
// by what was kept; else it is told that the window was left; else, where there
// was no window yet or its answer was lost, it opens one.
func TestC4_F13_SignInKilled(t *testing.T) {
	for _, store := range []string{"file", "kernel"} {
		t.Run(store, func(t *testing.T) { signInKilled(t, store) })
	}
}

func signInKilled(t *testing.T, store string) {
	p := newFixture(t, fakeplatform.WithBehavior(func(b *fakeplatform.Behavior) { b.Reuse = fakeplatform.ReuseAccepted }))
	p.set("CHAINGUARD_KEYCHAIN=" + store)
	v := p.with(alwaysSignsIn)
	outcomes := map[string]int{}
	sweep(p, v, v, func() {
		p.forget()
		removeKeys(p.uid)
		p.platform.ResetCounts()
	}, func(at string, held map[string]string, next result) {
		windows := len(p.windows())
		_, err := next.answer()
		switch {
		case err == nil && windows == 1:
			outcomes["served, one window"]++
		case err == nil && windows == 2:
			// What came through the browser had been taken, and was not kept.
			outcomes["served, the answer was lost"]++
			if held["refresh"] != "" {
				t.Errorf("killed before %s: a second window, though the session was kept", at)
			}
		case err != nil && windows <= 1:
			outcomes["told that the window was left"]++
			p.refused(next, "was abandoned", "docker-credential-cgr login")
			if held["refresh"] != "" {
				t.Errorf("killed before %s: not served, though the session was kept", at)
			}
		default:
			t.Errorf("killed before %s: %d windows: %s", at, windows, next)
		}
	})
	t.Logf("outcomes: %v", outcomes)
}

// What a killed writer leaves half done is removed by the next that writes.
func TestF13_HalfDoneIsRemoved(t *testing.T) {
	p := newFixture(t)
	p.login()
	left := p.store() + "/new-123"
	if err := os.WriteFile(left, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(left, old, old); err != nil {
		t.Fatal(err)
	}
	p.expire()
	p.served(p.get())
	if exists(left) {
		t.Errorf("%s is still there", left)
	}
}
