//go:build unix

package signin

import (
	"io/fs"
	"os"
	"syscall"
)

// isOwn says whether what lies at path is this user's and has this type and mode. A
// link is not followed.
func isOwn(path string, mode fs.FileMode) bool {
	info, err := os.Lstat(path)
	if err != nil || info.Mode() != mode {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}
