//go:build unix

package tempconfig

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// forwarded are the signals that are sent on.
var forwarded = []os.Signal{
	syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2,
}

// restoreDefaults gives the command the default for SIGPIPE: a child inherits that this program
// ignores it, but not that it catches it. Writes still fail with an error.
func restoreDefaults() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }

// isFromTerminal reports whether s probably came from a key, which the terminal sends to all
// processes in its foreground. A program that gets Ctrl-C twice may stop without cleaning up.
func isFromTerminal(s os.Signal) bool {
	if s != syscall.SIGINT && s != syscall.SIGQUIT {
		return false
	}
	terminal, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	defer terminal.Close()
	group, err := unix.IoctlGetInt(int(terminal.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

func exitCode(s *os.ProcessState) int {
	if status, ok := s.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return s.ExitCode()
}
