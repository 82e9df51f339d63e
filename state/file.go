package state

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"docker-credential-cgr/atomicfile"
	"docker-credential-cgr/hint"
)

// ErrNotPrivate means that a file or directory is not used, since another user could have
// written or read it.
var ErrNotPrivate = errors.New("not used")

func notPrivate(hints []hint.Hint, format string, args ...any) error {
	return hint.With(fmt.Errorf("%w: %s", ErrNotPrivate, fmt.Sprintf(format, args...)), hints...)
}

var removeIt = hint.Text("remove it")

// MakePrivateDir makes dir with mode 0700. It refuses one in which another user could have
// put or changed a file, and does not correct its mode: that would hide what happened.
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

// CheckPrivateDir refuses a directory in which another user could have put or changed a
// file.
func CheckPrivateDir(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return notPrivate([]hint.Hint{removeIt}, "%s is not a folder (a link is not followed)", dir)
	}
	return checkPrivate(dir, info, 0o700)
}

// MaxFile is the size of the largest file that ReadFile reads, in bytes.
const MaxFile = 1 << 20

// ReadFile reads a small file that no other user may have written or read.
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
	// Stat of the open file, since another file could be at the path by now.
	info, err := f.Stat()
	if err != nil {
		return nil, written, err
	}
	if !info.Mode().IsRegular() {
		return nil, written, notPrivate([]hint.Hint{removeIt}, "%s is not a regular file", path)
	}
	if err := checkPrivate(path, info, 0o600); err != nil {
		return nil, written, err
	}
	text, err = io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err != nil {
		return nil, written, err
	}
	if len(text) > MaxFile {
		return nil, written, hint.With(fmt.Errorf("%s is over %d bytes", path, MaxFile), removeIt)
	}
	return text, info.ModTime(), nil
}

// WriteFile replaces the file at path in one step, with mode 0600. After it the new content
// survives a power cut. After an error the old file is there.
func WriteFile(path string, text []byte) error {
	const pattern = "new-*"
	atomicfile.Sweep(filepath.Dir(path), pattern)
	return atomicfile.Replace(path, pattern, text, 0o600)
}
