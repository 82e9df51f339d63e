package atomicfile

import "golang.org/x/sys/unix"

// isMounted says whether the file at path is a mount point, as one file that a
// container is given is. Before Linux 5.8, which cannot tell, the answer is false,
// and a rename fails with EBUSY.
func isMounted(path string) bool {
	var stat unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, 0, &stat)
	return err == nil && stat.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0
}
