package dockerconfig

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// mount mounts something until the test ends.
func mount(t *testing.T, source, target, kind string, flags uintptr, data string) {
	t.Helper()
	if err := syscall.Mount(source, target, kind, flags, data); err != nil {
		t.Skipf("only root can mount: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(target, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
}

// fill fills the file system of dir.
func fill(t *testing.T, dir string) {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "filler"))
	must(t, err)
	defer f.Close()
	for {
		if _, err := f.Write(make([]byte, 4096)); err != nil {
			return
		}
	}
}

// asNobody runs do on a thread with the rights of the user nobody.
func asNobody(t *testing.T, do func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can take another user's rights")
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // the thread ends with this goroutine
		const keep = ^uintptr(0)
		const nobody = 65534
		for _, call := range []uintptr{unix.SYS_SETRESGID, unix.SYS_SETRESUID} {
			if _, _, errno := syscall.RawSyscall(call, keep, nobody, keep); errno != 0 {
				t.Errorf("take nobody's rights: %v", errno)
				return
			}
		}
		do()
	}()
	<-done
}

// nobodysFolder returns a folder of user and group 65534 that all users can reach.
func nobodysFolder(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for up := dir; up != os.TempDir() && up != "/"; up = filepath.Dir(up) {
		must(t, os.Chmod(up, 0o755))
	}
	if err := os.Chown(dir, 65534, 65534); err != nil {
		t.Skipf("only root can give a folder away: %v", err)
	}
	return dir
}

// I33: a file that is mounted by itself cannot be replaced.
func TestSaveBindMount(t *testing.T) {
	inside := writeFile(t, before)
	path := writeFile(t, "")
	mount(t, inside, path, "", syscall.MS_BIND, "")
	wantRefused(t, edited(t, path).Save(), path+" cannot be replaced: it is a mount point", byHand)
	wantText(t, inside, before)
	wantAlone(t, path)
}

func TestSaveDiskFull(t *testing.T) {
	disk := t.TempDir()
	mount(t, "tmpfs", disk, "tmpfs", 0, "size=64k")
	dir := filepath.Join(disk, "docker")
	must(t, os.Mkdir(dir, 0o700))
	path := filepath.Join(dir, "config.json")
	must(t, os.WriteFile(path, []byte(before), 0o600))
	fill(t, disk)
	err := edited(t, path).Save()
	if !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("F11 got %v, want no space", err)
	}
	wantRefused(t, err, path, byHand)
	wantText(t, path, before)
	wantAlone(t, path)
}

