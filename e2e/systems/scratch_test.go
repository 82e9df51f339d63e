//go:build e2e && linux

package systems

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"docker-credential-cgr/e2e/program"
)

// The program alone in a root folder, as in an image FROM scratch: no /etc, /dev, /proc or /tmp, and no HOME.
func TestScratch(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("chroot needs root")
	}
	binary := build(t, "linux", runtime.GOARCH)
	for _, uid := range []uint32{0, 65532} {
		t.Run(fmt.Sprintf("user %d", uid), func(t *testing.T) {
			root := t.TempDir()
			if err := os.Link(binary, filepath.Join(root, program.Name)); err != nil {
				t.Fatal(err)
			}
			f := newFixture(t, func(ctx context.Context, args ...string) *exec.Cmd {
				cmd := exec.CommandContext(ctx, "/"+program.Name, args...)
				cmd.Dir = "/"
				cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: uid, Gid: uid}}
				return cmd
			})
			f.succeed(program.Name, "", "version")
			f.wantForeign()
			f.wantSignedOut()

			const subject = "repo:acme/shop:ref:refs/heads/main"
			f.environ.Set("CHAINGUARD_KEYCHAIN=none", "CHAINGUARD_AUTH_IDENTITY="+f.platform.WorkloadIdentity(subject, "registry.pull"))
			f.environ.Set(f.platform.GitHubEnviron(subject)...)
			f.get()
			if n := f.platform.Count("sts.exchange"); n != 1 {
				t.Errorf("got %d exchanges, want 1", n)
			}
			if entries, err := os.ReadDir(root); err != nil || len(entries) != 1 {
				t.Errorf("got the files %v, %v, want the program alone", entries, err)
			}
		})
	}
}
