//go:build unix

package state

import (
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// errReadOnly is the error of a write to a file system that is read-only.
const errReadOnly = syscall.EROFS

// userDirs returns the directories with the user's number in their names, in the
// order in which they are tried. All processes of the user must try the same ones,
// so those come first that are there whatever the environment, and at any time:
// /run/user/1000 is made when the user logs in and removed when they log out, while
// their other processes go on.
func userDirs(service string, getenv func(string) string) []string {
	uid := strconv.Itoa(os.Geteuid())
	parents := []string{"/tmp", "/var/tmp", "/dev/shm", "/run/user/" + uid}
	if dir := getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		parents = append(parents, dir)
	}
	for i, parent := range parents {
		parents[i] = filepath.Join(parent, service+"-"+uid)
	}
	return parents
}

// checkShared refuses a directory in which other users could replace this user's:
// it has to be this user's or root's and, where others may write to it, sticky.
func checkShared(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if ok && stat.Uid != 0 && int(stat.Uid) != os.Geteuid() {
		return notPrivate("%s belongs to user %d", dir, stat.Uid)
	}
	if info.Mode()&0o022 != 0 && info.Mode()&os.ModeSticky == 0 {
		return notPrivate("%s lets any user remove what others put there (mode %04o, not sticky)", dir, info.Mode().Perm())
	}
	return nil
}

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

// CheckParent refuses to make dir below a folder of another user, as root would
// with that user's HOME: the folder would be root's, and its place the user's to
// change.
func CheckParent(dir string) error {
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

// ofAnotherUser reports whether a directory belongs to another user than this one.
func ofAnotherUser(dir string) bool {
	info, err := os.Stat(dir)
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) != os.Geteuid()
}
