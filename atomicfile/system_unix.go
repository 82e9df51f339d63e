//go:build unix

package atomicfile

import (
	"io/fs"
	"os"
	"syscall"
)

// noFollow makes an open fail at a link, and not wait at a FIFO.
const noFollow = syscall.O_NOFOLLOW | syscall.O_NONBLOCK

// makeWritable is the command that lets a file's owner write it.
const makeWritable = "chmod u+w"

// OwnerOf returns the user that a file belongs to, if the system has such owners.
func OwnerOf(info fs.FileInfo) (uid int, known bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(stat.Uid), true
}

// hasOtherLinks reports whether the file that info describes has further hard links,
// which would still have the old content after it is replaced.
func hasOtherLinks(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stat.Nlink > 1
}

// keepAttributes sets the owner, the mode and the extended attributes of t to those of the
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
	if err := t.Chmod(info.Mode() & (fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky)); err != nil {
		return err
	}
	return copyXattrs(t, from)
}

func rename(from, to string) error { return os.Rename(from, to) }

// SyncDir makes a rename or a removal in dir survive a power cut.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
