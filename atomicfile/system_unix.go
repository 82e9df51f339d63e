//go:build unix

package atomicfile

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// noFollow keeps an open from following a link, and from waiting at a FIFO.
const noFollow = syscall.O_NOFOLLOW | syscall.O_NONBLOCK

// makeWritable is the command that lets a file's owner write it.
const makeWritable = "chmod u+w"

// CheckOwner refuses another user's file: the one in its place would be ours.
// Root can give it back. info describes the file at path.
func CheckOwner(path string, info fs.FileInfo) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if me := os.Geteuid(); ok && me != 0 && int(stat.Uid) != me {
		return fmt.Errorf("%s belongs to user %d, not to you; run: sudo chown %d %s", path, stat.Uid, me, path)
	}
	return nil
}

// HasOtherNames says whether the file that info describes has hard links, from
// which a new one in its place would be parted.
func HasOtherNames(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stat.Nlink > 1
}

// KeepAttributes gives t the owner, the mode and the extended attributes of the
// file at from, which info describes.
func KeepAttributes(t *os.File, from string, info fs.FileInfo) error {
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
	if err := t.Chmod(info.Mode() & (fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky)); err != nil {
		return err
	}
	return copyXattrs(t, from)
}

// Rename puts the file at from in the place of the one at to.
func Rename(from, to string) error { return os.Rename(from, to) }

// SyncDir makes a rename or a removal in dir last through a power cut.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
