//go:build e2e && linux

package faults

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"docker-credential-cgr/e2e/program"
)

// traced is a program that ran under strace, and what strace wrote, a line for
// each system call.
type traced struct {
	result
	lines []string
}

// straceCommand gives the arguments that run a program of this place under
// strace, which writes to log. The fault, where there is one, is strace's:
// "flock:error=ENOLCK".
func straceCommand(uid int, log, calls, fault string, args []string) []string {
	all := []string{"strace", "-f", "-q", "-s", "256", "-o", log, "-u", "fault" + strconv.Itoa(uid), "-e", "trace=" + calls}
	if fault != "" {
		all = append(all, "-e", "inject="+fault)
	}
	return append(append(all, filepath.Join(bin, program.Name)), args[1:]...)
}

// strace runs a program for the registry's host and gives its system calls.
func (v *variant) strace(calls, fault string, args ...string) traced {
	v.t.Helper()
	log := filepath.Join(base, "strace-"+strconv.Itoa(v.uid))
	defer os.Remove(log)
	r := v.startStrace(log, calls, fault, args...).goOn().wait()
	text, err := os.ReadFile(log)
	if err != nil {
		v.t.Fatalf("%v: %s", err, r)
	}
	return traced{r, strings.Split(string(text), "\n")}
}

// startStrace starts a program under strace.
func (v *variant) startStrace(log, calls, fault string, args ...string) *running {
	v.t.Helper()
	cmd := v.command(context.Background(), straceCommand(v.uid, log, calls, fault, args)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // it becomes the user itself
	return v.startCommand(cmd, v.host+"\n")
}

func (p *fixture) strace(calls string, args ...string) traced {
	p.t.Helper()
	return p.here().strace(calls, "", args...)
}
