package dockerconfig

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"docker-credential-cgr/atomicfile"
)

// overwrite writes text over the file at path, if its content is old. Until that has
// succeeded, there is a backup beside it.
func overwrite(path string, old, text []byte) error {
	backup, err := atomicfile.WriteTemp(filepath.Dir(path), filepath.Base(path)+".backup-*", old, nil)
	if err != nil {
		return err
	}
	if err := checkContent(path, old); err != nil {
		_ = os.Remove(backup)
		return err
	}
	err = writeInPlace(path, text)
	// What could not be opened for writing has not changed.
	if err != nil && checkContent(path, old) != nil && writeInPlace(path, old) != nil {
		return fmt.Errorf("%w (its content is in %s)", err, backup)
	}
	return errors.Join(err, os.Remove(backup))
}

// writeInPlace writes text over the file at path, which is never empty in between. It
// allocates the space first, with blanks, which JSON allows at the end: if the disk is
// full, the file is still whole.
func writeInPlace(path string, text []byte) error {
	f, err := atomicfile.Open(path, os.O_RDWR)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if more := int64(len(text)) - info.Size(); more > 0 {
		if _, err := f.WriteAt(bytes.Repeat([]byte(" "), int(more)), info.Size()); err != nil {
			return errors.Join(err, f.Truncate(info.Size()))
		}
	}
	if _, err := f.WriteAt(text, 0); err != nil {
		return err
	}
	if err := f.Truncate(int64(len(text))); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return checkContent(path, text)
}

// checkContent returns an error if the content of the file at path is not want.
func checkContent(path string, want []byte) error {
	got, err := os.ReadFile(path)
	if err == nil && !bytes.Equal(got, want) {
		err = fmt.Errorf("%s was %w", path, atomicfile.ErrChanged)
	}
	return err
}
