//go:build unix

package state

import (
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"docker-credential-cgr/hint"
)

// errReadOnly is the error of a write to a read-only file system.
const errReadOnly = syscall.EROFS

// userDirs returns the directories with the user's number in their names, in the order in
// which they are tried. All processes of the user must try the same ones. So the first
// ones do not depend on the environment and always exist: /run/user/1000 is removed when
// the user logs out, and other processes of the user still run.
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

// checkShared refuses a directory in which other users could replace this user's: it has to
// belong to this user or root and, if others may write to it, be sticky.
func checkShared(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if ok && stat.Uid != 0 && int(stat.Uid) != os.Geteuid() {
		return notPrivate(nil, "%s belongs to user %d", dir, stat.Uid)
	}
	if info.Mode()&0o022 != 0 && info.Mode()&os.ModeSticky == 0 {
		return notPrivate(nil, "any user can remove files of others in %s (mode %04o, not sticky)", dir, info.Mode().Perm())
	}
	return nil
}

// openFlags make an open fail at a link, and not wait at a FIFO.
const openFlags = syscall.O_NOFOLLOW | syscall.O_NONBLOCK

// checkPrivate refuses the file or directory at path that info describes if other users
// could have written or read it.
func checkPrivate(path string, info fs.FileInfo, want fs.FileMode) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if me := os.Geteuid(); ok && int(stat.Uid) != me {
		return notPrivate([]hint.Hint{removeIt, hint.Text("chown %d %s", me, path)}, "%s belongs to user %d, not to you (user %d)", path, stat.Uid, me)
	}
	if ok && info.Mode().IsRegular() && stat.Nlink > 1 {
		return notPrivate([]hint.Hint{removeIt}, "%s has %d hard links, so other users may have one", path, stat.Nlink)
	}
	if perm := info.Mode().Perm(); perm&0o077 != 0 {
		return notPrivate([]hint.Hint{hint.Text("see who changed it, then run: chmod %o %s", want, path)},
			"%s is open to other users (mode %04o)", path, perm)
	}
	return nil
}

// CheckParent refuses a path below a directory of another user, as root would have with
// that user's HOME: root would own what is made there, and the user could replace it.
func CheckParent(path string) error {
	for parent := filepath.Dir(path); ; parent = filepath.Dir(parent) {
		info, err := os.Stat(parent)
		if err != nil {
			if parent == filepath.Dir(parent) {
				return err
			}
			continue
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		if ok && int(stat.Uid) != os.Geteuid() && stat.Uid != 0 {
			return notPrivate([]hint.Hint{hint.Text("run it as that user, or set HOME to your own")},
				"%s belongs to user %d, and you are user %d", parent, stat.Uid, os.Geteuid())
		}
		return nil
	}
}

// ofAnotherUser reports whether a directory belongs to another user.
func ofAnotherUser(dir string) bool {
	info, err := os.Stat(dir)
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) != os.Geteuid()
}
