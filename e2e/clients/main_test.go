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

// bin is the folder with the programs of the tests: docker-credential-cgr, crane and this test
// binary under other names.
var bin string

// otherNames are the programs that this test binary replaces when it runs under their names.
var otherNames = map[string]func(){
	"visit":      fakebrowser.Main, // $BROWSER: fills in the sign-in page
	"hand-over":  handOver,         // $BROWSER: passes the address to the test
	"mcp-client": mcpClient,        // calls a tool of an MCP server
	"isolate":    isolate,          // runs a program in its own mount namespace
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
	if err := checkRequirements(); err != nil {
		return 1, err
	}
	dir, err := os.MkdirTemp("", "cgr-e2e-")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	// Users other than root need access.
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

// checkRequirements returns an error if a required program is missing. The tests fail then,
// instead of being skipped.
func checkRequirements() error {
	if os.Getuid() != 0 {
		return errors.New("these tests run a Docker daemon and mount file systems: run them as root")
	}
	var missing []string
	for _, name := range []string{
		"dockerd", "containerd", "docker", "podman", "skopeo", "buildah", "docker-compose",
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
