//go:build unix

package cli

import "golang.org/x/sys/unix"

// limitCore forbids core dumps, which the kernel may write even of a process that is not
// dumpable (fs.suid_dumpable).
func limitCore() {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_CORE, &limit) == nil {
		limit.Cur = 0
		_ = unix.Setrlimit(unix.RLIMIT_CORE, &limit)
	}
}
