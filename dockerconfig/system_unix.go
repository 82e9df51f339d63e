//go:build unix

package dockerconfig

import (
	"io/fs"
	"os"
	"syscall"

	"github.com/gofrs/flock"
	"golang.org/x/sys/unix"

	"docker-credential-cgr/atomicfile"
)

// noFollow keeps an open from following a link, and from waiting at a FIFO.
const noFollow = syscall.O_NOFOLLOW | syscall.O_NONBLOCK

// newLock gives a lock on the folder itself. That needs no file, and whoever
// comes to the folder, by whatever link or mount, meets the others there.
func newLock(dir string) *flock.Flock {
	return flock.New(dir, flock.SetFlag(os.O_RDONLY))
}

// ownerHint says what helps against a file that cannot be read.
func ownerHint(path string, info fs.FileInfo) string {
	if err := atomicfile.CheckOwner(path, info); err != nil {
		return ": " + err.Error()
	}
	return "; run: chmod u+r " + path
}

// checkWritable asks the system, which knows of modes, access lists and mounts.
func checkWritable(dir string) error {
	if err := unix.Faccessat(unix.AT_FDCWD, dir, unix.W_OK|unix.X_OK, unix.AT_EACCESS); err != nil {
		return &fs.PathError{Op: "write in", Path: dir, Err: err}
	}
	return nil
}
