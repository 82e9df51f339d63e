//go:build e2e && linux

package faults

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"docker-credential-cgr/e2e/program"
	"docker-credential-cgr/e2e/testenv"
)

// client is a program that runs another as Docker does: with pipes for standard
// input and output.
func client() {
	cmd := exec.Command(os.Args[1], os.Args[2:]...)
	cmd.Stdin, cmd.Stderr = strings.NewReader(os.Getenv("HOST")+"\n"), os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil || cmd.Start() != nil {
		os.Exit(1)
	}
	_, _ = io.ReadAll(out)
	if cmd.Wait() != nil {
		os.Exit(1)
	}
}

// soon is how soon a sign-in ends that nobody waits for any more.
const soon = 2 * time.Second

// lockFree says whether nobody holds a lock of the place.
func (p *fixture) lockFree() bool {
	p.t.Helper()
	locks, _ := filepath.Glob(filepath.Join(p.store(), "*.lock"))
	for _, path := range locks {
		f, err := os.Open(path)
		if err != nil {
			p.t.Fatal(err)
		}
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		_ = f.Close()
		if err != nil {
			return false
		}
	}
	return true
}

// coolingDown says whether there is a note of a closed window.
func (p *fixture) coolingDown() bool {
	notes, _ := filepath.Glob(filepath.Join(p.store(), "*.closed"))
	return len(notes) != 0
}

// A sign-in whose client ends, or that is told to, ends soon and leaves neither
// listener nor lock.
func TestF25_ClientEnds(t *testing.T) {
	signal := func(s syscall.Signal) func(*running) { return func(r *running) { _ = r.cmd.Process.Signal(s) } }
	tests := []struct {
		name, verb string
		client     bool // it runs under a client of its own
		end        func(*running)
		code       int
		coolsDown  bool
	}{
		{"get, Ctrl-C", "get", false, signal(syscall.SIGINT), 1, false},
		{"get, SIGTERM", "get", false, signal(syscall.SIGTERM), 1, true},
		{"get, hang-up", "get", false, signal(syscall.SIGHUP), 1, true},
		{"get, SIGKILL", "get", false, signal(syscall.SIGKILL), -1, true},
		{"get, the client is killed", "get", true, signal(syscall.SIGKILL), -1, true},
		{"get, the client is told to end", "get", true, signal(syscall.SIGTERM), -1, true},
		{"login, Ctrl-C", "login", false, signal(syscall.SIGINT), 130, false},
		{"login, SIGTERM", "login", false, signal(syscall.SIGTERM), 130, true},
		{"login, hang-up", "login", false, signal(syscall.SIGHUP), 130, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := newFixture(t)
			v := p.with(alwaysSignsIn, leavesWindow, "HOST="+p.host)
			args := []string{filepath.Join(bin, program.Name), test.verb}
			if test.client {
				args = append([]string{"client"}, args...)
			}
			r := v.start(p.host+"\n", args...).goOn()
			address := p.listenerOf(r)
			testenv.Await(t, "the window is open", func() bool { return len(p.windows()) == 1 && listens(address) })
			since := time.Now()
			test.end(r)
			testenv.Await(t, "listener and lock are gone", func() bool { return !listens(address) && p.lockFree() })
			if took := time.Since(since); took > soon {
				t.Errorf("listener and lock were gone after %s", took)
			}
			ended := r.wait()
			if ended.code != test.code {
				t.Errorf("want exit %d, got %s", test.code, ended)
			}
			if test.verb == "get" && ended.code == 1 {
				p.broken(ended, "sign-in was stopped")
			}
			if err := awaitGone(p.uid); err != nil {
				t.Error(err)
			}
			if got := p.coolingDown(); got != test.coolsDown {
				t.Errorf("cooling down is %v, want %v", got, test.coolsDown)
			}
			if kept := p.kept(); len(kept) != 0 {
				t.Errorf("something was kept: %d secrets", len(kept))
			}
			next := p.with(alwaysSignsIn).get()
			if test.coolsDown {
				p.refused(next, "may start by itself")
			} else {
				p.served(next)
			}
		})
	}
}

// The reader of our standard output goes away, as when Docker is ended.
func TestF25_StdoutClosed(t *testing.T) {
	p := newFixture(t)
	v := p.with(alwaysSignsIn, leavesWindow)
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := v.command(context.Background(), program.Name, "get")
	cmd.Stdout = write
	r := v.startCommand(cmd, p.host+"\n").goOn()
	_ = write.Close()
	address := p.listenerOf(r)
	since := time.Now()
	_ = read.Close()
	ended := r.wait()
	if took := time.Since(since); took > soon || ended.code != 1 {
		t.Errorf("it ended after %s: %s", took, ended)
	}
	if listens(address) || !p.lockFree() || !p.coolingDown() {
		t.Errorf("listens %v, lock free %v, cooling down %v", listens(address), p.lockFree(), p.coolingDown())
	}
}

