package keychain

import (
	"crypto/rand"
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestContract runs the same cases on every store, so that what the tests of other packages
// check with one store is true for all (T12).
func TestContract(t *testing.T) {
	t.Run("T12 memory", func(t *testing.T) { contract(t, keychainOf(t, newMemoryParts(0)), 64<<10) })
	t.Run("T12 memory with Windows' limit", func(t *testing.T) { contract(t, keychainOf(t, newMemoryParts(2560)), 64<<10) })
	t.Run("T12 memory with macOS's limit", func(t *testing.T) { contract(t, keychainOf(t, newMemoryParts(2500)), 64<<10) })
	t.Run("T12 file store", func(t *testing.T) {
		setStateDir(t)
		contract(t, opened(t, File), 64<<10)
	})
	t.Run("T12 kernel keyring", func(t *testing.T) { contract(t, kernelKeychain(t), kernelSize()) })
	t.Run("T12 the first that exists", func(t *testing.T) {
		k := keychainOf(t, newMemory(0))
		k.store = newAutoStore(absentCandidate(), candidate{newMemoryParts(2560), nowhere, never})
		contract(t, k, 64<<10)
	})
	t.Run("T12 OS keychain", func(t *testing.T) {
		if os.Getenv("KEYCHAIN_CONTRACT_OS") != "1" || runtime.GOOS == "linux" && os.Getenv("DBUS_SESSION_BUS_ADDRESS") == "" {
			t.Skip("needs KEYCHAIN_CONTRACT_OS=1 and the user's unlocked OS keychain, which it writes to")
		}
		contract(t, opened(t, OS), 64<<10)
	})
}

// setStateDir moves the file store to a temporary folder, which it returns.
func setStateDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("XDG_STATE_HOME", dir)
	t.Setenv("LOCALAPPDATA", dir)
	return dir
}

// opened returns a keychain of a kind as the program opens it, for a service of the test,
// with locks and notes in a temporary folder.
func opened(t *testing.T, kind Kind) *Keychain {
	t.Helper()
	k, err := Open(kind, "contract-"+rand.Text(), 0)
	if err != nil {
		t.Fatal(err)
	}
	k.Dir = dirOf(t.TempDir() + "/state")
	return k
}

// kernelSize returns the size of the largest value for the kernel keyring: the quota of an
// ordinary user is 20,000 bytes (keyrings(7)).
func kernelSize() int {
	if os.Getuid() == 0 {
		return 64 << 10
	}
	return 5001
}

// kernelKeychain returns the kernel keyring, or skips the test if there is none.
func kernelKeychain(t *testing.T) *Keychain {
	t.Helper()
	k := opened(t, Kernel)
	if _, err := k.Get("probe"); isKernelAbsent(err) {
		t.Skipf("no kernel keyring: %v", err)
	}
	return k
}

// contract tests k with values of up to maxSize bytes.
func contract(t *testing.T, k *Keychain, maxSize int) {
	set := func(t *testing.T, name, value string) {
		t.Helper()
		if err := k.Set(name, value, time.Now().Add(time.Hour)); err != nil {
			t.Errorf("Set %q to %d bytes: got %v, want no error", name, len(value), err)
		}
		t.Cleanup(func() { _ = k.Delete(name) })
	}
	want := func(t *testing.T, name, value string) {
		t.Helper()
		if got, err := k.Get(name); err != nil || got != value {
			t.Errorf("Get %q: got %d bytes %.20q, %v, want %d bytes %.20q", name, len(got), got, err, len(value), value)
		}
	}
	absent := func(t *testing.T, name string) {
		t.Helper()
		if got, err := k.Get(name); err != ErrNotFound || got != "" {
			t.Errorf("Get %q: got %.20q, %v, want ErrNotFound", name, got, err)
		}
	}
	remove := func(t *testing.T, name string) {
		t.Helper()
		if err := k.Delete(name); err != nil {
			t.Errorf("Delete %q: got %v, want no error", name, err)
		}
	}

	t.Run("nothing there", func(t *testing.T) {
		absent(t, "credential none")
		remove(t, "credential none")
		absent(t, "credential none")
	})
	t.Run("set, replace, delete", func(t *testing.T) {
		set(t, "credential a", "one")
		want(t, "credential a", "one")
		set(t, "credential a", "two")
		want(t, "credential a", "two")
		remove(t, "credential a")
		absent(t, "credential a")
		remove(t, "credential a")
	})
	t.Run("names do not collide", func(t *testing.T) {
		names := []string{
			"credential cgr.dev https://issuer.example", "credential cgr.dev https://issuer.example id/of", "credential cgr.dev/https://issuer.example",
			"credential cgr.dev https://issuer.example id-of", "credential CGR.dev https://issuer.example", "session https://issuer.example",
			"credential " + strings.Repeat("long/", 60), "credential é", "credential part a0",
		}
		for _, name := range names {
			set(t, name, "value of "+name)
		}
		for _, name := range names {
			want(t, name, "value of "+name)
		}
		remove(t, names[0])
		absent(t, names[0])
		for _, name := range names[1:] {
			want(t, name, "value of "+name)
		}
	})
	t.Run("I41 values of every size", func(t *testing.T) {
		// In this order: growing, shrinking and growing again.
		for _, size := range []int{1, 2499, 2500, 2501, 2560, 2561, 3000, 4096, 32767, 2600, 10, 64 << 10, 2560, 5000, 5001, 1} {
			if size > maxSize {
				continue
			}
			value := strings.Repeat("0123456789abcdef", size/16+1)[:size]
			set(t, "credential sized", value)
			want(t, "credential sized", value)
		}
		remove(t, "credential sized")
		absent(t, "credential sized")
	})
	t.Run("text is returned unchanged", func(t *testing.T) {
		for _, value := range []string{
			`{"v":1,"secret":"a\"b"}`, "é中𝄞 " + strings.Repeat("é", 3000), " blanks around ", "$(id) `id` ' \" \\ %s", "line\nend\n",
			strings.Repeat("a+b/c==", 1000),
		} {
			set(t, "credential text", value)
			want(t, "credential text", value)
		}
	})
	t.Run("notes", func(t *testing.T) {
		if _, err := k.ReadNote("some.note"); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("ReadNote of none: got %v, want os.ErrNotExist", err)
		}
		for _, text := range []string{"one", "two"} {
			if err := k.WriteNote("some.note", []byte(text)); err != nil {
				t.Errorf("WriteNote: got %v, want no error", err)
			}
			if got, err := k.ReadNote("some.note"); err != nil || string(got) != text {
				t.Errorf("ReadNote: got %q, %v, want %q", got, err, text)
			}
		}
		for range 2 {
			if err := k.RemoveNote("some.note"); err != nil {
				t.Errorf("RemoveNote: got %v, want no error", err)
			}
		}
	})
	t.Run("one lock, one holder", func(t *testing.T) {
		lock, err := k.TryLock("session-x")
		if err != nil {
			t.Fatalf("TryLock: got %v, want the lock", err)
		}
		if _, err := k.TryLock("session-x"); err != ErrBusy {
			t.Errorf("TryLock of a held one: got %v, want ErrBusy", err)
		}
		other, err := k.TryLock("session-y")
		if err != nil {
			t.Fatalf("TryLock of another: got %v, want the lock", err)
		}
		other.Unlock()
		lock.Unlock()
		again, err := k.TryLock("session-x")
		if err != nil {
			t.Fatalf("TryLock after Unlock: got %v, want the lock", err)
		}
		again.Unlock()
	})
}
