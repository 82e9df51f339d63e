package state

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gofrs/flock"
)

func TestLockFileReplaced(t *testing.T) {
	unixOnly(t)
	// replacing is a try that does something to the lock's file once it has it.
	replacing := func(do func()) func(*flock.Flock) error {
		return func(f *flock.Flock) error {
			_, err := f.TryLock()
			do()
			return err
		}
	}
	replace := func(t *testing.T, path string) {
		must(t, os.WriteFile(path+".other", nil, 0o600))
		must(t, os.Rename(path+".other", path))
	}

	for name, once := range map[string]func(t *testing.T, path string){
		"C6 replaced meanwhile": replace,
		"C6 deleted meanwhile":  func(t *testing.T, path string) { must(t, os.Remove(path)) },
	} {
		t.Run(name, func(t *testing.T) {
			d, dir := newDir(t)
			path := filepath.Join(dir, "session.lock")
			tries := 0
			lock, err := d.lock("session", replacing(func() {
				if tries++; tries == 1 {
					once(t, path)
				}
			}))
			if err != nil {
				t.Fatalf("got %v, want the lock", err)
			}
			defer lock.Unlock()
			if tries != 2 {
				t.Errorf("got %d tries, want 2", tries)
			}
			// Whoever comes now meets it.
			if _, err := d.TryLock("session"); err != ErrBusy {
				t.Errorf("the next one: got %v, want ErrBusy", err)
			}
		})
	}
	t.Run("C6 replaced all the time", func(t *testing.T) {
		d, dir := newDir(t)
		path := filepath.Join(dir, "session.lock")
		_, err := d.lock("session", replacing(func() { replace(t, path) }))
		if err == nil || errors.Is(err, ErrBusy) || !strings.Contains(err.Error(), path) {
			t.Errorf("got %v, want an error that names the file", err)
		}
	})
	t.Run("C6 a folder in its place", func(t *testing.T) {
		d, dir := newDir(t)
		path := filepath.Join(dir, "session.lock")
		must(t, os.Mkdir(path, 0o700))
		if _, err := d.TryLock("session"); err == nil || errors.Is(err, ErrBusy) || !strings.Contains(err.Error(), path) {
			t.Errorf("got %v, want an error that names the file", err)
		}
		if _, err := d.WaitLock(t.Context(), "session", nil); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("WaitLock: got %v, want an error at once", err)
		}
	})
	t.Run("C6 the file stays", func(t *testing.T) {
		d, dir := newDir(t)
		path := filepath.Join(dir, "session.lock")
		lock, err := d.TryLock("session")
		must(t, err)
		lock.Unlock()
		if _, err := os.Stat(path); err != nil {
			t.Errorf("after Unlock: got %v, want the file there", err)
		}
	})
}

func TestLockFileRefused(t *testing.T) {
	unixOnly(t)
	for name, spoil := range map[string]func(t *testing.T, path string){
		"F30 open to others": func(t *testing.T, path string) {
			must(t, os.WriteFile(path, nil, 0o600))
			must(t, os.Chmod(path, 0o666))
		},
		"F30 hard link": func(t *testing.T, path string) {
			must(t, os.WriteFile(path, nil, 0o600))
			must(t, os.Link(path, path+".other"))
		},
		"F30 another user's": func(t *testing.T, path string) {
			must(t, os.WriteFile(path, nil, 0o600))
			if err := os.Chown(path, 12345, 12345); err != nil {
				t.Skipf("only root can give a file away: %v", err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			d, dir := newDir(t)
			path := filepath.Join(dir, "session.lock")
			spoil(t, path)
			if _, err := d.TryLock("session"); !errors.Is(err, ErrNotPrivate) {
				t.Errorf("TryLock: got %v, want ErrNotPrivate", err)
			}
			if _, err := d.WaitLock(t.Context(), "session", nil); !errors.Is(err, ErrNotPrivate) {
				t.Errorf("WaitLock: got %v, want ErrNotPrivate", err)
			}
		})
	}
	t.Run("F30 link", func(t *testing.T) {
		d, dir := newDir(t)
		path := filepath.Join(dir, "session.lock")
		target := filepath.Join(t.TempDir(), "target")
		must(t, os.Symlink(target, path))
		if _, err := d.TryLock("session"); err == nil || errors.Is(err, ErrBusy) {
			t.Errorf("got %v, want a refusal", err)
		}
		if _, err := os.Stat(target); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the link's target: got %v, want it not made", err)
		}
	})
}

func TestWaitLock(t *testing.T) {
	d, _ := newDir(t)
	t.Run("P11 ends at its limit", func(t *testing.T) {
		holder, err := d.TryLock("held")
		must(t, err)
		defer holder.Unlock()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		defer cancel()
		if _, err := d.WaitLock(ctx, "held", nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the context's error", err)
		}
	})
	t.Run("waiters look together", func(t *testing.T) {
		holder, err := d.TryLock("session")
		must(t, err)
		const waiters = 5
		var all, got sync.WaitGroup
		all.Add(waiters)
		release := make(chan struct{})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		for range waiters {
			got.Add(1)
			go func() {
				defer got.Done()
				lock, err := d.WaitLock(ctx, "session", nil)
				all.Done()
				if err != nil {
					t.Errorf("got %v, want the lock", err)
					return
				}
				<-release
				lock.Unlock()
			}()
		}
		holder.Unlock()
		all.Wait() // each has it before any gives it back
		if _, err := d.TryLock("session"); err != ErrBusy {
			t.Errorf("TryLock beside those who look: got %v, want ErrBusy", err)
		}
		close(release)
		got.Wait()
		lock, err := d.TryLock("session")
		if err != nil {
			t.Fatalf("TryLock after them: got %v, want the lock", err)
		}
		lock.Unlock()
	})
}

// expired returns a context that has ended.
func expired(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

func TestHolder(t *testing.T) {
	d, _ := newDir(t)
	if got := d.ReadLockOwner("session").String(); got != "another process" {
		t.Errorf("C5 of nobody: got %q, want %q", got, "another process")
	}
	d.SetLockOwner("session", "signing in")
	got := d.ReadLockOwner("session")
	if got.PID != os.Getpid() || got.Doing != "signing in" || !strings.Contains(got.String(), "signing in since") {
		t.Errorf("C5 got %+v, want this process, signing in", got)
	}
	must(t, d.WriteNote("session.holder", []byte("{damaged")))
	if got := d.ReadLockOwner("session"); got != (LockOwner{}) {
		t.Errorf("C5 of a damaged note: got %+v, want none", got)
	}
}
