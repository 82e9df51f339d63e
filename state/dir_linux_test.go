package state

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// mountDisk mounts a small file system for the test.
func mountDisk(t *testing.T) (dir string) {
	t.Helper()
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=128k"); err != nil {
		t.Skipf("a small file system can be mounted by root alone: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return disk
}

func makeReadOnly(t *testing.T, disk string) {
	t.Helper()
	must(t, syscall.Mount("", disk, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
}

// A disk that becomes read-only parts nobody: a lock that was made before is taken
// there still, beside those who hold it already.
func TestReadOnlyDisk(t *testing.T) {
	disk := mountDisk(t)
	first, next := filepath.Join(disk, "state"), filepath.Join(t.TempDir(), "service-1")
	before := dirsOf(first, next)
	lock, err := before.TryLock("session")
	must(t, err)
	must(t, before.WriteNote("note", []byte("former")))
	lock.Unlock()
	makeReadOnly(t, disk)

	after := dirsOf(first, next)
	lock, err = after.TryLock("session")
	must(t, err)
	wantBusy(t, before, "another process")
	if !lock.IsHeld() {
		t.Error("F12 got no lock that is held, want one")
	}
	lock.Unlock()
	// One that is not there is made elsewhere.
	lock, err = after.TryLock("other")
	must(t, err)
	if got := filepath.Dir(lock.files[0].Path()); got != next {
		t.Errorf("F12 got a lock in %s, want it in %s", got, next)
	}
	if _, err := before.TryLock("other"); !errors.Is(err, ErrBusy) {
		t.Errorf("F12 another process: got %v, want ErrBusy", err)
	}
	lock.Unlock()
}

// On a disk that becomes read-only a note can be neither replaced nor removed, but
// readers still get what was done last.
func TestNoteOnReadOnlyDisk(t *testing.T) {
	disk := mountDisk(t)
	first, next := filepath.Join(disk, "state"), filepath.Join(t.TempDir(), "service-1")
	must(t, dirsOf(first, next).WriteNote("note", []byte("old")))
	makeReadOnly(t, disk)
	wantNote := func(when, want string) {
		t.Helper()
		got, err := dirsOf(first, next).ReadNote("note")
		if string(got) != want || want == "" && !errors.Is(err, os.ErrNotExist) || want != "" && err != nil {
			t.Errorf("%s: got the note %q, %v, want %q", when, got, err, want)
		}
	}
	wantNote("before", "old")
	must(t, dirsOf(first, next).WriteNote("note", []byte("new")))
	wantNote("written again", "new")
	must(t, dirsOf(first, next).RemoveNote("note"))
	wantNote("removed", "")
	must(t, dirsOf(first, next).RemoveNote("note"))
	wantNote("removed twice", "")
	must(t, dirsOf(first, next).WriteNote("note", []byte("newer")))
	wantNote("written after its removal", "newer")
}
