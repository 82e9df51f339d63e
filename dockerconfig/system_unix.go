//go:build unix

package dockerconfig

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/gofrs/flock"
	"golang.org/x/sys/unix"
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
	if err := checkOwner(path, info); err != nil {
		return ": " + err.Error()
	}
	return "; run: chmod u+r " + path
}

// checkOwner refuses another user's file: the one in its place would be ours.
// Root can give it back.
func checkOwner(path string, info fs.FileInfo) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if me := os.Geteuid(); ok && me != 0 && int(stat.Uid) != me {
		return fmt.Errorf("%s belongs to user %d, not to you; run: sudo chown %d %s", path, stat.Uid, me, path)
	}
	return nil
}

// hasOtherNames says whether the file has hard links, from which a new one in
// its place would be parted.
func hasOtherNames(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stat.Nlink > 1
}

// checkWritable asks the system, which knows of modes, access lists and mounts.
func checkWritable(dir string) error {
	if err := unix.Faccessat(unix.AT_FDCWD, dir, unix.W_OK|unix.X_OK, unix.AT_EACCESS); err != nil {
		return &fs.PathError{Op: "write in", Path: dir, Err: err}
	}
	return nil
}

// keepAttributes gives t the owner, the mode and the extended attributes of the
// file at from, which info describes.
func keepAttributes(t *os.File, from string, info fs.FileInfo) error {
	mine, err := t.Stat()
	if err != nil {
		return err
	}
	have, ok := mine.Sys().(*syscall.Stat_t)
	want, ok2 := info.Sys().(*syscall.Stat_t)
	if ok && ok2 && (have.Uid != want.Uid || have.Gid != want.Gid) {
		if err := t.Chown(int(want.Uid), int(want.Gid)); err != nil {
			return err
		}
	}
	if err := t.Chmod(info.Mode().Perm()); err != nil {
		return err
	}
	return copyXattrs(t, from)
}

// rename puts the file at from in the place of the one at to.
func rename(from, to string) error { return os.Rename(from, to) }

// syncDir makes a rename in dir last through a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
