package token

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"docker-credential-cgr/state"
)

func (f *fixture) storeDir() string { return strings.TrimPrefix(f.store.String(), "file store ") }

// readOnly makes the store one that can be read alone.
func (f *fixture) readOnly() {
	f.t.Helper()
	dir := f.storeDir()
	if os.Getuid() != 0 { // modes bind everybody but root
		if err := os.Chmod(dir, 0o500); err != nil {
			f.t.Fatal(err)
		}
		f.t.Cleanup(func() { _ = os.Chmod(dir, 0o700) })
		return
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		f.t.Fatal(err)
	}
	if err := syscall.Mount(dir, dir, "", syscall.MS_BIND, ""); err != nil {
		f.t.Skipf("a read-only folder cannot be mounted: %v", err)
	}
	f.t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			f.t.Errorf("unmount: %v", err)
		}
	})
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_BIND|syscall.MS_RDONLY, ""); err != nil {
		f.t.Fatal(err)
	}
}

// wantNotSignedIn asks for the registry's credential, which is not there for a
// reason that holds text, without a request or a window.
func (f *fixture) wantNotSignedIn(what, text string) {
	f.t.Helper()
	f.counts()
	_, err := f.get()
	var nobody *NotSignedInError
	if !errors.As(err, &nobody) || !strings.Contains(err.Error(), text) {
		f.t.Errorf("%s: got %v, want a *NotSignedInError that says %q", what, err, text)
	}
	if asked, windows, _ := f.counts(); asked != 0 || windows != 0 {
		f.t.Errorf("%s: got %d requests and %d windows, want none", what, asked, windows)
	}
}

// What cannot be stored is not asked for: a refresh token stays good until its
// successor can be written.
func TestUnwritableStore(t *testing.T) {
	t.Run("F12 nobody signed in: no window", func(t *testing.T) {
		f := newFixture(t)
		f.signsIn(alice, "R0")
		f.readOnly()
		for range 2 {
			f.wantNotSignedIn("get", "a sign-in could not be stored: cannot write to the "+f.store.String())
		}
	})
	t.Run("F12 signed in: the refresh token is not redeemed", func(t *testing.T) {
		f := newFixture(t)
		f.signedIn()
		f.signsIn(alice, "R0")
		f.clock.add(2 * time.Hour)
		f.readOnly()
		f.wantNotSignedIn("get", "the new refresh token could not be stored: cannot write to the "+f.store.String())
		f.wantSession("afterwards", "R1", alice)
	})
	t.Run("F12 a token that is still good is given", func(t *testing.T) {
		f := newFixture(t)
		a1 := f.signedIn()
		f.clock.add(55 * time.Minute) // when a refresh is due
		f.readOnly()
		f.wantGet("get", a1, 0, 0)
	})
	t.Run("F12 a machine's own identity needs no store", func(t *testing.T) {
		f := newFixture(t)
		f.readOnly()
		a1 := f.access(job, "A1")
		f.wantsExchange(registry, a1)
		c, err := f.assuming().Credential(t.Context(), registry, true)
		if err != nil || c.Secret != a1 {
			t.Errorf("got %q, %v, want the identity's token", c.Secret, err)
		}
		if _, _, said := f.counts(); !contains(said, "not stored") || contains(said, a1) {
			t.Errorf("got %q, want one that says it is not stored", said)
		}
	})
}

// Without a lock another process may be redeeming the refresh token.
func TestNoLockNoRefresh(t *testing.T) {
	// No directory of this name can be made.
	nowhere := state.NewDir("no/such/service", func() (string, error) { return "", errors.New("no home") })
	t.Run("a session stays as it is", func(t *testing.T) {
		f := newFixture(t)
		f.signedIn()
		f.signsIn(alice, "R0")
		f.clock.add(2 * time.Hour)
		f.store.Dir = nowhere
		f.wantNotSignedIn("get", "cannot be refreshed without a lock")
		f.wantSession("afterwards", "R1", alice)
	})
	t.Run("who is not signed in signs in, and is told", func(t *testing.T) {
		f := newFixture(t)
		f.signsIn(alice, "R0")
		f.store.Dir = nowhere
		a1 := f.access(alice, "A1")
		f.wants("R0", gives(a1, "R1"))
		c, err := f.get()
		if err != nil || c.Secret != a1 {
			t.Errorf("got %q, %v, want the sign-in's token", c.Secret, err)
		}
		if _, windows, said := f.counts(); windows != 1 || !contains(said, "without a lock") {
			t.Errorf("got %d windows and %q, want one, and that there is no lock", windows, said)
		}
	})
	t.Run("C6 a lock whose folder is removed is none", func(t *testing.T) {
		f := newFixture(t)
		a1 := f.signedIn()
		f.clock.add(55 * time.Minute)
		s := f.session()
		s.Watch = func(ctx context.Context) (context.Context, context.CancelFunc) { // with the lock held
			if err := os.Remove(filepath.Join(f.storeDir(), s.LockName()+".lock")); err != nil {
				t.Error(err)
			}
			return ctx, func() {}
		}
		f.counts()
		c, err := s.Credential(t.Context(), registry, true)
		if err != nil || c.Secret != a1 {
			t.Errorf("got %q, %v, want the stored token", c.Secret, err)
		}
		if asked, _, _ := f.counts(); asked != 0 {
			t.Errorf("got %d requests, want none", asked)
		}
	})
}
