//go:build e2e && linux

package clients

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"docker-credential-cgr/e2e/fakebrowser"
	"docker-credential-cgr/e2e/program"
)

// bin is the folder of the programs that are made for the tests: ours, crane and
// this test under other names.
var bin string

// otherNames are what this test does where it is run under another name.
var otherNames = map[string]func(){
	"visit":     fakebrowser.Main, // $BROWSER: a person who fills in the page
	"hand-over": handOver,         // $BROWSER: gives the address to the test
	"isolate":   isolate,          // runs a program in a namespace of its own
}

func TestMain(m *testing.M) {
	if do, ok := otherNames[filepath.Base(os.Args[0])]; ok {
		do()
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
	if err := ready(); err != nil {
		return 1, err
	}
	dir, err := os.MkdirTemp("", "cgr-e2e-")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	// For a user who is not root.
	if err := os.Chmod(dir, 0o711); err != nil {
		return 1, err
	}
	bin = filepath.Join(dir, "bin")
	if err := makePrograms(); err != nil {
		return 1, err
	}
	code = m.Run()
	return code, stopDaemon()
}

// ready says what is missing. Nothing is skipped for it: who runs these tests
// wants to know.
func ready() error {
	if os.Getuid() != 0 {
		return errors.New("these tests run a Docker daemon and mount file systems: run them as root")
	}
	var missing []string
	for _, name := range []string{
		"dockerd", "containerd", "docker", "podman", "skopeo", "buildah",
		"dbus-daemon", "dbus-launch", "gnome-keyring-daemon", "secret-tool", "chromium",
		"tmux", "sshd", "ssh", "ssh-keygen", "curl", "jq",
	} {
		if _, err := exec.LookPath(name); err != nil {
			missing = append(missing, name)
		}
	}
	if missing != nil {
		return fmt.Errorf("not installed: %s; run: sh e2e/install.sh", strings.Join(missing, ", "))
	}
	return nil
}

func makePrograms() error {
	if err := os.Mkdir(bin, 0o755); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	for name := range otherNames {
		if err := os.Symlink(self, filepath.Join(bin, name)); err != nil {
			return err
		}
	}
	if _, err := program.Build(bin); err != nil {
		return err
	}
	build := exec.Command("go", "build", "-o", filepath.Join(bin, "crane"), "github.com/google/go-containerregistry/cmd/crane")
	build.Dir = filepath.Join(program.Root(), "e2e") // its go.mod has the version
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot build crane: %w\n%s", err, out)
	}
	return nil
}
