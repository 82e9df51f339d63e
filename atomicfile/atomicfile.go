// Package atomicfile replaces a file in one step: who reads it sees the old
// content or the new, whole, also after a kill or a power cut in between. The new
// content is written to a temporary file in the same folder and made to last
// before that takes the file's place.
package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// WriteTemp writes text to a new file in dir and makes it last. Its name comes of
// pattern as with os.CreateTemp, its mode is 0600 unless finish, where it is not
// nil, gives it another. After an error there is no such file.
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

// Replace makes text the content of the file at path, which need not exist, by way
// of a temporary file beside it: pattern and finish are WriteTemp's. It does not
// return before the new content would survive a power cut. A link at path gives way
// as any other file does.
func Replace(path, pattern string, text []byte, finish func(*os.File) error) error {
	dir := filepath.Dir(path)
	temp, err := WriteTemp(dir, pattern, text, finish)
	if err != nil {
		return err
	}
	if err := Rename(temp, path); err != nil {
		_ = os.Remove(temp)
		return err
	}
	return SyncDir(dir)
}

// Exchange puts the file at temp in the place of the one at path, unless another
// program was faster. What lay at path lies at temp when expected looks at it; if
// that answers false or an error, Exchange puts it back and answers false. Where
// the system or the file system cannot exchange two files, it replaces without that
// look. What is left at temp is the caller's to remove.
func Exchange(temp, path string, expected func() (bool, error)) (done bool, err error) {
	if err := swap(temp, path); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return true, Rename(temp, path)
	}
	ok, err := expected()
	if ok && err == nil {
		return true, nil
	}
	if swap(temp, path) != nil {
		err = errors.Join(err, Rename(temp, path))
	}
	return false, err
}

// abandoned is how old a temporary file is that nobody is at work on any more.
const abandoned = time.Minute

// Sweep removes from dir the temporary files that a killed run left behind. Their
// names are told by pattern, which is WriteTemp's: digits stand for its "*".
func Sweep(dir, pattern string) {
	prefix, suffix := pattern, ""
	if i := strings.LastIndexByte(pattern, '*'); i >= 0 {
		prefix, suffix = pattern[:i], pattern[i+1:]
	}
	entries, _ := os.ReadDir(dir)
	for _, entry := range entries {
		name := entry.Name()
		if !entry.Type().IsRegular() || !strings.HasPrefix(name, prefix) || !strings.HasSuffix(name[len(prefix):], suffix) {
			continue
		}
		if random := name[len(prefix) : len(name)-len(suffix)]; random == "" || strings.Trim(random, "0123456789") != "" {
			continue // somebody's own file
		}
		if info, err := entry.Info(); err == nil && time.Since(info.ModTime()) > abandoned {
			_ = os.Remove(filepath.Join(dir, name))
		}
	}
}
