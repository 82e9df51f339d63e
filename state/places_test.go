package state

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// unusable returns a directory that cannot be made, not even by root.
func unusable(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	return filepath.Join(file, "state")
}

func wantBusy(t *testing.T, d *Dir, what string) {
	t.Helper()
	lock, err := d.TryLock("session")
	if err == nil {
		lock.Unlock()
	}
	if !errors.Is(err, ErrBusy) {
		t.Errorf("%s: got %v, want ErrBusy", what, err)
	}
	if _, err := d.WaitLock(expired(t), "session", nil); err == nil {
		t.Errorf("%s: got the lock beside its holder", what)
	}
}

// soonLocked takes the lock, which a WaitLock that gave up may still hold for a moment.
func soonLocked(t *testing.T, d *Dir) *Lock {
	t.Helper()
	for {
		lock, err := d.TryLock("session")
		if err == nil || !errors.Is(err, ErrBusy) || t.Context().Err() != nil {
			must(t, err)
			return lock
		}
		time.Sleep(time.Millisecond)
	}
}

// Where the first directory cannot be made, processes meet in the next one, with
// their notes.
func TestNextDirectory(t *testing.T) {
	unixOnly(t)
	next := filepath.Join(t.TempDir(), "service-1")
	d, other := dirsOf(unusable(t), next), dirsOf(unusable(t), next)
	lock, err := d.TryLock("session")
	must(t, err)
	wantBusy(t, other, "another process without a home")
	d.SetLockOwner("session", "signing in")
	if got := other.ReadLockOwner("session"); got.PID != os.Getpid() {
		t.Errorf("got the holder %v, want this process", got)
	}
	must(t, d.WriteNote("note", []byte("text")))
	if got, err := other.ReadNote("note"); err != nil || string(got) != "text" {
		t.Errorf("got the note %q, %v, want it", got, err)
	}
	must(t, other.RemoveNote("note"))
	if got, err := d.ReadNote("note"); err == nil {
		t.Errorf("after its removal: got %q, want an error", got)
	}
	info, err := os.Stat(next)
	must(t, err)
	if info.Mode().Perm() != 0o700 {
		t.Errorf("got mode %v, want 0700", info.Mode())
	}
	lock.Unlock()
	lock = soonLocked(t, other)
	lock.Unlock()
}

// A home that can be written again does not part those who come to it from those
// who hold the lock elsewhere.
func TestDirectoriesMeet(t *testing.T) {
	unixOnly(t)
	first, next := filepath.Join(t.TempDir(), "state"), filepath.Join(t.TempDir(), "service-1")
	without, with := dirsOf(unusable(t), next), dirsOf(first, next)
	lock, err := without.TryLock("session")
	must(t, err)
	wantBusy(t, with, "a process with a home")
	lock.Unlock()
	lock = soonLocked(t, with)
	wantBusy(t, without, "a process without a home")
	lock.Unlock()
}

// Most users have a home, and nothing is made for them elsewhere.
func TestOneDirectoryIsEnough(t *testing.T) {
	d, _ := newDir(t)
	next := filepath.Join(t.TempDir(), "service-1")
	d.byUser = func() []string { return []string{next} }
	lock, err := d.TryLock("session")
	must(t, err)
	lock.Unlock()
	must(t, d.WriteNote("note", nil))
	d.SetLockOwner("session", "signing in")
	if _, err := os.Lstat(next); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v for %s, want it not made", err, next)
	}
}

