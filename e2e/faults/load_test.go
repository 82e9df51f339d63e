//go:build e2e && linux

package faults

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"docker-credential-cgr/e2e/program"
	"docker-credential-cgr/e2e/testenv"
)

// rounds is how often a test of many processes is repeated.
func rounds(t *testing.T) int {
	t.Helper()
	text := os.Getenv("FAULT_ROUNDS")
	if text == "" {
		return 1
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("FAULT_ROUNDS=%q is no number of rounds", text)
	}
	return n
}

// getAtOnce starts n processes of get and lets them go on at the same time.
func (v *variant) getAtOnce(n int) []*running {
	v.t.Helper()
	all := v.startAtOnce(n)
	for _, r := range all {
		r.goOn()
	}
	return all
}

// startAtOnce starts n processes of get. Each waits for the end of its standard
// input, and has been seen to.
func (v *variant) startAtOnce(n int) []*running {
	v.t.Helper()
	all := make([]*running, n)
	for i := range all {
		all[i] = v.start(v.host+"\n", program.Name, "get")
	}
	for _, r := range all {
		testenv.Await(v.t, "all processes read their standard input", func() bool { return unread(r.stdin) == 0 })
	}
	return all
}

// unread says how many bytes of a pipe nobody has read yet.
func unread(pipe *os.File) int {
	conn, err := pipe.SyscallConn()
	if err != nil {
		return -1
	}
	n := int32(-1)
	_ = conn.Control(func(fd uintptr) {
		_, _, _ = syscall.Syscall(syscall.SYS_IOCTL, fd, syscall.TIOCINQ, uintptr(unsafe.Pointer(&n)))
	})
	return int(n)
}

// all waits until every process has ended.
func all(started []*running) []result {
	var results []result
	for _, r := range started {
		results = append(results, r.wait())
	}
	return results
}

// sameAnswer fails the test unless all results are the same credential.
func (p *fixture) sameAnswer(results []result) {
	p.t.Helper()
	var secrets []string
	for i, r := range results {
		a := p.served(r)
		if p.t.Failed() {
			p.t.Fatalf("process %d of %d was not served", i, len(results))
		}
		secrets = append(secrets, a.Secret)
	}
	slices.Sort(secrets)
	if n := len(slices.Compact(secrets)); n != 1 {
		p.t.Errorf("got %d different secrets, want 1", n)
	}
}

// totals are what the tests of many processes are about.
type totals struct{ windows, refreshes, lost int }

func (n totals) String() string {
	return fmt.Sprintf("windows %d, refreshes %d, lost sessions %d", n.windows, n.refreshes, n.lost)
}

// counted gives the totals where there was no session that could be lost.
func (p *fixture) counted() totals {
	return totals{windows: len(p.windows()), refreshes: p.platform.Count("sts.refresh")}
}

// totals counts, and then looks whether the session still refreshes where nobody
// could sign in.
func (p *fixture) totals() totals {
	p.t.Helper()
	n := p.counted()
	p.expire()
	alone := p.with("CHAINGUARD_AUTH_AUTO_LOGIN=never").get()
	if _, err := alone.answer(); err != nil {
		n.lost = 1
	}
	return n
}

// want fails the test unless the totals are these.
func (p *fixture) want(round int, got, want totals) {
	p.t.Helper()
	p.t.Logf("round %d: %s", round, got)
	if got != want {
		p.t.Errorf("round %d: got %s, want %s", round, got, want)
	}
}

// slowest is the longest that one of the processes took.
func slowest(results []result) time.Duration {
	return slices.MaxFunc(results, func(a, b result) int { return int(a.took - b.took) }).took
}
