package state

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"docker-credential-cgr/atomicfile"
)

// ErrNotPrivate says that another user could have written or read a file or
// directory, so that it is not used.
var ErrNotPrivate = errors.New("not used")

func notPrivate(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrNotPrivate, fmt.Sprintf(format, args...))
}

// MakePrivateDir makes dir with mode 0700, and refuses one in which another user
// could have put or changed a file. It does not correct the mode: whoever opened
// the directory to others may have read or planted something.
func MakePrivateDir(dir string) error {
	if err := CheckPrivateDir(dir); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := CheckParent(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return CheckPrivateDir(dir)
}

// CheckPrivateDir refuses a directory in which another user could have put or
// changed a file.
func CheckPrivateDir(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return notPrivate("%s is not a folder (a link is not followed): remove it", dir)
	}
	return checkPrivate(dir, info, 0o700)
}

// MaxFile is how many bytes ReadFile reads at most.
const MaxFile = 1 << 20

// ReadFile reads a small file that nobody else may have written or read.
func ReadFile(path string) ([]byte, error) {
	text, _, err := readFile(path)
	return text, err
}

// readFile is ReadFile, and returns when the file was last written.
func readFile(path string) (text []byte, written time.Time, err error) {
	f, err := os.OpenFile(path, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return nil, written, err
	}
	defer f.Close()
	// The open file is looked at, not the path, which could change under us.
	info, err := f.Stat()
	if err != nil {
		return nil, written, err
	}
	if !info.Mode().IsRegular() {
		return nil, written, notPrivate("%s is not a plain file: remove it", path)
	}
	if err := checkPrivate(path, info, 0o600); err != nil {
		return nil, written, err
	}
	text, err = io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err != nil {
		return nil, written, err
	}
	if len(text) > MaxFile {
		return nil, written, fmt.Errorf("%s is over %d bytes: it is none of ours, remove it", path, MaxFile)
	}
	return text, info.ModTime(), nil
}

// WriteFile replaces the file in one step, with mode 0600, and does not return
// before the new one would survive a power cut. On error the old one is there.
func WriteFile(path string, text []byte) error {
	const pattern = "new-*"
	atomicfile.Sweep(filepath.Dir(path), pattern)
	return atomicfile.Replace(path, pattern, text, 0o600)
}
