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

// ErrBusy says that another process holds the lock.
var ErrBusy = errors.New("another process holds the lock")

// Lock says who may write. It is an advisory file lock: it dies with the process
// that holds it, whatever its age and whoever has its process number now. Its
// file is never removed, since a process could be waiting on the removed one.
type Lock struct {
	files   []*flock.Flock // in each directory that had the lock's file
	release func()
}

// Holder is what the holder of a lock says of itself, for those who wait.
type Holder struct {
	PID   int       `json:"pid"`
	Doing string    `json:"doing"` // such as "signing in"
	Since time.Time `json:"since"`
}

func (h Holder) String() string {
	if h.PID == 0 {
		return "another process"
	}
	return fmt.Sprintf("process %d, which is %s since %s", h.PID, h.Doing, h.Since.Local().Format("15:04:05"))
}

// TryLock takes the lock called name, alone, or answers ErrBusy at once.
func (d *Dir) TryLock(name string) (*Lock, error) {
	lock, err := d.lock(name, func(f *flock.Flock) error {
		ok, err := f.TryLock()
		if err == nil && !ok {
			return ErrBusy
		}
		return err
	})
	if err == nil {
		d.hold(name, lock)
	}
	return lock, err
}

func (d *Dir) hold(name string, lock *Lock) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.held[name] = lock
	lock.release = func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.held, name)
	}
}

// Holds reports whether this process has taken the lock called name alone, and
// other processes would still find it: a file that was removed keeps nobody out.
func (d *Dir) Holds(name string) bool {
	d.mu.Lock()
	lock := d.held[name]
	d.mu.Unlock()
	return lock != nil && slices.ContainsFunc(lock.files, isInPlace)
}

// WaitLock waits until nobody holds the lock called name alone, and takes it
// together with whoever else waits, so that all can look at the same time at
// what the holder left. If it has to wait it calls busy first, where that is not
// nil. It gives up with ctx's error.
func (d *Dir) WaitLock(ctx context.Context, name string, busy func()) (*Lock, error) {
	return d.lock(name, func(f *flock.Flock) error {
		if ok, err := f.TryRLock(); ok || err != nil {
			return err
		}
		if busy != nil {
			busy()
		}
		// A blocked flock(2) cannot be called off, but it can be left behind; a
		// hundred waiters that ask again and again would keep the holder from
		// its work.
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

// lock takes the lock in the first directory where it can be made, and in every
// other one that has a file of its name: a process that could not use that first
// directory, as when the disk was full or read-only for it, holds the lock there.
func (d *Dir) lock(name string, take func(*flock.Flock) error) (*Lock, error) {
	all, err := d.directories()
	errs := []error{err}
	lock := &Lock{release: func() {}}
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

// lock takes the lock in one directory, until the file that it took is the file that
// is there: another process could have replaced it in between. Where held has files
// already, it makes nothing, and returns nil where there is no other file.
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
			// It may have been made before the disk became read-only.
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
	return nil, fmt.Errorf("something keeps replacing %s", path)
}

// isInPlace reports whether the file that f has locked is the one at its path.
func isInPlace(f *flock.Flock) bool { return isFile(f, f.Path()) }

// isFile reports whether the file that f has locked is the one at path.
func isFile(f *flock.Flock, path string) bool {
	if runtime.GOOS == "windows" {
		return f.Path() == path // an open file can be neither removed nor replaced
	}
	locked, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Lstat(path)
	return err == nil && os.SameFile(locked, there)
}

// Unlock gives the lock back.
func (l *Lock) Unlock() {
	l.release()
	for _, file := range l.files {
		// The only failure is a descriptor that is closed already: nothing is held.
		_ = file.Close()
	}
}

// SayHolder leaves word beside the lock called name of what its holder, this
// process, is doing. It is for messages alone, so it may fail in silence.
func (d *Dir) SayHolder(name, doing string) {
	text, _ := json.Marshal(Holder{PID: os.Getpid(), Doing: doing, Since: time.Now()})
	_ = d.inFirst(true, func(dir string) error {
		// In place, and not made to last: it is of no use after a power cut, and the
		// disk would keep everybody who waits from the token for so long.
		f, err := os.OpenFile(filepath.Join(dir, name+".holder"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC|openFlags, 0o600)
		if err != nil {
			return err
		}
		_, err = f.Write(text)
		return errors.Join(err, f.Close())
	})
}

// ReadHolder gives the word that the holder of the lock called name left. It is
// true only while somebody holds that lock.
func (d *Dir) ReadHolder(name string) Holder {
	var h Holder
	text, err := d.ReadNote(name + ".holder")
	if err != nil || json.Unmarshal(text, &h) != nil {
		return Holder{}
	}
	return h
}
