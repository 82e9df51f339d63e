package keychain

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A key can be used outside the thread and the session that made it, by this user only.
func TestKernelPermissions(t *testing.T) {
	k := kernelKeychain(t)
	must(t, k.Set("n", "value-of-n", time.Time{}))
	t.Cleanup(func() { _ = k.store.delete("n") })
	s := kernelStoreOf(k)
	id, err := unix.KeyctlSearch(unix.KEY_SPEC_USER_KEYRING, "user", s.describe("n"), 0)
	must(t, err)
	text, err := unix.KeyctlString(unix.KEYCTL_DESCRIBE, id)
	must(t, err)
	var description string
	var uid, gid int
	var permissions uint32
	if _, err := fmt.Sscanf(text, "user;%d;%d;%x;%s", &uid, &gid, &permissions, &description); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	// All rights for the possessor and the user, none for others.
	if want := uint32(0x3f3f0000); permissions != want {
		t.Errorf("F9 got permissions %#x, want %#x", permissions, want)
	}
}

// A key that expired or was revoked is absent, and can be written again.
func TestKernelGone(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	k := kernelKeychain(t)
	s := kernelStoreOf(k)
	for name, gone := range map[string]func(){
		"F10 expired": func() {
			must(t, k.Set("n", "value-of-n", time.Now().Add(-time.Hour)))
			waitFor(t, "the key to expire", func() bool { _, err := s.get("n"); return err != nil })
		},
		"F10 revoked": func() {
			must(t, k.Set("n", "value-of-n", time.Time{}))
			id, err := unix.KeyctlSearch(unix.KEY_SPEC_USER_KEYRING, "user", s.describe("n"), 0)
			must(t, err)
			_, err = unix.KeyctlInt(unix.KEYCTL_REVOKE, id, 0, 0, 0)
			must(t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			gone()
			if got, err := k.Get("n"); err != ErrNotFound {
				t.Errorf("get: got %q, %v, want ErrNotFound", got, err)
			}
			must(t, k.Delete("n"))
			must(t, k.Set("n", "new", time.Time{}))
			if got, err := k.Get("n"); err != nil || got != "new" {
				t.Errorf("get after set: got %q, %v, want the new value", got, err)
			}
			must(t, k.Delete("n"))
		})
	}
	t.Run("a value without an end replaces one with an end", func(t *testing.T) {
		must(t, k.Set("n", "short", time.Now()))
		must(t, k.Set("n", "long", time.Time{}))
		defer func() { _ = s.delete("n") }()
		end := time.Now().Add(1500 * time.Millisecond)
		waitFor(t, "the former end to pass", func() bool { return time.Now().After(end) })
		if got, err := k.Get("n"); err != nil || got != "long" {
			t.Errorf("got %q, %v, want the value without an end", got, err)
		}
	})
}

func TestKernelErrors(t *testing.T) {
	for err, absent := range map[error]bool{
		unix.ENOSYS: true, unix.EPERM: true, unix.EOPNOTSUPP: true, unix.EDQUOT: false, unix.EACCES: false, unix.ENOMEM: false, ErrNotFound: false,
	} {
		if got := isKernelAbsent(err); got != absent {
			t.Errorf("P9 absent on %v: got %v, want %v", err, got, absent)
		}
	}
	for _, err := range []error{unix.ENOKEY, unix.EKEYEXPIRED, unix.EKEYREVOKED} {
		if got := keyError(err); !errors.Is(got, ErrNotFound) {
			t.Errorf("F10 %v: got %v, want ErrNotFound", err, got)
		}
	}
	for _, err := range []error{unix.EACCES, unix.EDQUOT, unix.EPERM} {
		if got := keyError(err); errors.Is(got, ErrNotFound) || got == nil {
			t.Errorf("F10 %v: got %v, want it as it is", err, got)
		}
	}
}

func kernelStoreOf(k *Keychain) *kernelStore {
	return k.store.current().store.(splitStore).store.(*kernelStore)
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("timeout waiting for %s", what)
		}
	}
}
