//go:build unix

package signin

import "syscall"

// detached puts a child into a session of its own: no signal to our terminal
// reaches it, and it cannot take the terminal.
var detached = &syscall.SysProcAttr{Setsid: true}
