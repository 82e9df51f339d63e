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

// enough is the maximum number of steps of a program. A sweep ends when the program completes.
const enough = 300

// goesOn is how soon a waiting process must finish after the holder of the lock has died. It checks
// the lock every 20 ms and then refreshes.
const goesOn = time.Second

// sweep kills a process before each of its steps while another process waits for it, and returns how
// often each step was reached. set creates the state before, and check checks the state after.
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

		// If it has the lock, the next process waits; otherwise it completes.
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
		p.t.Error("it was never killed during its work")
	}
}

// kept returns the secrets in the store: a refresh token under "refresh" and an access token under
// "access".
func (p *fixture) kept() map[string]string {
	kept := map[string]string{}
	for _, text := range p.values() {
		var record struct{ Refresh, Secret string }
		if json.Unmarshal([]byte(text), &record) != nil {
			p.t.Errorf("a record is incomplete: %d bytes", len(text))
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

// values returns everything in the selected store.
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

// as runs a program as the fixture's user and returns its output.
func (p *fixture) as(args ...string) string {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.SysProcAttr = as(p.uid)
	out, _ := cmd.Output() // nothing, where it fails
	return string(out)
}

// keys returns the user's kernel keys, except for those that are being removed.
func (p *fixture) keys() []string {
	return strings.Fields(p.as("keyctl", "rlist", "@u"))
}

// TestC4_F13_RefreshKilled kills a refresh at every step. If the issuer accepts a used refresh token
// again, nothing may be lost. If it revokes the session, only a response that was not stored yet may
// be lost.
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
					// The next process got no credential, which is correct only if the issuer
					// had responded and the response was not stored.
					if reuse == fakeplatform.ReuseAccepted {
						t.Errorf("killed before %s: the session is lost: %s", at, next)
					}
					if p.platform.Count("sts.refresh") < 2 || held["access"] != "" {
						t.Errorf("killed before %s: the session is lost, although the response was not: %s", at, next)
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

// TestC4_F13_SignInKilled kills a sign-in at every step. A waiting process uses the stored
// credential; otherwise it reports that the sign-in was abandoned; otherwise, if there was no window
// yet or its response was lost, it opens one.
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
			// The tokens from the browser were received but not stored.
			outcomes["served, the answer was lost"]++
			if held["refresh"] != "" {
				t.Errorf("killed before %s: a second window, although the session was stored", at)
			}
		case err != nil && windows <= 1:
			outcomes["told that the window was left"]++
			p.refused(next, "was abandoned", "docker-credential-cgr login")
			if held["refresh"] != "" {
				t.Errorf("killed before %s: no credential, although the session was stored", at)
			}
		default:
			t.Errorf("killed before %s: %d windows: %s", at, windows, next)
		}
	})
	t.Logf("outcomes: %v", outcomes)
}

// Partial files of a killed process are removed by the next one that writes.
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
