//go:build linux || darwin

package atomicfile

import (
	"errors"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// copyXattrs sets the extended attributes of t to those of the file at from. On Linux the
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
		if err != nil && !isSystemAttribute(name) {
			return err
		}
	}
	return nil
}

// isSystemAttribute reports whether the system owns an attribute: it may have set it on
// the new file already, and may refuse to let this program set it.
func isSystemAttribute(name string) bool {
	for _, prefix := range []string{"security.", "trusted.", "com.apple."} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// readXattr calls read twice, first for the length.
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
