//go:build e2e && linux

package faults

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"docker-credential-cgr/e2e/testenv"
)

// linger is a program for $BROWSER that stays in front until it is told to end,
// as some openers do until their window is closed, and is loud about it. Each
// writes its process number to the file LINGERING.
func linger() {
	fmt.Println("opened in an existing window")
	fmt.Fprintln(os.Stderr, "warning: no accelerator")
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM)
	f, err := os.OpenFile(os.Getenv("LINGERING"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		os.Exit(1)
	}
	fmt.Fprintln(f, os.Getpid())
	_ = f.Close()
	select {
	case <-end:
	case <-time.After(2 * testenv.Timeout):
	}
}

// lingers sets a browser that stays. stop ends it.
func (p *fixture) lingers() (pid func() string, stop func()) {
	p.set("BROWSER="+filepath.Join(bin, "linger"), "LINGERING="+p.path("tmp/lingering"))
	pid = func() string {
		text, _ := os.ReadFile(p.path("tmp/lingering"))
		return strings.TrimSpace(string(text))
	}
	stop = func() {
		for line := range strings.FieldsSeq(pid()) {
			var n int
			if _, err := fmt.Sscan(line, &n); err == nil {
				_ = syscall.Kill(n, syscall.SIGTERM)
			}
		}
	}
	p.t.Cleanup(stop) // before the place looks for what is left
	return pid, stop
}
