package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/gofrs/flock"
)

// ErrBusy means that another process holds the lock.
var ErrBusy = errors.New("another process holds the lock")

// Lock is an advisory file lock, which ends with the process that holds it. Its file is
// never removed, since a process could be waiting for the lock of the removed file.
type Lock struct {
	files []*flock.Flock // one in each directory that has a lock file
}

// LockOwner describes the process that holds a lock, to those that wait for it.
type LockOwner struct {
	PID   int       `json:"pid"`
	Doing string    `json:"doing"` // such as "signing in"
	Since time.Time `json:"since"`
}

func (o LockOwner) String() string {
	if o.PID == 0 {
		return "another process"
	}
	return fmt.Sprintf("process %d, which is %s since %s", o.PID, o.Doing, o.Since.Local().Format("15:04:05"))
}

// TryLock takes the lock called name exclusively, or returns ErrBusy at once.
func (d *Dir) TryLock(name string) (*Lock, error) {
	return d.lock(name, func(f *flock.Flock) error {
		ok, err := f.TryLock()
		if err == nil && !ok {
			return ErrBusy
		}
		return err
	})
}

// IsHeld reports whether the lock is not released, and its file is still in place: if that was
// removed, other processes can take the lock too.
func (l *Lock) IsHeld() bool { return slices.ContainsFunc(l.files, isInPlace) }

// WaitLock waits until no process holds the lock called name exclusively, and takes it
// shared with all others that wait, so that they can read at the same time what its owner
// has stored. If it has to wait, it calls busy first, which may be nil. It gives up with
// ctx's error.
func (d *Dir) WaitLock(ctx context.Context, name string, busy func()) (*Lock, error) {
	return d.lock(name, func(f *flock.Flock) error {
		if ok, err := f.TryRLock(); ok || err != nil {
			return err
		}
		if busy != nil {
			busy()
		}
		// A blocked flock(2) cannot be canceled, but it can be abandoned. A hundred
		// processes that poll would slow down the owner.
		taken := make(chan error, 1)
		go func() { taken <- f.RLock() }()
		select {
		case err := <-taken:
			return err
		case <-ctx.Done():
			go func() {
				if <-taken == nil {
					_ = f.Close()
				}
			}()
			return ctx.Err()
		}
	})
}

// lock takes the lock in the first directory where it can be made, and in every other one
// that has its file: a process that could not use the first directory, for example since
// the disk was full, holds the lock in another one.
func (d *Dir) lock(name string, take func(*flock.Flock) error) (*Lock, error) {
	all, err := d.directories()
	errs := []error{err}
	lock := &Lock{}
	for _, dir := range all {
		file, err := dir.lock(name+".lock", lock.files, take)
		switch {
		case err == nil && file != nil:
			lock.files = append(lock.files, file)
		case errors.Is(err, ErrBusy), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled),
			dir.first && errors.Is(err, ErrNotPrivate):
			lock.Unlock()
			return nil, err
		}
		errs = append(errs, err)
	}
	if lock.files == nil {
		return nil, fmt.Errorf("cannot take the lock: %w", noDirectory(errs))
	}
	return lock, nil
}

// lock takes the lock in one directory. It tries again if another process has replaced the
// file in the meantime. If held has files already, it makes no file, and returns nil if
// there is no other one.
func (d directory) lock(name string, held []*flock.Flock, take func(*flock.Flock) error) (*flock.Flock, error) {
	path, create := filepath.Join(d.path, name), held == nil
	if err := d.prepare(create); err != nil {
		return nil, err
	}
	flags := os.O_RDWR
	if create {
		flags |= os.O_CREATE
	}
	for range 10 {
		if slices.ContainsFunc(held, func(f *flock.Flock) bool { return isFile(f, path) }) {
			return nil, nil // the same directory by another path
		}
		file := flock.New(path, flock.SetFlag(flags|openFlags), flock.SetPermissions(0o600))
		err := take(file)
		if errors.Is(err, fs.ErrPermission) || errors.Is(err, errReadOnly) {
			// The file may be older than the disk has been read-only.
			file = flock.New(path, flock.SetFlag(os.O_RDONLY|openFlags))
			if takeErr := take(file); !errors.Is(takeErr, fs.ErrNotExist) {
				err = takeErr
			}
		}
		switch {
		case errors.Is(err, ErrBusy), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
			return nil, err
		case err != nil:
			return nil, fmt.Errorf("cannot lock %s: %w", path, err)
		}
		info, err := file.Stat()
		if err == nil {
			err = checkPrivate(path, info, 0o600)
		}
		if err != nil {
			_ = file.Close()
			return nil, err
		}
		if isInPlace(file) {
			return file, nil
		}
		_ = file.Close()
	}
	return nil, fmt.Errorf("another process keeps replacing %s", path)
}

// isInPlace reports whether the file that f has locked is the one at its path.
func isInPlace(f *flock.Flock) bool { return isFile(f, f.Path()) }

// isFile reports whether the file that f has locked is the one at path.
func isFile(f *flock.Flock, path string) bool {
	if runtime.GOOS == "windows" {
		return f.Path() == path // an open file cannot be removed or replaced
	}
	locked, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Lstat(path)
	return err == nil && os.SameFile(locked, there)
}

// Unlock releases the lock.
func (l *Lock) Unlock() {
	for _, file := range l.files {
		// It can only fail if the file is closed already.
		_ = file.Close()
	}
	l.files = nil
}

// SetLockOwner stores beside the lock called name what its owner, this process, does. That
// is only for messages, so failures are ignored.
func (d *Dir) SetLockOwner(name, doing string) {
	text, _ := json.Marshal(LockOwner{PID: os.Getpid(), Doing: doing, Since: time.Now()})
	_ = d.inFirst(true, func(dir string) error {
		// In place and not synced: it has no use after a power cut, and a sync would
		// delay all processes that wait.
		f, err := os.OpenFile(filepath.Join(dir, name+".holder"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC|openFlags, 0o600)
		if err != nil {
			return err
		}
		_, err = f.Write(text)
		return errors.Join(err, f.Close())
	})
}

// ReadLockOwner returns what the owner of the lock called name has stored. It is valid only
// while a process holds the lock.
func (d *Dir) ReadLockOwner(name string) LockOwner {
	var o LockOwner
	text, err := d.ReadNote(name + ".holder")
	if err != nil || json.Unmarshal(text, &o) != nil {
		return LockOwner{}
	}
	return o
}
