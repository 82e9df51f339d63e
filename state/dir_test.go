package state

import (
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func unixOnly(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("modes, owners and links are Unix's")
	}
}

// dirsOf returns a Dir of these directories alone.
func dirsOf(first string, others ...string) *Dir {
	d := NewDir("service", func() (string, error) { return first, nil })
	d.byUser = func() []string { return others }
	return d
}

// newDir returns a Dir of one directory, which is there, and its path.
func newDir(t *testing.T) (d *Dir, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "state")
	must(t, MakePrivateDir(path))
	return dirsOf(path), path
}

// The locks of the system's keychain lie where every process of the user finds
// them, whatever its environment says.
func TestHomeDirIgnoresEnvironment(t *testing.T) {
	unixOnly(t)
	me, err := user.Current()
	if err != nil {
		t.Skipf("the user database does not name this user: %v", err)
	}
	want := filepath.Join(me.HomeDir, ".local", "state", "service")
	for _, home := range []string{"", "/elsewhere", "relative", "/"} {
		t.Setenv("HOME", home)
		t.Setenv("USER", "somebody")
		t.Setenv("XDG_STATE_HOME", "/elsewhere")
		t.Setenv("XDG_RUNTIME_DIR", "/elsewhere")
		if got, err := HomeDir("service"); err != nil || got != want {
			t.Errorf("I24 with HOME=%q: got %q, %v, want %q", home, got, err, want)
		}
	}
}

func TestStoreDir(t *testing.T) {
	unixOnly(t)
	tests := []struct{ name, home, xdg, want string }{
		{"home", "/home/me", "", "/home/me/.local/state/service"},
		{"state folder", "/home/me", "/state", "/state/service"},
		{"state folder without a home", "", "/state", "/state/service"},
		{"I24 relative state folder is ignored", "/home/me", "state", "/home/me/.local/state/service"},
		{"I24 state folder that only looks absolute", "/home/me", "~/state", "/home/me/.local/state/service"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("HOME", test.home)
			t.Setenv("XDG_STATE_HOME", test.xdg)
			if got, err := StoreDir("service"); err != nil || got != test.want {
				t.Errorf("got %q, %v, want %q", got, err, test.want)
			}
		})
	}
}

// Without a usable $HOME the home is that in the user database, as for Docker.
func TestStoreDirWithoutHOME(t *testing.T) {
	unixOnly(t)
	me, err := user.Current()
	if err != nil || me.HomeDir == "/" {
		t.Skipf("the user database names no home for this user: %v", err)
	}
	want := filepath.Join(me.HomeDir, ".local", "state", "service")
	for name, home := range map[string]string{"I24 no home": "", "I24 relative home": "home/me", "I24 home with a tilde": "~", "I24 home is the root folder": "/"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("HOME", home)
			t.Setenv("XDG_STATE_HOME", "relative")
			if got, err := StoreDir("service"); err != nil || got != want {
				t.Errorf("HOME=%q: got %q, %v, want %q", home, got, err, want)
			}
		})
	}
}

func TestPrivateDir(t *testing.T) {
	unixOnly(t)
	base := t.TempDir()
	tests := []struct {
		name string
		make func(t *testing.T, dir string)
		want string
	}{
		{"I42 folder 0755", func(t *testing.T, dir string) { mkdir(t, dir, 0o755) }, "mode 0755"},
		{"I42 folder 0777", func(t *testing.T, dir string) { mkdir(t, dir, 0o777) }, "mode 0777"},
		{"I42 folder 0770", func(t *testing.T, dir string) { mkdir(t, dir, 0o770) }, "mode 0770"},
		{"I42 link to a folder", func(t *testing.T, dir string) {
			mkdir(t, dir+".real", 0o700)
			must(t, os.Symlink(dir+".real", dir))
		}, "not a folder"},
		{"I42 link to nowhere", func(t *testing.T, dir string) { must(t, os.Symlink(dir+".none", dir)) }, "not a folder"},
		{"I42 file", func(t *testing.T, dir string) { must(t, os.WriteFile(dir, nil, 0o600)) }, "not a folder"},
		{"F30 another user's folder", func(t *testing.T, dir string) {
			mkdir(t, dir, 0o700)
			if err := os.Chown(dir, 12345, 12345); err != nil {
				t.Skipf("only root can give a folder away: %v", err)
			}
		}, "belongs to user 12345"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := filepath.Join(base, filepath.Base(t.Name()))
			test.make(t, dir)
			before, err := os.Lstat(dir)
			must(t, err)
			d := dirsOf(dir, filepath.Join(t.TempDir(), "next"))
			_, lockErr := d.TryLock("n")
			_, waitErr := d.WaitLock(t.Context(), "n", nil)
			_, noteErr := d.ReadNote("n")
			for do, err := range map[string]error{
				"lock": lockErr, "wait": waitErr, "read a note": noteErr, "write a note": d.WriteNote("n", nil),
			} {
				if !errors.Is(err, ErrNotPrivate) || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), dir) {
					t.Errorf("%s: got %v, want a refusal that names the folder and says %q", do, err, test.want)
				}
			}
			after, err := os.Lstat(dir)
			must(t, err)
			if before.Mode() != after.Mode() {
				t.Errorf("got mode %v, want %v still: nothing is mended in silence", after.Mode(), before.Mode())
			}
		})
	}
	t.Run("made with 0700", func(t *testing.T) {
		dir := filepath.Join(base, "deep", "er", "dir")
		must(t, MakePrivateDir(dir))
		for _, made := range []string{dir, filepath.Dir(dir)} {
			info, err := os.Stat(made)
			must(t, err)
			if info.Mode().Perm() != 0o700 {
				t.Errorf("%s: got mode %v, want 0700", made, info.Mode().Perm())
			}
		}
		must(t, MakePrivateDir(dir))
	})
}

func mkdir(t *testing.T, dir string, mode os.FileMode) {
	t.Helper()
	must(t, os.Mkdir(dir, 0o700))
	must(t, os.Chmod(dir, mode)) // whatever the umask
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// The last note counts, in whichever directory it was written.
func TestNewestNote(t *testing.T) {
	first, next := filepath.Join(t.TempDir(), "state"), filepath.Join(t.TempDir(), "service-1")
	d := dirsOf(first, next)
	write := func(dir, text string, at time.Time) {
		t.Helper()
		must(t, dirsOf(dir).WriteNote("note", []byte(text)))
		must(t, os.Chtimes(filepath.Join(dir, "note"), at, at))
	}
	noon := time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name                string
		inFirst, inNext     string
		firstTime, nextTime time.Time
		want                string
	}{
		{"the first directory's", "a", "b", noon, noon.Add(-time.Hour), "a"},
		{"the next one's", "a", "b", noon.Add(-time.Second), noon, "b"},
		{"an empty one, for none", "a", "", noon, noon.Add(time.Second), ""},
		{"one after an empty one", "a", "", noon, noon.Add(-time.Second), "a"},
	} {
		t.Run(test.name, func(t *testing.T) {
			write(first, test.inFirst, test.firstTime)
			write(next, test.inNext, test.nextTime)
			got, err := d.ReadNote("note")
			if string(got) != test.want || errors.Is(err, os.ErrNotExist) != (test.want == "") {
				t.Errorf("got %q, %v, want %q", got, err, test.want)
			}
		})
	}
	must(t, d.RemoveNote("note"))
	for _, dir := range []string{first, next} {
		if _, err := os.Lstat(filepath.Join(dir, "note")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("got %v for the note in %s, want it removed", err, dir)
		}
	}
}
