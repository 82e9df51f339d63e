//go:build unix

package tempconfig

import (
	"bufio"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
)

func TestRun(t *testing.T) {
	for script, want := range map[string]int{"exit 0": 0, "exit 7": 7, "kill -KILL $$": 128 + 9, "kill -TERM $$": 128 + 15} {
		if got, err := Run(exec.Command("sh", "-c", script)); err != nil || got != want {
			t.Errorf("%s: got exit code %d, %v, want %d", script, got, err, want)
		}
	}
	if _, err := Run(exec.Command(t.TempDir())); err == nil {
		t.Error("got no error for a folder")
	}
}

// The command gets the default of a signal that this program ignores.
func TestRunRestoresSIGPIPE(t *testing.T) {
	signal.Ignore(syscall.SIGPIPE)
	defer signal.Reset(syscall.SIGPIPE)
	if got, err := Run(exec.Command("sh", "-c", "kill -PIPE $$; exit 3")); err != nil || got != 128+int(syscall.SIGPIPE) {
		t.Errorf("got exit code %d, %v, want that of SIGPIPE", got, err)
	}
}

// A signal that only this process gets reaches the command.
func TestRunForwards(t *testing.T) {
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command("sh", "-c", `trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done`)
	cmd.Stdout = in
	go func() {
		_, _ = bufio.NewReader(out).ReadString('\n')
		_ = syscall.Kill(os.Getpid(), syscall.SIGTERM)
	}()
	got, err := Run(cmd)
	_ = in.Close()
	if err != nil || got != 9 {
		t.Errorf("got exit code %d, %v, want that of the command's own handler", got, err)
	}
}
