//go:build unix

package dockerconfig

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/gofrs/flock"
	"golang.org/x/sys/unix"

	"docker-credential-cgr/atomicfile"
	"docker-credential-cgr/hint"
)

// newLock returns a lock on the folder itself. It needs no file, and all processes that
// reach the folder, by any link or mount, share it.
func newLock(dir string) *flock.Flock {
	return flock.New(dir, flock.SetFlag(os.O_RDONLY))
}

// unreadable returns the error for the file at path, which may not be read.
func unreadable(path string, err error) error {
	switch owner := atomicfile.CheckOwner(path); {
	case errors.Is(owner, fs.ErrPermission): // of a folder above it
		return err
	case owner != nil:
		return fmt.Errorf("%w: %w", err, owner)
	}
	return hint.With(err, hint.Text("chmod u+r %s", path))
}

// checkWritable asks the system, which knows modes, access lists and mounts.
func checkWritable(dir string) error {
	if err := unix.Faccessat(unix.AT_FDCWD, dir, unix.W_OK|unix.X_OK, unix.AT_EACCESS); err != nil {
		return &fs.PathError{Op: "write in", Path: dir, Err: err}
	}
	return nil
}
