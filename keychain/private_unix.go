//go:build unix

package keychain

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// openFlags keep an open from following a link and from waiting at a FIFO.
const openFlags = syscall.O_NOFOLLOW | syscall.O_NONBLOCK

// checkPrivate says whether others than this user could have written or read
// what info describes.
func checkPrivate(path string, info fs.FileInfo, want fs.FileMode) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if ok && int(stat.Uid) != os.Geteuid() {
		return notPrivate("%s belongs to user %d, not to you (user %d): remove it, or run: chown", path, stat.Uid, os.Geteuid())
	}
	if ok && info.Mode().IsRegular() && stat.Nlink > 1 {
		return notPrivate("%s has %d hard links, so others may hold it: remove it", path, stat.Nlink)
	}
	if perm := info.Mode().Perm(); perm&0o077 != 0 {
		return notPrivate("%s is open to other users (mode %04o): see who changed it, then run: chmod %o %s", path, perm, want, path)
	}
	return nil
}

// checkParent refuses to make dir below a folder of another user, as root would
// with that user's HOME: the folder would be root's, and its place the user's to
// change.
func checkParent(dir string) error {
	for parent := filepath.Dir(dir); ; parent = filepath.Dir(parent) {
		info, err := os.Stat(parent)
		if err != nil {
			if parent == filepath.Dir(parent) {
				return err
			}
			continue
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		if ok && int(stat.Uid) != os.Geteuid() && stat.Uid != 0 {
			return notPrivate("%s belongs to user %d, and you are user %d: run it as that user, or set HOME to your own", parent, stat.Uid, os.Geteuid())
		}
		return nil
	}
}
