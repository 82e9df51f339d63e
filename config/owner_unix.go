//go:build unix

package config

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// openFlags keep an open from waiting at a FIFO.
const openFlags = syscall.O_NONBLOCK

// checkOwner says whether somebody else could have written the file: it names
// where secrets are sent.
func checkOwner(path string, info fs.FileInfo) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if ok && int(stat.Uid) != os.Geteuid() && stat.Uid != 0 {
		return fmt.Errorf("%s is not used: it belongs to user %d, not to you (user %d) or root; run: chown %d %s",
			path, stat.Uid, os.Geteuid(), os.Geteuid(), path)
	}
	if perm := info.Mode().Perm(); perm&0o022 != 0 {
		return fmt.Errorf("%s is not used: others may write to it (mode %04o); see what is in it, then run: chmod go-w %s", path, perm, path)
	}
	return nil
}

// checkPlace refuses to write below a folder of another user, as root would with
// that user's HOME: the file would be root's, and the user could not read it.
func checkPlace(dir string) error {
	for ; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			if dir == filepath.Dir(dir) {
				return err
			}
			continue
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		if ok && int(stat.Uid) != os.Geteuid() && stat.Uid != 0 {
			return fmt.Errorf("%s belongs to user %d, and you are user %d: run it as that user, or set HOME to your own", plain(dir), stat.Uid, os.Geteuid())
		}
		return nil
	}
}
