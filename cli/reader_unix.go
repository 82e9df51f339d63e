//go:build unix

package cli

import (
	"os"

	"golang.org/x/sys/unix"
)

// isReaderGone reports whether f is a pipe or socket whose other end is closed.
func isReaderGone(f *os.File) bool {
	fds := []unix.PollFd{{Fd: int32(f.Fd())}} // without Events, Poll reports errors only
	n, err := unix.Poll(fds, 0)
	return err == nil && n > 0 && fds[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0
}

// isClosed reports whether the program was started without the standard stream f. Go then
// opens the null device for reading and writing; a shell opens it only for writing. Node and
// Python, whose callers want to ignore the output, look the same as a closed stream.
func isClosed(f *os.File) bool {
	flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0)
	if err != nil {
		return true
	}
	var stat, null unix.Stat_t
	return flags&unix.O_ACCMODE == unix.O_RDWR && unix.Fstat(int(f.Fd()), &stat) == nil &&
		unix.Stat(os.DevNull, &null) == nil && stat.Mode&unix.S_IFMT == unix.S_IFCHR && stat.Rdev == null.Rdev
}