func TestSaveReadOnly(t *testing.T) {
	t.Run("I32 F12 a link into a read-only file system", func(t *testing.T) {
		store := t.TempDir()
		mount(t, "tmpfs", store, "tmpfs", 0, "size=64k")
		target := filepath.Join(store, "docker.json")
		must(t, os.WriteFile(target, []byte(before), 0o444))
		must(t, syscall.Mount("", store, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
		path := filepath.Join(t.TempDir(), "config.json")
		must(t, os.Symlink(target, path))
		f := edited(t, path)
		for _, err := range []error{f.Check(), f.Save()} {
			wantRefused(t, err, path, target, "read-only", byHand)
		}
		wantText(t, target, before)
	})
	t.Run("I32 F12 a folder that we cannot write", func(t *testing.T) {
		dir := nobodysFolder(t)
		path := filepath.Join(dir, "config.json")
		must(t, os.WriteFile(path, []byte(before), 0o600))
		must(t, os.Chown(path, 65534, 65534))
		must(t, os.Chmod(dir, 0o500))
		asNobody(t, func() {
			f := edited(t, path)
			for _, err := range []error{f.Check(), f.Save()} {
				wantRefused(t, err, path, "permission denied", byHand)
			}
		})
		wantText(t, path, before)
	})
	t.Run("F12 a home that cannot be written", func(t *testing.T) {
		dir := nobodysFolder(t)
		must(t, os.Chmod(dir, 0o500))
		asNobody(t, func() {
			wantRefused(t, edited(t, filepath.Join(dir, ".docker", "config.json")).Save(), dir, "permission denied", byHand)
		})
	})
}

func TestSaveOwners(t *testing.T) {
	owned := func(t *testing.T, uid, gid int, mode os.FileMode) string {
		path := filepath.Join(nobodysFolder(t), "config.json")
		must(t, os.WriteFile(path, []byte(before), 0o600))
		must(t, os.Chown(path, uid, gid))
		must(t, os.Chmod(path, mode))
		return path
	}
	wantOwner := func(t *testing.T, path string, uid, gid uint32) {
		t.Helper()
		var stat unix.Stat_t
		must(t, unix.Stat(path, &stat))
		if stat.Uid != uid || stat.Gid != gid {
			t.Errorf("got owner %d:%d, want %d:%d", stat.Uid, stat.Gid, uid, gid)
		}
	}
	t.Run("I34 root keeps the owner", func(t *testing.T) {
		path := owned(t, 12345, 54321, 0o640)
		addTo(t, path)
		wantText(t, path, after)
		wantOwner(t, path, 12345, 54321)
	})
	t.Run("I34 root's file that we can read", func(t *testing.T) {
		path := owned(t, 0, 0, 0o644)
		asNobody(t, func() {
			f := edited(t, path)
			for _, err := range []error{f.Check(), f.Save()} {
				wantRefused(t, err, "belongs to user 0, not to you; sudo chown 65534 "+path)
			}
		})
		wantText(t, path, before)
		wantAlone(t, path)
	})
	t.Run("I34 root's file that we cannot read", func(t *testing.T) {
		path := owned(t, 0, 0, 0o600)
		asNobody(t, func() {
			_, err := Load(path)
			wantRefused(t, err, "permission denied", "sudo chown 65534 "+path)
		})
	})
	t.Run("I34 our own that we cannot read", func(t *testing.T) {
		path := owned(t, 65534, 65534, 0o200)
		asNobody(t, func() {
			_, err := Load(path)
			wantRefused(t, err, "permission denied", "chmod u+r "+path)
		})
	})
	t.Run("I34 0400 as its owner", func(t *testing.T) {
		path := owned(t, 65534, 65534, 0o400)
		asNobody(t, func() { addTo(t, path) })
		wantText(t, path, after)
		wantOwner(t, path, 65534, 65534)
		wantAlone(t, path)
	})
	t.Run("I34 a group that cannot be given", func(t *testing.T) {
		path := owned(t, 65534, 54321, 0o640)
		asNobody(t, func() { wantRefused(t, edited(t, path).Save(), path+" cannot be replaced", byHand) })
		wantText(t, path, before)
		wantOwner(t, path, 65534, 54321)
		wantAlone(t, path)
	})
}

func TestSaveAttributes(t *testing.T) {
	path := writeFile(t, before)
	// An access list: the owner reads and writes, user 12345 reads.
	list := []byte{2, 0, 0, 0,
		0x01, 0, 6, 0, 255, 255, 255, 255,
		0x02, 0, 4, 0, 0x39, 0x30, 0, 0,
		0x04, 0, 0, 0, 255, 255, 255, 255,
		0x10, 0, 4, 0, 255, 255, 255, 255,
		0x20, 0, 0, 0, 255, 255, 255, 255}
	attributes := map[string][]byte{"system.posix_acl_access": list, "user.origin": []byte("somewhere"), "user.empty": {}}
	for name, value := range attributes {
		if err := unix.Setxattr(path, name, value, 0); err != nil {
			t.Skipf("the file system has no extended attributes: %v", err)
		}
	}
	addTo(t, path)
	wantText(t, path, after)
	for name, want := range attributes {
		got := make([]byte, 256)
		n, err := unix.Getxattr(path, name, got)
		if err != nil || !bytes.Equal(got[:n], want) {
			t.Errorf("I34 %s: got %v, %v, want %v", name, got[:max(n, 0)], err, want)
		}
	}
}

// Where root has used Podman, other users may not look for a file of theirs.
func TestPodmanFilesOfRoot(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may look everywhere")
	}
	dir := t.TempDir()
	defer func(before string) { systemRunDir = before }(systemRunDir)
	systemRunDir = filepath.Join(dir, "containers")
	must(t, os.Mkdir(systemRunDir, 0))
	getenv := func(string) string { return "" }
	if files, err := PodmanFiles(getenv, dir); err != nil || len(files) != 2 {
		t.Errorf("got %q, %v, want the files in the home directory", files, err)
	}
	must(t, os.Chmod(systemRunDir, 0o700))
	if files, err := PodmanFiles(getenv, dir); err != nil || len(files) != 3 {
		t.Errorf("got %q, %v, want also the file below /run", files, err)
	}
	must(t, os.Chmod(systemRunDir, 0))
	_, err := Load(filepath.Join(systemRunDir, "auth.json"))
	if !errors.Is(err, fs.ErrPermission) || strings.Count(err.Error(), "denied") != 1 {
		t.Errorf("got %v, want one error of the system", err)
	}
	must(t, os.Chmod(systemRunDir, 0o700)) // for its removal
}
