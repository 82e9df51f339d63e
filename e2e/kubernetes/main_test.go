//go:build e2e && linux

// Package kubernetes tests the program with the kubelet's own code, and with a real kubelet, API server and etcd.
package kubernetes

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"docker-credential-cgr/e2e/fakebrowser"
	"docker-credential-cgr/e2e/fakeplatform"
	"docker-credential-cgr/e2e/program"
	"docker-credential-cgr/e2e/testenv"
)

// bin is the folder with the program as it is shipped, and with this test binary as the browser.
var bin string

func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "visit" {
		fakebrowser.Main()
		return
	}
	code, err := runTests(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "FAIL:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func runTests(m *testing.M) (code int, err error) {
	if bin, err = os.MkdirTemp("", "cgr-kubernetes-"); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(bin)) }()
	self, err := os.Executable()
	if err != nil {
		return 1, err
	}
	if err := os.Symlink(self, filepath.Join(bin, "visit")); err != nil {
		return 1, err
	}
	if _, err := program.BuildFor(bin, runtime.GOOS, runtime.GOARCH); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// cluster programs are cached outside of the repository.
func cacheDir(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("KUBERNETES"); dir != "" {
		return dir
	}
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(home, ".cache", "docker-credential-cgr", "kubernetes")
}

// fixture is the platform, and a user of it who is signed in.
type fixture struct {
	t        *testing.T
	platform *fakeplatform.Platform
	environ  testenv.Environ
	dir      string
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	platform, err := fakeplatform.Start(fakeplatform.WithAutoApprove())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = platform.Close() })
	// The names of t.TempDir are too long for the path of a socket.
	dir, err := os.MkdirTemp("", "cgr-k8s-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	f := &fixture{t, platform, testenv.NewEnviron(dir, bin), dir}
	f.environ.Set(platform.Environ()...)
	for _, name := range []string{"HOME", "TMPDIR"} {
		if err := os.MkdirAll(f.environ[name], 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// run runs the program and returns what it printed.
func (f *fixture) run(args ...string) (stdout string) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), testenv.Timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(bin, program.Name), args...)
	cmd.Env = f.environ.List()
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); err != nil {
		f.t.Fatalf("%s: %v\n%s%s", strings.Join(args, " "), err, &out, &stderr)
	}
	return out.String()
}

func (f *fixture) path(name string) string { return filepath.Join(f.dir, name) }

func (f *fixture) write(name, text string) (path string) {
	f.t.Helper()
	path = f.path(name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		f.t.Fatal(err)
	}
	return path
}
