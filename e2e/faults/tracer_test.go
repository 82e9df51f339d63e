//go:build e2e && linux

package faults

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"docker-credential-cgr/e2e/program"
)

// steps are the system calls before which a program is killed: those by which
// something outside of it changes.
var steps = map[uint64]string{
	syscall.SYS_WRITE: "write", syscall.SYS_FSYNC: "fsync", syscall.SYS_RENAMEAT: "renameat",
	syscall.SYS_UNLINKAT: "unlinkat", syscall.SYS_CONNECT: "connect", syscall.SYS_FLOCK: "flock",
	syscall.SYS_BIND: "bind", syscall.SYS_LISTEN: "listen", syscall.SYS_EXECVE: "execve",
	syscall.SYS_ADD_KEY: "add_key", syscall.SYS_KEYCTL: "keyctl", syscall.SYS_EXIT_GROUP: "exit_group",
}

// killAt is a program: "kill-at N PROGRAM ARGUMENT..." runs a program as its
// parent would, stops it before its Nth step, counted over all its threads, says
// so on the descriptor 3, and kills it once the descriptor 4 ends. strace can
// inject a signal too, but counts each thread by itself, and Go moves work from
// thread to thread.
func killAt() {
	n, err := strconv.Atoi(os.Args[1])
	if err == nil {
		err = traceUntil(n, os.Args[2:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "kill-at:", err)
		os.Exit(125)
	}
}

// ptrace(2) has no names in syscall for these.
const (
	ptraceGetSyscallInfo = 0x420e
	syscallInfoEntry     = 1
	optionExitKill       = 0x100000 // PTRACE_O_EXITKILL
	syscallStop          = syscall.SIGTRAP | 0x80
)

func traceUntil(n int, args []string) error {
	runtime.LockOSThread() // a tracer is a thread
	syscall.CloseOnExec(3)
	syscall.CloseOnExec(4)
	uid, err := strconv.Atoi(os.Getenv("TRACE_UID"))
	if err != nil {
		return err
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = as(uid)
	cmd.SysProcAttr.Ptrace = true
	if err := cmd.Start(); err != nil {
		return err
	}
	pid := cmd.Process.Pid
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &status, 0, nil); err != nil {
		return err
	}
	const options = syscall.PTRACE_O_TRACECLONE | syscall.PTRACE_O_TRACESYSGOOD | optionExitKill
	if err := syscall.PtraceSetOptions(pid, options); err != nil {
		return err
	}
	if err := syscall.PtraceSyscall(pid, 0); err != nil {
		return err
	}
	for {
		thread, err := syscall.Wait4(-1, &status, syscall.WALL, nil)
		if err != nil {
			return err
		}
		switch {
		case status.Exited() || status.Signaled():
			if thread == pid {
				os.Exit(status.ExitStatus()) // it ended before its Nth step
			}
			continue
		case status.StopSignal() == syscallStop:
			if name := stepOf(thread); name != "" {
				if n--; n == 0 {
					return holdAndKill(pid, name)
				}
			}
			err = syscall.PtraceSyscall(thread, 0)
		case status.StopSignal() == syscall.SIGTRAP, status.StopSignal() == syscall.SIGSTOP:
			err = syscall.PtraceSyscall(thread, 0) // a new thread, or exec
		default:
			err = syscall.PtraceSyscall(thread, int(status.StopSignal()))
		}
		if err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
}

// stepOf gives the name of the step that a thread is about to take, or "".
func stepOf(thread int) string {
	// struct ptrace_syscall_info: the first byte says entry or exit, and the
	// number of the call lies at 24.
	var info [88]byte
	n := callPtrace(ptraceGetSyscallInfo, thread, uintptr(len(info)), &info[0])
	if n < 32 || info[0] != syscallInfoEntry {
		return ""
	}
	return steps[binary.NativeEndian.Uint64(info[24:])]
}

func holdAndKill(pid int, step string) error {
	held, kill := os.NewFile(3, "held"), os.NewFile(4, "kill")
	if _, err := fmt.Fprintln(held, step); err != nil {
		return err
	}
	_ = held.Close()
	_, _ = kill.Read(make([]byte, 1))
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return err
	}
	// Its locks are free before it can be waited for.
	os.Exit(137)
	return nil
}

// tracee is a program that runs up to a step.
type tracee struct {
	*running
	held *os.File // says which step
	go1  *os.File // closed to have it killed
}

// traceGet runs get for the registry's host up to its nth step.
func (v *variant) traceGet(n int) *tracee {
	v.t.Helper()
	v.environ["TRACE_UID"] = strconv.Itoa(v.uid)
	cmd := v.command(context.Background(), "kill-at", strconv.Itoa(n), bin+"/"+program.Name, "get")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // root may trace what is not dumpable
	heldRead, heldWrite, err := os.Pipe()
	if err != nil {
		v.t.Fatal(err)
	}
	killRead, killWrite, err := os.Pipe()
	if err != nil {
		v.t.Fatal(err)
	}
	cmd.ExtraFiles = []*os.File{heldWrite, killRead}
	t := &tracee{v.startCommand(cmd, v.host+"\n").goOn(), heldRead, killWrite}
	_ = heldWrite.Close()
	_ = killRead.Close()
	return t
}

// step waits until the program is held, and gives before which step; "" means
// that it ended before.
func (t *tracee) step() string {
	line, _ := bufio.NewReader(t.held).ReadString('\n')
	_ = t.held.Close()
	return strings.TrimSpace(line)
}

// kill kills the program with SIGKILL, and waits until it has ended.
func (t *tracee) kill() {
	_ = t.go1.Close()
	t.wait()
}
