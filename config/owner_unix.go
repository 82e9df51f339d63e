//go:build unix

package config

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"docker-credential-cgr/hint"
)

// checkOwner refuses a file that another user could have written: it names where secrets
// are sent.
func checkOwner(path string, info fs.FileInfo) error {
	me := os.Geteuid()
	stat, ok := info.Sys().(*syscall.Stat_t)
	if ok && int(stat.Uid) != me && stat.Uid != 0 {
		return hint.With(fmt.Errorf("%s is not used: it belongs to user %d, not to you (user %d) or root", path, stat.Uid, me),
			hint.Text("chown %d %s", me, path))
	}
	if perm := info.Mode().Perm(); perm&0o022 != 0 {
		return hint.With(fmt.Errorf("%s is not used: others may write to it (mode %04o)", path, perm),
			hint.Text("see what is in it, then run: chmod go-w %s", path))
	}
	return nil
}
