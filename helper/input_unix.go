//go:build unix

package helper

import (
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// patient gives a reader of in that fails once deadline is past. A file is asked
// whether it has something to read, which costs no goroutine and no thread.
func patient(in io.Reader, deadline time.Time) io.Reader {
	if f, ok := in.(*os.File); ok {
		return &polled{f, deadline}
	}
	return &raced{in, deadline}
}

type polled struct {
	*os.File
	deadline time.Time
}

func (p *polled) Read(b []byte) (int, error) {
	for {
		left := time.Until(p.deadline)
		if left <= 0 {
			return 0, errNoEnd
		}
		fds := []unix.PollFd{{Fd: int32(p.Fd()), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, int(left/time.Millisecond)+1)
		if err == unix.EINTR || err == nil && n == 0 {
			continue
		}
		// Where it cannot be asked, reading tells.
		return p.File.Read(b)
	}
}
