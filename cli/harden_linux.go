package cli

import "golang.org/x/sys/unix"

// harden keeps what is in our memory out of core dumps, and away from the user's
// other processes that may trace (prctl(2), PR_SET_DUMPABLE). Children get the
// former dumpability back when they are executed. A kernel that refuses leaves
// us where every other program is.
func harden() {
	limitCore()
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
}
