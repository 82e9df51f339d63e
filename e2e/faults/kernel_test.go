//go:build e2e && linux

package faults

import (
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"docker-credential-cgr/e2e/fakeplatform"
	"docker-credential-cgr/e2e/program"
	"docker-credential-cgr/e2e/testenv"
)

// newKernel makes a place that keeps its secrets in the kernel.
func newKernel(t *testing.T, opts ...fakeplatform.Option) *fixture {
	t.Helper()
	p := newFixture(t, opts...)
	p.set("CHAINGUARD_KEYCHAIN=kernel")
	return p
}

// What one session keeps another one of the same user reads and changes, as under
// SSH, su or cron; another user does neither.
func TestF9_OtherSession(t *testing.T) {
	p := newKernel(t)
	get := []string{bin + "/" + program.Name, "get"}
	login := []string{bin + "/" + program.Name, "login"}
	other := []string{"keyctl", "session", "-"}
	for _, from := range [][]string{nil, other} {
		removeKeys(p.uid)
		if r := p.run("", append(from, login...)...); r.code != 0 {
			t.Fatal(r)
		}
		p.served(p.run(p.host+"\n", get...))
		p.served(p.run(p.host+"\n", append(other, get...)...))
		// A refresh writes what another session has made.
		p.expireIn("kernel")
		p.served(p.run(p.host+"\n", append(other, get...)...))
		p.expireIn("kernel")
		p.served(p.run(p.host+"\n", get...))
	}
	keys := p.keys()
	if len(keys) != 2 {
		t.Fatalf("want two keys, got %v", keys)
	}
	stranger := newFixture(t)
	for _, key := range keys {
		for _, command := range []string{"pipe", "rdescribe"} {
			if out := stranger.as("keyctl", command, key); out != "" {
				t.Errorf("another user does %s of %s", command, key)
			}
		}
	}
	if r := p.run(p.host, append(other, bin+"/"+program.Name, "erase")...); r.code != 0 || len(p.keys()) != 0 {
		t.Errorf("%d keys after a logout in another session: %s", len(p.keys()), r)
	}
}

// The user's quota is full: what was there stays, the token is given all the
// same, and a login says what to do.
func TestF10_Quota(t *testing.T) {
	p := newKernel(t, fakeplatform.WithBehavior(func(b *fakeplatform.Behavior) { b.Reuse = fakeplatform.ReuseAccepted }))
	p.login()
	p.expireIn("kernel") // a place for one key more
	before := p.kept()
	full := false
	for i := range 1000 {
		cmd := exec.Command("keyctl", "add", "user", fmt.Sprintf("filler %d", i), "x", "@u")
		cmd.SysProcAttr = as(p.uid)
		if out, err := cmd.CombinedOutput(); err != nil {
			if full = strings.Contains(string(out), "quota"); !full {
				t.Fatalf("%v: %s", err, out)
			}
			break
		}
	}
	if !full {
		t.Skip("this kernel's quota for a user's keys is over 1000")
	}
	r := p.get()
	p.served(r)
	if !strings.Contains(r.stderr, "quota") {
		t.Errorf("it does not say what could not be kept: %s", r)
	}
	if after := p.kept(); after["refresh"] == "" {
		t.Error("the session is lost")
	} else if after["refresh"] == before["refresh"] && !strings.Contains(r.stderr, "has to sign in") {
		t.Error("the new refresh token was not kept, and nothing said so")
	}
	r = p.run(`{"ServerURL":"`+p.host+`","Username":"org/id","Secret":"a pull token of nobody"}`, program.Name, "store")
	p.broken(r, "kernel keyring", "quota", "CHAINGUARD_KEYCHAIN=file")
	p.forgetFillers()
	p.served(p.get())
	if n := len(p.windows()); n != 1 {
		t.Errorf("got %d windows, want the login's", n)
	}
}

func (p *fixture) forgetFillers() {
	for _, key := range p.keys() {
		if strings.Contains(p.as("keyctl", "rdescribe", key), "filler") {
			p.as("keyctl", "unlink", key, "@u")
		}
	}
}

// A system that keeps the kernel's keys from us, as a container does: automatic
// choice takes the file store and says why; by name it is an error.
func TestF10_NoKeys(t *testing.T) {
	for _, fault := range []string{"EPERM", "ENOSYS"} {
		t.Run(fault, func(t *testing.T) {
			p := newKernel(t)
			inject := "add_key,keyctl:error=" + fault
			r := p.here().strace("add_key,keyctl", inject, program.Name, "get")
			p.broken(r.result, "kernel keyring", "CHAINGUARD_KEYCHAIN=file")

			// From here on the file store is right.
			p.set("CHAINGUARD_KEYCHAIN=file")
			v := p.with("CHAINGUARD_KEYCHAIN=auto")
			login := v.strace("add_key,keyctl", inject, program.Name, "login")
			if login.code != 0 || !strings.Contains(login.stderr, "file store") ||
				!strings.Contains(login.stderr, "no Secret Service") || !strings.Contains(login.stderr, "no kernel keyring") {
				t.Errorf("want a login that is kept in the file store, and why, got %s", login.result)
			}
			p.served(v.strace("add_key,keyctl", inject, program.Name, "get").result)
			p.served(p.get())
			if len(p.keys()) != 0 {
				t.Error("there are keys: nothing is shown")
			}
		})
	}
	t.Run("only adding is forbidden", func(t *testing.T) {
		p := newKernel(t)
		r := p.here().strace("add_key", "add_key:error=EPERM", program.Name, "login")
		p.notKept(r.result, "kernel keyring")
	})
}

// A key that expires or is revoked counts as absent.
func TestF10_Gone(t *testing.T) {
	p := newKernel(t)
	p.login()
	for _, command := range [][]string{{"timeout", "1"}, {"revoke"}} {
		for _, key := range p.keys() {
			if strings.Contains(p.as("keyctl", "rdescribe", key), " credential ") {
				p.as(append([]string{"keyctl", command[0], key}, command[1:]...)...)
			}
		}
		testenv.Await(t, "the key is gone", func() bool { return len(p.kept()) < 2 })
		p.platform.ResetCounts()
		r := p.get()
		p.served(r)
		if n := p.platform.Count("sts.refresh"); n != 1 {
			t.Errorf("%s: got %d refreshes, want 1: %s", command[0], n, r)
		}
	}
	// The session too: nobody is signed in.
	for _, key := range p.keys() {
		p.as("keyctl", "revoke", key)
	}
	p.refused(p.get(), "docker-credential-cgr login")
	p.login()
	p.served(p.get())
}

// With the user's own processes all gone, as after a night, the keys are there.
func TestF9_NextDay(t *testing.T) {
	p := newKernel(t)
	p.login()
	if err := awaitGone(p.uid); err != nil {
		t.Fatal(err)
	}
	cmd := p.here().command(t.Context(), program.Name, "get")
	cmd.SysProcAttr = as(p.uid)
	cmd.SysProcAttr.Setsid = true
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	p.served(p.here().startCommand(cmd, p.host+"\n").goOn().wait())
}
