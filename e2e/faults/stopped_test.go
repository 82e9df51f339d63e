//go:build e2e && linux

package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"docker-credential-cgr/e2e/fakeplatform"
	"docker-credential-cgr/e2e/program"
	"docker-credential-cgr/e2e/testenv"
)

// Whoever waits for a holder that is stopped gives up at its limit, and says for
// whom it waited; a live token is given all the same.
func TestC5_HolderStopped(t *testing.T) {
	t.Parallel()
	p := newFixture(t)
	p.login()
	holder := p.here().startRefresh(time.Hour)
	if err := holder.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	r := p.get()
	pid := strconv.Itoa(holder.cmd.Process.Pid)
	p.broken(r, "gave up after waiting 30s", "process "+pid, "refreshing", "end that process")
	p.within(r, 32*time.Second)
	if n := p.platform.Count("sts.refresh"); n != 1 {
		t.Errorf("got %d refreshes, want the holder's alone", n)
	}
	p.stored(p.host)
	quick := p.get()
	p.served(quick)
	if strings.Contains(quick.stderr, "waiting") {
		t.Errorf("a get that has a credential waits: %s", quick)
	}
	_ = holder.cmd.Process.Kill()
	holder.wait()
}

// stored gives the place a credential of the user's own.
func (p *fixture) stored(host string) {
	p.t.Helper()
	pair := fmt.Sprintf(`{"ServerURL":%q,"Username":"org/id","Secret":"a pull token of nobody"}`, host)
	if r := p.run(pair, program.Name, "store"); r.code != 0 {
		p.t.Error(r)
	}
}

// The lock file is replaced, or something else is in its place.
func TestC6_LockFileReplaced(t *testing.T) {
	lenient := fakeplatform.WithBehavior(func(b *fakeplatform.Behavior) { b.Reuse = fakeplatform.ReuseAccepted })
	lockOf := func(p *fixture) string {
		p.t.Helper()
		locks, _ := filepath.Glob(filepath.Join(p.store(), "session-*.lock"))
		if len(locks) != 1 {
			p.t.Fatalf("want one lock, got %v", locks)
		}
		return locks[0]
	}
	// The mischief is root's here: what counts is that nobody hangs, fails or
	// loses the session.
	replacements := map[string]func(path string) error{
		"removed": func(string) error { return nil },
		"a new file": func(path string) error {
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				return err
			}
			return os.Chown(path, ownerOf(filepath.Dir(path)), -1)
		},
		"a folder": func(path string) error { return os.Mkdir(path, 0o777) },
		"a FIFO":   func(path string) error { return syscall.Mkfifo(path, 0o666) },
		"a link":   func(path string) error { return os.Symlink("/etc/passwd", path) },
	}
	for name, replace := range replacements {
		t.Run(name, func(t *testing.T) {
			p := newFixture(t, lenient)
			p.login()
			holder := p.here().startRefresh(time.Second)
			waiter := p.here().startGet()
			waiter.says("waiting for ")
			lock := lockOf(p)
			if err := os.Remove(lock); err != nil {
				t.Fatal(err)
			}
			if err := replace(lock); err != nil {
				t.Fatal(err)
			}
			p.served(holder.wait())
			r := waiter.wait()
			if name == "a FIFO" || name == "a link" || name == "a folder" {
				// Clear, or done without it.
				if _, err := r.answer(); err != nil {
					p.broken(r, lock)
				}
			} else {
				p.served(r)
			}
			if err := os.RemoveAll(lock); err != nil {
				t.Fatal(err)
			}
			if n := p.totals(); n.windows != 1 || n.lost != 0 {
				t.Errorf("got %s, want the one window of the login and no session lost", n)
			}
		})
	}
}

func ownerOf(path string) int {
	info, err := os.Stat(path)
	if err != nil {
		return -1
	}
	return int(info.Sys().(*syscall.Stat_t).Uid)
}

// A browser that outlives us holds neither the lock nor the listener, has nothing
// of ours on its standard streams, and is no part of our terminal's session (F23).
func TestC17_F23_BrowserHoldsNothing(t *testing.T) {
	p := newFixture(t)
	lingering, stop := p.lingers()
	p.set("ACTIONS_ID_TOKEN_REQUEST_TOKEN=not-for-children", alwaysSignsIn)
	holder := p.here().startGet()
	testenv.Await(t, "the browser is open", func() bool { return lingering() != "" || !holder.alive() })
	pids := processesOf(p.uid)
	if len(pids) != 3 { // we, our child that waits for the browser, and the browser
		t.Errorf("want 3 processes, got %v", pids)
	}
	for _, pid := range pids {
		if pid == holder.cmd.Process.Pid {
			continue
		}
		proc := filepath.Join("/proc", strconv.Itoa(pid))
		fds, err := os.ReadDir(filepath.Join(proc, "fd"))
		if err != nil {
			t.Fatal(err)
		}
		for _, fd := range fds {
			target, err := os.Readlink(filepath.Join(proc, "fd", fd.Name()))
			if err != nil {
				continue // closed meanwhile
			}
			number, _ := strconv.Atoi(fd.Name())
			switch {
			case number <= 2 && target != "/dev/null":
				t.Errorf("process %d has %s as descriptor %d", pid, target, number)
			case strings.Contains(target, ".lock"), strings.HasPrefix(target, "socket:"), strings.HasPrefix(target, "pipe:") && number <= 2:
				t.Errorf("process %d holds %s", pid, target)
			}
		}
		environ, _ := os.ReadFile(filepath.Join(proc, "environ"))
		if strings.Contains(string(environ), "CHAINGUARD_") || strings.Contains(string(environ), "ACTIONS_ID_TOKEN_") {
			t.Errorf("process %d has in its environment what may hold a secret", pid)
		}
		stat, _ := os.ReadFile(filepath.Join(proc, "stat"))
		// proc(5): state, parent, process group, session after the name
		_, rest, _ := strings.Cut(string(stat), ") ")
		if fields := strings.Fields(rest); len(fields) < 4 || fields[3] == strconv.Itoa(syscall.Getpgrp()) || fields[3] == strconv.Itoa(holder.cmd.Process.Pid) {
			t.Errorf("process %d is in our session: %s", pid, stat)
		}
	}
	// We are killed, and the browser stays: the lock is free, and nothing listens.
	address := p.listenerOf(holder)
	_ = holder.cmd.Process.Kill()
	killed := holder.wait()
	if killed.stdout != "" || strings.Contains(killed.stderr, "accelerator") {
		t.Errorf("the browser speaks through us: %s", killed)
	}
	next := p.get()
	p.refused(next, "was abandoned")
	if strings.Contains(next.stderr, "waiting") || listens(address) {
		t.Errorf("the lock or the listener is still held: %s", next)
	}
	if lingering() == "" || len(processesOf(p.uid)) == 0 {
		t.Error("the browser has ended: nothing is shown")
	}
	stop()
}
