//go:build linux || darwin

package atomicfile

import (
	"errors"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// copyXattrs gives t the extended attributes of the file at from; on Linux the
// access control list is one of them.
func copyXattrs(t *os.File, from string) error {
	list, err := readXattr(func(buf []byte) (int, error) { return unix.Listxattr(from, buf) })
	if errors.Is(err, unix.ENOTSUP) {
		return nil
	}
	if err != nil {
		return err
	}
	for name := range strings.SplitSeq(strings.TrimRight(string(list), "\x00"), "\x00") {
		if name == "" {
			continue
		}
		value, err := readXattr(func(buf []byte) (int, error) { return unix.Getxattr(from, name, buf) })
		if err == nil {
			err = unix.Fsetxattr(int(t.Fd()), name, value, 0)
		}
		if err != nil && !isSystems(name) {
			return err
		}
	}
	return nil
}

// isSystems says whether an attribute is the system's own, which it may have set
// on the new file already and may not let us set.
func isSystems(name string) bool {
	for _, prefix := range []string{"security.", "trusted.", "com.apple."} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// readXattr asks read for the length first.
func readXattr(read func([]byte) (int, error)) ([]byte, error) {
	n, err := read(nil)
	if err != nil {
		return nil, err
	}
	buf := make([]byte, n)
	n, err = read(buf)
	if err != nil {
		return nil, err
	}
	return buf[:n], nil
}
