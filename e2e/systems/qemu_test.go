//go:build e2e && linux

package systems

import (
	"context"
	"os/exec"
	"testing"
	"time"

	"docker-credential-cgr/e2e/fakeplatform"
	"docker-credential-cgr/e2e/program"
)

// Other processors: s390x is big-endian.
func TestQEMU(t *testing.T) {
	for architecture, emulator := range map[string]string{"arm64": "qemu-aarch64-static", "s390x": "qemu-s390x-static"} {
		t.Run(architecture, func(t *testing.T) {
			require(t, emulator)
			binary := build(t, "linux", architecture)
			f := newFixture(t, func(ctx context.Context, args ...string) *exec.Cmd {
				return exec.CommandContext(ctx, emulator, append([]string{binary}, args...)...)
			}, "HOME="+t.TempDir(), "CHAINGUARD_KEYCHAIN=file")
			f.succeed(program.Name, "", "version")
			f.wantForeign()
			f.wantSignedOut()
			f.wantPullToken()
			f.wantRefresh()
		})
	}
}

// wantPullToken checks that a pull token can be stored, read, listed and erased.
func (f *fixture) wantPullToken() {
	f.t.Helper()
	host := f.platform.RegistryHost()
	id, token := f.platform.PullToken(time.Hour)
	f.succeed("", `{"ServerURL":"`+host+`","Username":"`+id+`","Secret":"`+token+`"}`, "store")
	f.succeed(`"Username":"`+id+`","Secret":"`+token+`"`, host+"\n", "get")
	f.succeed(`{"`+host+`":"`+id+`"}`, "", "list")
	f.succeed("", host+"\n", "erase")
	f.wantSignedOut()
}

// wantRefresh signs in on another device and checks that get refreshes a token that is due, and returns the stored one
// before that.
func (f *fixture) wantRefresh() {
	f.t.Helper()
	f.platform.Change(func(b *fakeplatform.Behavior) { b.AccessLifetime = 30 * time.Second }) // due at once
	f.signIn()
	f.platform.Change(func(b *fakeplatform.Behavior) { b.AccessLifetime = time.Hour })
	f.platform.ResetCounts()
	if first, second := f.get(), f.get(); first != second {
		f.t.Error("got another token, want the stored one")
	}
	if n := f.platform.Count("sts.refresh"); n != 1 {
		f.t.Errorf("got %d refreshes, want 1", n)
	}
}
