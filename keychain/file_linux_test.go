package keychain

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// smallDisk mounts 128 KiB of memory as a file system.
func smallDisk(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=128k"); err != nil {
		t.Skipf("only root can mount a file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

func TestDiskFull(t *testing.T) {
	disk := smallDisk(t)
	s := &fileStore{dir: filepath.Join(disk, "state")}
	k := keychainOf(t, s)
	must(t, k.Set("n", "former", time.Time{}))

	filler, err := os.Create(filepath.Join(disk, "filler"))
	must(t, err)
	defer filler.Close()
	for {
		if _, err := filler.Write(make([]byte, 4096)); err != nil {
			break
		}
	}
	err = k.Set("n", strings.Repeat("new", 2000), time.Time{})
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), s.dir) {
		t.Errorf("F11 set: got %v, want the folder and no space", err)
	}
	if got, err := k.Get("n"); err != nil || got != "former" {
		t.Errorf("F11 get: got %q, %v, want the former value", got, err)
	}
	if left := temporary(t, s.dir); len(left) != 0 {
		t.Errorf("F11 got %q left over, want none", left)
	}
	if err := k.Delete("n"); err != nil {
		t.Errorf("P16 delete on a full disk: got %v, want no error", err)
	}
}

func TestReadOnlyDisk(t *testing.T) {
	disk := smallDisk(t)
	s := &fileStore{dir: filepath.Join(disk, "state")}
	k := keychainOf(t, s)
	must(t, k.Set("n", "former", time.Time{}))
	must(t, syscall.Mount("", disk, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))

	if got, err := k.Get("n"); err != nil || got != "former" {
		t.Errorf("F12 get: got %q, %v, want the stored value", got, err)
	}
	if err := k.Set("n", "new", time.Time{}); !errors.Is(err, syscall.EROFS) || !strings.Contains(err.Error(), s.dir) {
		t.Errorf("F12 set: got %v, want the folder and read-only", err)
	}
	if err := k.Delete("n"); !errors.Is(err, syscall.EROFS) {
		t.Errorf("F12 delete: got %v, want read-only: the secret is still there", err)
	}
}