// A directory by user that somebody else was faster to make is passed over.
func TestTakenDirectory(t *testing.T) {
	unixOnly(t)
	for name, spoil := range map[string]func(t *testing.T, dir string){
		"another user's": func(t *testing.T, dir string) {
			mkdir(t, dir, 0o700)
			if err := os.Chown(dir, 12345, 12345); err != nil {
				t.Skipf("only root can give a folder away: %v", err)
			}
		},
		"open to others": func(t *testing.T, dir string) { mkdir(t, dir, 0o777) },
		"a link": func(t *testing.T, dir string) {
			mkdir(t, dir+".real", 0o700)
			must(t, os.Symlink(dir+".real", dir))
		},
		"a file": func(t *testing.T, dir string) { must(t, os.WriteFile(dir, nil, 0o600)) },
		"below a folder where others may replace it": func(t *testing.T, dir string) {
			must(t, os.Chmod(filepath.Dir(dir), 0o777))
		},
		"below a folder that is not there": func(t *testing.T, dir string) {
			must(t, os.Remove(filepath.Dir(dir)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			taken, next := filepath.Join(t.TempDir(), "service-1"), filepath.Join(t.TempDir(), "service-1")
			spoil(t, taken)
			d := dirsOf(unusable(t), taken, next)
			lock, err := d.TryLock("session")
			must(t, err)
			wantBusy(t, dirsOf(unusable(t), taken, next), "another process")
			if got := lock.files[0].Path(); filepath.Dir(got) != next {
				t.Errorf("got the lock %s, want it in %s", got, next)
			}
			must(t, d.WriteNote("note", []byte("text")))
			if got, err := os.ReadFile(filepath.Join(next, "note")); err != nil || string(got) != "text" {
				t.Errorf("got the note %q, %v, want it in %s", got, err, next)
			}
			lock.Unlock()
		})
	}
}

// With no directory at all there is no lock, which is neither a lock that somebody
// holds nor a directory that another user could have spoiled.
func TestNoDirectory(t *testing.T) {
	unixOnly(t)
	open := filepath.Join(t.TempDir(), "service-1")
	mkdir(t, open, 0o777)
	d := dirsOf(unusable(t), open)
	_, err := d.TryLock("session")
	if err == nil || errors.Is(err, ErrBusy) || errors.Is(err, ErrNotPrivate) || !strings.Contains(err.Error(), open) {
		t.Errorf("got %v, want why none of them can be used", err)
	}
	if err := d.WriteNote("note", nil); err == nil {
		t.Error("a note: got no error, want one")
	}
	d.primary = func() (string, error) { return "", errors.New("no home") }
	if _, err := d.TryLock("session"); err == nil || !strings.Contains(err.Error(), "no home") {
		t.Errorf("got %v, want why there is no first directory", err)
	}
}

// Two paths of one directory are one place: nobody waits for itself.
func TestSameDirectoryTwice(t *testing.T) {
	unixOnly(t)
	parent := t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	must(t, os.Symlink(parent, link))
	d := dirsOf(unusable(t), filepath.Join(parent, "service-1"), filepath.Join(link, "service-1"))
	for range 2 {
		lock, err := d.TryLock("session")
		must(t, err)
		lock.Unlock()
	}
}

func TestHolds(t *testing.T) {
	unixOnly(t)
	for name, test := range map[string]struct {
		lose func(t *testing.T, d *Dir, dir string, lock *Lock)
		want bool
	}{
		"held":                     {func(*testing.T, *Dir, string, *Lock) {}, true},
		"given back":               {func(_ *testing.T, _ *Dir, _ string, lock *Lock) { lock.Unlock() }, false},
		"its folder is removed":    {func(t *testing.T, _ *Dir, dir string, _ *Lock) { must(t, os.RemoveAll(dir)) }, false},
		"its file is another one":  {func(t *testing.T, _ *Dir, dir string, _ *Lock) { replaceFile(t, filepath.Join(dir, "session.lock")) }, false},
		"another process's folder": {func(t *testing.T, _ *Dir, dir string, _ *Lock) { must(t, os.Rename(dir, dir+".other")) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			d, dir := newDir(t)
			lock, err := d.TryLock("session")
			must(t, err)
			defer lock.Unlock()
			test.lose(t, d, dir, lock)
			if got := lock.IsHeld(); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func replaceFile(t *testing.T, path string) {
	t.Helper()
	must(t, os.WriteFile(path+".other", nil, 0o600))
	must(t, os.Rename(path+".other", path))
}

// What a process's environment says comes last: another one of the user, which
// says something else, has been at the same directories before.
func TestUserDirsDoNotDependOnTheEnvironment(t *testing.T) {
	unixOnly(t)
	dirs := func(runtimeDir string) []string {
		return userDirs("service", func(name string) string { return map[string]string{"XDG_RUNTIME_DIR": runtimeDir}[name] })
	}
	without := dirs("")
	if len(without) < 3 || filepath.Dir(without[0]) != "/tmp" {
		t.Errorf("got %v, want several, from /tmp on, which is there when nobody is logged in too", without)
	}
	for _, runtimeDir := range []string{"/run/user/1", "/elsewhere", "relative"} {
		if got := dirs(runtimeDir); !slices.Equal(got[:len(without)], without) {
			t.Errorf("XDG_RUNTIME_DIR=%s: got %v, want %v first", runtimeDir, got, without)
		}
	}
}

func TestPasswdHome(t *testing.T) {
	const text = "root:x:0:0:root:/root:/bin/bash\n" +
		"# 1000:x:1000:0::/comment:/bin/sh\n" +
		"short:x:1000:0::/short\n" +
		"me:x:1000:1000:I, myself,,:/home/me:/bin/sh\r\n" +
		"again:x:1000:1000::/home/again:/bin/sh\n" +
		"tenfold:x:10000:10000::/home/tenfold:/bin/sh\n" +
		"+nis\n" +
		"rootless:x:1001:1001::/:/bin/sh"
	for uid, want := range map[int]string{0: "/root", 1000: "/home/me", 10000: "/home/tenfold", 1001: "/", 100: "", 1002: ""} {
		if got := passwdHome(text, uid); got != want {
			t.Errorf("user %d: got %q, want %q", uid, got, want)
		}
	}
}

func FuzzPasswdHome(f *testing.F) {
	for _, seed := range []string{"", "me:x:1000:1000::/home/me:/bin/sh\n", ":::1000:::\n", "\n\n", "a:b:1000:d:e:f:g", "a:b:1000:d:e:f:g:h"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := passwdHome(text, 1000)
		if got != "" && (strings.ContainsAny(got, ":\n") || !strings.Contains(text, ":1000:")) {
			t.Errorf("got %q, which no entry of user 1000 names", got)
		}
	})
}

func TestHome(t *testing.T) {
	unixOnly(t)
	of := func(home string) (string, error) {
		return Home(func(name string) string { return map[string]string{"HOME": home}[name] })
	}
	if got, err := of("/home/me"); err != nil || got != "/home/me" {
		t.Errorf("got %q, %v, want $HOME", got, err)
	}
	database, databaseErr := databaseHome()
	for _, home := range []string{"", "/", "//", "relative", "~"} {
		got, err := of(home)
		if got != database || (err == nil) != (databaseErr == nil) {
			t.Errorf("HOME=%q: got %q, %v, want %q, %v", home, got, err, database, databaseErr)
		}
	}
}
