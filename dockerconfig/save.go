package dockerconfig

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"docker-credential-cgr/atomicfile"
	"docker-credential-cgr/hint"
)

// maxAttempts is how often Save starts again after another program wrote the file.
const maxAttempts = 20

// lockTimeout is longer than a process needs to write a file of this size.
const lockTimeout = 3 * time.Second

// Check returns the error that Save would return for a file of another user or a folder
// that cannot be written. It changes nothing.
func (f *File) Check() error {
	if !f.Changed() {
		return nil
	}
	if f.old.exists {
		if err := atomicfile.CheckOwner(f.target); err != nil {
			return err
		}
	}
	return f.cannotChange(checkFolder(filepath.Dir(f.target)))
}

// cannotChange adds to err what the user can do about it.
func (f *File) cannotChange(err error) error {
	if err == nil {
		return nil
	}
	path := f.Path
	if f.target != f.Path {
		path = fmt.Sprintf("%s, a link to %s,", f.Path, f.target)
	}
	return hint.With(fmt.Errorf("cannot change %s: %w", path, err), hint.Text("%s", f.byHand))
}

// checkFolder returns why no file can be created in dir, or dir itself in the first
// folder above it that exists.
func checkFolder(dir string) error {
	err := checkWritable(dir)
	for errors.Is(err, fs.ErrNotExist) && dir != filepath.Dir(dir) {
		dir = filepath.Dir(dir)
		err = checkWritable(dir)
	}
	return err
}

// Save replaces the file, or the target of a link, in one step. It keeps the mode, the
// owner and the extended attributes. A new file gets mode 0600, and new folders 0700, as
// Docker makes them. If another program wrote the file since Load, Save repeats the edits
// on what it wrote. After an error the file is as it was.
func (f *File) Save() error {
	if err := f.Check(); err != nil {
		return err
	}
	if !f.Changed() {
		return nil
	}
	dir := filepath.Dir(f.target)
	if f.new.exists {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return f.cannotChange(err)
		}
	}
	defer lock(dir)()
	for range maxAttempts {
		if f.raced != nil {
			f.raced()
		}
		switch err := f.write(); {
		case err == nil:
			f.old = f.new
			return nil
		case !errors.Is(err, atomicfile.ErrChanged):
			return f.cannotChange(err)
		}
		if err := f.rebase(); err != nil || !f.Changed() {
			return err
		}
	}
	return hint.With(fmt.Errorf("another program keeps changing %s", f.Path), hint.Text("run this again when it has ended"))
}

// lock makes processes that edit files in dir with this package wait for each other. It
// does without the lock after lockTimeout, and if the file system has no locks: Docker
// takes none either, so each write checks that the file is still the one that was read.
func lock(dir string) (unlock func()) {
	l := newLock(dir)
	ctx, cancel := context.WithTimeout(context.Background(), lockTimeout)
	defer cancel()
	if locked, err := l.TryLockContext(ctx, 5*time.Millisecond); err != nil || !locked {
		return func() {}
	}
	return func() { _ = l.Close() }
}

// write makes the new content that of the file, if its content is still the old one.
func (f *File) write() error {
	switch {
	case !f.old.exists:
		return atomicfile.Create(f.target, f.new.text)
	case !f.new.exists:
		return atomicfile.Remove(f.target, f.old.text)
	}
	return atomicfile.Change(f.target, f.old.text, f.new.text)
}

// rebase repeats the edits on what another program wrote.
func (f *File) rebase() error {
	now, err := read(f.target)
	if err != nil {
		return err
	}
	if err := f.setNew(now); err != nil {
		return err
	}
	f.old = now
	edits := f.edits
	f.edits = nil
	for _, e := range edits {
		if _, err := f.edit(f.byHand, e); err != nil {
			return err
		}
	}
	return nil
}
