//go:build unix

package openurl

import (
	"io/fs"
	"os"
	"syscall"
)

// isOwn reports whether path is a file of this user with this type and mode. It does not
// follow links.
func isOwn(path string, mode fs.FileMode) bool {
	info, err := os.Lstat(path)
	if err != nil || info.Mode() != mode {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}
