//go:build unix

package helper

import (
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// withDeadline returns a reader of in that fails after the deadline. It polls a file, which
// needs no goroutine and no thread.
func withDeadline(in io.Reader, deadline time.Time) io.Reader {
	if f, ok := in.(*os.File); ok {
		return &pollReader{f, deadline}
	}
	return &abandonReader{in, deadline}
}

type pollReader struct {
	*os.File
	deadline time.Time
}

func (p *pollReader) Read(b []byte) (int, error) {
	for {
		left := time.Until(p.deadline)
		if left <= 0 {
			return 0, errTimeout
		}
		fds := []unix.PollFd{{Fd: int32(p.Fd()), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, int(left/time.Millisecond)+1)
		if err == unix.EINTR || err == nil && n == 0 {
			continue
		}
		// If it cannot be polled, Read returns the error.
		return p.File.Read(b)
	}
}
