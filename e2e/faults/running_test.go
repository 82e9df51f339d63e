//go:build e2e && linux

package faults

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"docker-credential-cgr/e2e/testenv"
)

// command returns a command that runs as the fixture's user.
func (v *variant) command(ctx context.Context, args ...string) *exec.Cmd {
	path := args[0]
	if !strings.Contains(path, "/") {
		if own := filepath.Join(bin, path); exists(own) {
			path = own
		}
	}
	cmd := exec.CommandContext(ctx, path, args[1:]...)
	cmd.Args[0] = args[0]
	cmd.Dir = v.home
	cmd.Env = v.environ.List()
	cmd.SysProcAttr = as(v.uid)
	cmd.WaitDelay = 10 * time.Second // a child may have inherited its standard streams
	return cmd
}

// running is a running program.
type running struct {
	v              *variant
	cmd            *exec.Cmd
	stdin          *os.File // the write end of its standard input
	stdout, stderr *output
	since          atomic.Int64  // in Unix nanoseconds
	done           chan struct{} // closed when it has ended
	ended          result
}

// output is a buffer that can be read while it is written.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// start starts a program with input on its standard input, which stays open until goOn.
func (v *variant) start(input string, args ...string) *running {
	v.t.Helper()
	return v.startCommand(v.command(context.Background(), args...), input)
}

func (v *variant) startCommand(cmd *exec.Cmd, input string) *running {
	v.t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		v.t.Fatal(err)
	}
	defer read.Close()
	if _, err := write.WriteString(input); err != nil {
		v.t.Fatal(err)
	}
	r := &running{v: v, cmd: cmd, stdin: write, stdout: new(output), stderr: new(output), done: make(chan struct{})}
	cmd.Stdin = read
	if cmd.Stdout == nil {
		cmd.Stdout = r.stdout
	}
	if cmd.Stderr == nil {
		cmd.Stderr = r.stderr
	}
	r.begins()
	if err := cmd.Start(); err != nil {
		v.t.Fatal(err)
	}
	go func() {
		_ = cmd.Wait() // the exit code is checked by the caller
		command := strings.Join(cmd.Args, " ")
		r.ended = result{command, r.stdout.String(), r.stderr.String(), cmd.ProcessState.ExitCode(), time.Since(time.Unix(0, r.since.Load())),
			strings.Contains(command, " get")}
		v.mu.Lock()
		v.results = append(v.results, r.ended)
		v.mu.Unlock()
		close(r.done)
	}()
	// A failed test must not leave it running.
	v.t.Cleanup(func() {
		select {
		case <-r.done:
		default:
			_ = cmd.Process.Kill()
			<-r.done
		}
	})
	return r
}

// begins starts the measurement of the program's time.
func (r *running) begins() { r.since.Store(time.Now().UnixNano()) }

// goOn closes the program's standard input, for which get waits.
func (r *running) goOn() *running {
	r.begins()
	_ = r.stdin.Close()
	return r
}

// wait waits until the program has ended.
func (r *running) wait() result {
	r.v.t.Helper()
	select {
	case <-r.done:
	case <-time.After(testenv.Timeout):
		r.v.t.Fatalf("%v does not end; it said:\n%s", r.cmd.Args, r.stderr)
	}
	return r.ended
}

// says waits until the program has written text to its standard error.
func (r *running) says(text string) {
	r.v.t.Helper()
	testenv.Await(r.v.t, fmt.Sprintf("%v says %q", r.cmd.Args, text), func() bool {
		select {
		case <-r.done:
			if !strings.Contains(r.stderr.String(), text) {
				r.v.t.Fatalf("%v ended without saying %q: %s", r.cmd.Args, text, r.ended)
			}
			return true
		default:
			return strings.Contains(r.stderr.String(), text)
		}
	})
}

func (r *running) alive() bool {
	select {
	case <-r.done:
		return false
	default:
		return true
	}
}
