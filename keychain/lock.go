package keychain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/gofrs/flock"
)

// ErrBusy says that another process holds the lock.
var ErrBusy = errors.New("another process holds the lock")

// Lock says who may write. It is an advisory file lock: it dies with the process
// that holds it, whatever its age and whoever has its process number now. Its
// file is never removed, since a process could be waiting on the removed one.
type Lock struct{ file *flock.Flock }

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
func (k *Keychain) TryLock(name string) (*Lock, error) {
	return k.lock(name, func(f *flock.Flock) error {
		ok, err := f.TryLock()
		if err == nil && !ok {
			return ErrBusy
		}
		return err
	})
}

// WaitLock waits until nobody holds the lock called name alone, and takes it
// together with whoever else waits, so that all can look at the same time at
// what the holder left. If it has to wait it calls busy first, where that is not
// nil. It gives up with ctx's error.
func (k *Keychain) WaitLock(ctx context.Context, name string, busy func()) (*Lock, error) {
	return k.lock(name, func(f *flock.Flock) error {
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

// lock takes the lock until the file that it took is the file that is there:
// another process could have replaced it in between.
func (k *Keychain) lock(name string, take func(*flock.Flock) error) (*Lock, error) {
	path, err := k.path(name + ".lock")
	if err != nil {
		return nil, fmt.Errorf("cannot make the lock: %w", err)
	}
	for range 10 {
		file := flock.New(path, flock.SetFlag(os.O_CREATE|os.O_RDWR|openFlags), flock.SetPermissions(0o600))
		switch err := take(file); {
		case errors.Is(err, ErrBusy), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
			return nil, err
		case err != nil:
			return nil, fmt.Errorf("cannot take the lock %s: %w", path, err)
		}
		held, err := file.Stat()
		if err == nil {
			err = checkPrivate(path, held, 0o600)
		}
		if err != nil {
			_ = file.Close()
			return nil, fmt.Errorf("cannot use the lock: %w", err)
		}
		there, err := os.Lstat(path)
		if err == nil && (os.SameFile(held, there) || runtime.GOOS == "windows") {
			return &Lock{file}, nil
		}
		_ = file.Close()
	}
	return nil, fmt.Errorf("cannot take the lock: something keeps replacing %s", path)
}

// Unlock gives the lock back.
func (l *Lock) Unlock() {
	// The only failure is a descriptor that is closed already: nothing is held.
	_ = l.file.Close()
}

// SayHolder leaves word beside the lock called name of what its holder, this
// process, is doing. It is for messages alone, so it may fail in silence.
func (k *Keychain) SayHolder(name, doing string) {
	text, _ := json.Marshal(Holder{PID: os.Getpid(), Doing: doing, Since: time.Now()})
	path, err := k.path(name + ".holder")
	if err != nil {
		return
	}
	// In place, and not made to last: it is of no use after a power cut, and the
	// disk would keep everybody who waits from the token for so long.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC|openFlags, 0o600)
	if err != nil {
		return
	}
	_, _ = f.Write(text)
	_ = f.Close()
}

// ReadHolder gives the word that the holder of the lock called name left. It is
// true only while somebody holds that lock.
func (k *Keychain) ReadHolder(name string) Holder {
	var h Holder
	text, err := k.ReadNote(name + ".holder")
	if err != nil || json.Unmarshal(text, &h) != nil {
		return Holder{}
	}
	return h
}
