package atomicfile

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
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

// smallDisk mounts a file system of 64 KiB, with the folder "tree" and in it a file with
// the content before.
func smallDisk(t *testing.T) (disk, path string) {
	t.Helper()
	disk = t.TempDir()
	mount(t, "tmpfs", disk, "tmpfs", 0, "size=64k")
	path = filepath.Join(disk, "tree", "Dockerfile")
	must(t, os.Mkdir(filepath.Dir(path), 0o700))
	must(t, os.WriteFile(path, []byte(before), 0o600))
	return disk, path
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

// owned returns a file of this user and group, in a folder of user 65534.
func owned(t *testing.T, uid, gid int, mode os.FileMode) (path string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	path = newFile(t)
	must(t, os.Chown(filepath.Dir(path), 65534, 65534))
	for up := filepath.Dir(path); up != filepath.Clean(os.TempDir()) && up != "/"; up = filepath.Dir(up) {
		must(t, os.Chmod(up, 0o755))
	}
	must(t, os.Chown(path, uid, gid))
	must(t, os.Chmod(path, mode))
	return path
}

func wantOwner(t *testing.T, path string, uid, gid uint32) {
	t.Helper()
	var stat unix.Stat_t
	must(t, unix.Stat(path, &stat))
	if stat.Uid != uid || stat.Gid != gid {
		t.Errorf("got owner %d:%d, want %d:%d", stat.Uid, stat.Gid, uid, gid)
	}
}

func TestPendingOwners(t *testing.T) {
	t.Run("I34 root keeps the owner", func(t *testing.T) {
		path := owned(t, 12345, 54321, 0o640)
		must(t, prepare(t, path).Commit())
		wantText(t, path, after)
		wantOwner(t, path, 12345, 54321)
		wantMode(t, path, 0o640)
	})
	t.Run("I34 our own", func(t *testing.T) {
		path := owned(t, 65534, 65534, 0o600)
		asNobody(t, func() {
			p, err := Prepare(path, []byte(before), []byte(after))
			if err == nil {
				err = p.Commit()
			}
			if err != nil {
				t.Error(err)
			}
		})
		wantText(t, path, after)
		wantOwner(t, path, 65534, 65534)
	})
	refused := func(t *testing.T, path string, want ...string) {
		t.Helper()
		asNobody(t, func() {
			_, err := Prepare(path, []byte(before), []byte(after))
			wantRefused(t, err, want...)
		})
		wantText(t, path, before)
		wantAlone(t, path)
	}
	t.Run("I34 another user's", func(t *testing.T) {
		path := owned(t, 0, 0, 0o666)
		refused(t, path, path+" belongs to user 0, not to you; sudo chown 65534 "+path)
	})
	t.Run("I34 a group that cannot be given", func(t *testing.T) {
		path := owned(t, 65534, 54321, 0o660)
		refused(t, path, path+" cannot be replaced by a file with its owner, mode and attributes", "operation not permitted")
	})
	t.Run("F12 a folder that is not ours to write", func(t *testing.T) {
		path := owned(t, 65534, 65534, 0o600)
		must(t, os.Chmod(filepath.Dir(path), 0o500))
		refused(t, path, path[:len(path)-len("Dockerfile")], "permission denied")
	})
}

func TestPendingAttributes(t *testing.T) {
	path := newFile(t)
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
	must(t, prepare(t, path).Commit())
	wantText(t, path, after)
	for name, want := range attributes {
		got, err := readXattr(func(buf []byte) (int, error) { return unix.Getxattr(path, name, buf) })
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("I34 %s: got %v, %v, want %v", name, got, err, want)
		}
	}
}

func TestPendingMounted(t *testing.T) {
	path, inside := newFile(t), newFile(t)
	mount(t, inside, path, "", syscall.MS_BIND, "")
	_, err := Prepare(path, []byte(before), []byte(after))
	wantRefused(t, err, path+" cannot be replaced: it is a mount point", "mount the folder")
	wantText(t, inside, before)
	wantAlone(t, path)
}

// A mount point that Prepare cannot see makes Commit fail.
func TestCommitMounted(t *testing.T) {
	path := newFile(t)
	p := prepare(t, path)
	mount(t, path, path, "", syscall.MS_BIND, "")
	wantRefused(t, p.Commit(), path+" cannot be replaced: it is a mount point")
	wantText(t, path, before)
	wantAlone(t, path)
}

func TestPendingDiskFull(t *testing.T) {
	disk, path := smallDisk(t)
	filler, err := os.Create(filepath.Join(disk, "filler"))
	must(t, err)
	defer filler.Close()
	for err == nil {
		_, err = filler.Write(make([]byte, 4096))
	}
	if _, err := Prepare(path, []byte(before), []byte(after)); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("F11 got %v, want no space", err)
	}
	wantText(t, path, before)
	wantAlone(t, path)
}

func TestPendingReadOnlyDisk(t *testing.T) {
	disk, path := smallDisk(t)
	p := prepare(t, path)
	defer func() {
		must(t, syscall.Mount("", disk, "", syscall.MS_REMOUNT, ""))
		p.Discard()
		wantAlone(t, path)
	}()
	must(t, syscall.Mount("", disk, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
	_, err := Prepare(path, []byte(before), []byte(after))
	wantRefused(t, err, path, "read-only file system")
	q := *p
	wantRefused(t, q.Commit(), path, "read-only file system")
	wantText(t, path, before)
}

// An immutable file is refused before any file is changed.
func TestPrepareImmutable(t *testing.T) {
	path := newFile(t)
	f, err := os.Open(path)
	must(t, err)
	t.Cleanup(func() { _ = f.Close() })
	const immutable = 0x10 // FS_IMMUTABLE_FL
	flags, err := unix.IoctlGetInt(int(f.Fd()), unix.FS_IOC_GETFLAGS)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, flags|immutable)
	}
	if err != nil {
		t.Skipf("this user or this file system cannot make a file immutable: %v", err)
	}
	t.Cleanup(func() { must(t, unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, flags)) })
	_, err = Prepare(path, []byte(before), []byte(after))
	wantRefused(t, err, path, "operation not permitted")
	wantAlone(t, path)
}