// Ctrl-C typed at a terminal, which reaches the whole foreground group.
func TestF25_TypedAtATerminal(t *testing.T) {
	for verb, code := range map[string]int{"login": 130, "get": 1} {
		t.Run(verb, func(t *testing.T) {
			p := newFixture(t)
			lingering, stop := p.lingers()
			cmd := p.here().command(context.Background(), program.Name, verb)
			cmd.SysProcAttr.Setsid, cmd.SysProcAttr.Setctty = true, true
			terminal, err := pty.StartWithAttrs(cmd, nil, cmd.SysProcAttr)
			if err != nil {
				t.Fatal(err)
			}
			said := new(output)
			read := make(chan struct{})
			go func() {
				defer close(read)
				_, _ = io.Copy(said, terminal) // EIO when the last process has left the terminal
			}()
			if verb == "get" {
				if _, err := terminal.WriteString(p.host + "\n\x04"); err != nil {
					t.Fatal(err)
				}
			}
			testenv.Await(t, "the browser is open", func() bool { return lingering() != "" })
			since := time.Now()
			if _, err := terminal.WriteString("\x03"); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			took := time.Since(since)
			_ = terminal.Close()
			<-read
			if got := cmd.ProcessState.ExitCode(); got != code || took > soon {
				t.Errorf("exit %d after %s, want %d:\n%s", got, took, code, said)
			}
			if p.coolingDown() || !p.lockFree() {
				t.Errorf("cooling down %v, lock free %v", p.coolingDown(), p.lockFree())
			}
			// The browser is in a session of its own: the key has not reached it.
			if pids := processesOf(p.uid); len(pids) == 0 {
				t.Error("the browser has ended too")
			}
			stop()
		})
	}
}

// Standard streams that are closed or full: an answer that nobody can read is a
// failure, and nothing is lost.
func TestF33_PoorStreams(t *testing.T) {
	tests := []struct {
		name, shell string
		served      bool
		code        int
	}{
		{"standard error closed", `exec "$0" get 2>&-`, true, 0},
		{"standard error full", `exec "$0" get 2>/dev/full`, true, 0},
		{"standard output full", `exec "$0" get >/dev/full`, false, 1},
		{"standard output closed", `exec "$0" get >&-`, false, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := newFixture(t)
			p.login()
			for _, state := range []string{"warm", "expired"} {
				if state == "expired" {
					p.expire()
				}
				r := p.run(p.host+"\n", "/bin/sh", "-c", test.shell, filepath.Join(bin, program.Name))
				r.answers = true
				if test.served {
					p.served(r)
				}
				if r.code != test.code {
					t.Errorf("%s: want exit %d, got %s", state, test.code, r)
				}
			}
			if n := p.totals(); n.lost != 0 {
				t.Errorf("got %s", n)
			}
		})
	}
	t.Run("a sign-in without a reader of standard error", func(t *testing.T) {
		p := newFixture(t)
		r := p.with(alwaysSignsIn).run(p.host+"\n", "/bin/sh", "-c", `exec "$0" get 2>&-`, filepath.Join(bin, program.Name))
		p.served(r)
	})
}

// Few descriptors: an answer or a clear error, and no session is lost in silence.
// With fewer than eight Go itself cannot start.
func TestF33_FewDescriptors(t *testing.T) {
	p := newFixture(t)
	p.login()
	outcomes := map[bool]int{}
	for n := 8; n <= 16; n++ {
		p.expire()
		r := p.run(p.host+"\n", "/bin/sh", "-c", `exec prlimit --nofile="$1" "$0" get`, filepath.Join(bin, program.Name), strconv.Itoa(n))
		_, err := r.answer()
		outcomes[err == nil]++
		if err != nil {
			p.broken(r, "too many open files")
		}
		p.expire()
		if next := p.get(); next.code != 0 {
			if !strings.Contains(r.stderr, "you will have to sign in again next time") {
				t.Errorf("%d descriptors: the session is lost: %s; before: %s", n, next, r)
			}
			p.login()
		}
	}
	if outcomes[true] == 0 || outcomes[false] == 0 {
		t.Errorf("answers and errors: %v: nothing is shown", outcomes)
	}
}

// What is in our memory is kept from the user's other processes, from core files,
// and from the trace that SIGQUIT prints.
func TestF32_Memory(t *testing.T) {
	p := newFixture(t)
	p.login()
	holder := p.here().startRefresh(time.Hour)
	pid := strconv.Itoa(holder.cmd.Process.Pid)

	attach := func(pid string) result {
		return p.run("", "/bin/sh", "-c", `timeout 1 strace -o /dev/null -p "$0" 2>&1; head -c 1 "/proc/$0/environ"`, pid)
	}
	other := p.here().start("", "sleep", "60")
	control := attach(strconv.Itoa(other.cmd.Process.Pid))
	if control.code != 0 {
		t.Errorf("a process that does not guard itself cannot be looked at either: nothing is shown: %s", control)
	}
	_ = other.cmd.Process.Kill()
	if r := attach(pid); r.code == 0 || !strings.Contains(r.stdout, "not permitted") {
		t.Errorf("the user's other processes can look at us: %s", r)
	}
	limits, err := os.ReadFile("/proc/" + pid + "/limits")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(limits)) {
		if strings.HasPrefix(line, "Max core file size") && strings.Fields(line)[4] != "0" {
			t.Errorf("a core file may be written: %s", line)
		}
	}
	_ = holder.cmd.Process.Signal(syscall.SIGQUIT)
	r := holder.wait()
	if !strings.Contains(r.stderr, "goroutine") {
		t.Errorf("there is no trace: nothing is shown: %s", r)
	}
	// The search at the end looks for secrets in the trace, and in files such as
	// cores.
}
