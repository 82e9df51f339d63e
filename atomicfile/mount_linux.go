package atomicfile

import "golang.org/x/sys/unix"

// isMounted reports whether the file at path is a mount point, such as a single file that
// is mounted into a container. Before Linux 5.8 the result is always false, and a rename
// fails with EBUSY.
func isMounted(path string) bool {
	var stat unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, 0, &stat)
	return err == nil && stat.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0
}
