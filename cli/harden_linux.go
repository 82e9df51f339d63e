package cli

import "golang.org/x/sys/unix"

// harden prevents core dumps, and other processes of the user from tracing this one
// (prctl(2), PR_SET_DUMPABLE). It does not affect the children. An error only means less
// protection.
func harden() {
	limitCore()
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
}
