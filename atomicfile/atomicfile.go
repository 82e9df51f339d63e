// Package atomicfile replaces a file in one step: a reader sees the old content or the
// new, whole, also after a kill or a power cut in between. The new content is written to
// a temporary file in the same folder, and synced to the disk before it takes the file's
// place.
package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"docker-credential-cgr/hint"
)

// Why a file is not changed.
var (
	// ErrChanged means that another program changed the file in the meantime.
	ErrChanged = errors.New("changed by another program")
	// ErrNotRegular means that it is a folder, a link, a FIFO or a device.
	ErrNotRegular = errors.New("not a regular file")
)

// changed returns the error for the file at path, and the reason if err is not nil.
func changed(path string, err error) error {
	text := fmt.Errorf("%s was %w", path, ErrChanged)
	if err != nil {
		text = fmt.Errorf("%w: %w", text, err)
	}
	return hint.With(text, hint.Text("run this again"))
}

func mounted(path string) error {
	return hint.With(fmt.Errorf("%s cannot be replaced: it is a mount point", path), hint.Text("mount the folder that contains it"))
}

// Open opens the file at path if it is a regular file and not a link.
func Open(path string, flag int) (*os.File, error) {
	info, err := os.Lstat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is %w", path, ErrNotRegular)
	}
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, flag|noFollow, 0)
	if err != nil {
		return nil, err
	}
	// Another program may have put something else at path after the first look.
	info, err = f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is %w", path, ErrNotRegular)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// WriteTemp writes text to a new file in dir and syncs it. Its name is made of pattern
// as by os.CreateTemp. Its mode is 0600, unless finish, which may be nil, changes it.
// After an error there is no such file.
func WriteTemp(dir, pattern string, text []byte, finish func(*os.File) error) (path string, err error) {
	t, err := os.CreateTemp(dir, pattern)
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			_ = t.Close() // a second close is harmless
			_ = os.Remove(t.Name())
		}
	}()
	if _, err := t.Write(text); err != nil {
		return "", err
	}
	if finish != nil {
		if err := finish(t); err != nil {
			return "", err
		}
	}
	if err := t.Sync(); err != nil {
		return "", err
	}
	return t.Name(), t.Close()
}

// Replace makes text the content of the file at path, which need not exist and gets mode.
// A link at path is replaced and not followed. The temporary file's name is made of
// pattern. After Replace the new content survives a power cut.
func Replace(path, pattern string, text []byte, mode fs.FileMode) error {
	dir := filepath.Dir(path)
	temp, err := WriteTemp(dir, pattern, text, func(f *os.File) error { return f.Chmod(mode) })
	if err != nil {
		return err
	}
	if err := rename(temp, path); err != nil {
		_ = os.Remove(temp)
		return err
	}
	return SyncDir(dir)
}

// Create makes a file with mode 0600 at path. If there is a file, the error is ErrChanged.
func Create(path string, text []byte) error {
	dir, pattern := pendingName(path)
	Sweep(dir, pattern)
	temp, err := WriteTemp(dir, pattern, text, nil)
	if err != nil {
		return err
	}
	defer os.Remove(temp)
	err = os.Link(temp, path) // unlike a rename, it does not replace a file
	switch {
	case errors.Is(err, fs.ErrExist):
		return changed(path, nil)
	case err != nil: // the file system has no hard links
		if err := rename(temp, path); err != nil {
			return err
		}
	}
	_ = SyncDir(dir) // as in Pending.put
	return nil
}

// Remove removes the file at path. If its content is not old, the error is ErrChanged.
func Remove(path string, old []byte) error {
	if ok, err := hasContent(path, old); !ok {
		return changed(path, err)
	}
	return remove(path, old)
}

// remove moves the file away before it looks at the content, which another program may
// have changed a moment ago.
func remove(path string, old []byte) error {
	dir, pattern := pendingName(path)
	Sweep(dir, pattern)
	temp, err := WriteTemp(dir, pattern, nil, nil)
	if err != nil {
		return err
	}
	defer os.Remove(temp)
	if err := rename(path, temp); errors.Is(err, syscall.EBUSY) {
		return mounted(path)
	} else if err != nil {
		return err
	}
	ok, err := hasContent(temp, old)
	if ok {
		_ = SyncDir(dir) // as in Pending.put
		return nil
	}
	if back := os.Link(temp, path); back != nil && !errors.Is(back, fs.ErrExist) {
		err = errors.Join(err, rename(temp, path))
	}
	return changed(path, err)
}

// abandoned is the age at which the process that wrote a temporary file is surely gone.
const abandoned = time.Minute

// Sweep removes the temporary files that a killed process left in dir. Their names are
// made of pattern, which is that of WriteTemp, with digits for its "*".
func Sweep(dir, pattern string) {
	star := strings.LastIndexByte(pattern, '*')
	prefix, suffix := pattern[:star], pattern[star+1:]
	entries, _ := os.ReadDir(dir)
	for _, entry := range entries {
		name := entry.Name()
		random, hasPrefix := strings.CutPrefix(name, prefix)
		random, hasSuffix := strings.CutSuffix(random, suffix)
		if !hasPrefix || !hasSuffix || random == "" || strings.Trim(random, "0123456789") != "" || !entry.Type().IsRegular() {
			continue
		}
		if info, err := entry.Info(); err == nil && time.Since(info.ModTime()) > abandoned {
			_ = os.Remove(filepath.Join(dir, name))
		}
	}
}
