//go:build unix

package openurl

import "syscall"

// detached starts a child in a session of its own: signals of the terminal do not reach it.
var detached = &syscall.SysProcAttr{Setsid: true}
