package keychain

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

func TestStateDir(t *testing.T) {
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
			if got, err := stateDir("service"); err != nil || got != test.want {
				t.Errorf("got %q, %v, want %q", got, err, test.want)
			}
		})
	}
}

// Without a $HOME that can be used the home is that of the user database, which
// Docker takes too.
func TestStateDirOfTheUserDatabase(t *testing.T) {
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
			if got, err := stateDir("service"); err != nil || got != want {
				t.Errorf("HOME=%q: got %q, %v, want %q", home, got, err, want)
			}
		})
	}
}

var errHomeless = errors.New("user 1234999 has no home directory")

// Where there is no place for files, looking finds nothing and removing succeeds;
// storing fails and says why.
func TestHomeless(t *testing.T) {
	unixOnly(t)
	refused := newMemory(0)
	refused.before = absentHere
	for name, k := range map[string]*Keychain{
		"file": openHomeless(t, File),
		// As with a seccomp profile that refuses keyctl.
		"kernel":      homelessAfter(t, openHomeless(t, Kernel), refused),
		"system's":    homelessAfter(t, openHomeless(t, OS), refused),
		"first there": homelessAfter(t, openHomeless(t, Auto), refused),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := k.Get("n"); err != ErrNotFound {
				t.Errorf("get: got %v, want ErrNotFound", err)
			}
			must(t, k.Delete("n"))
			for do, err := range map[string]error{"set": k.Set("n", "new-secret", time.Time{}), "probe": k.Probe()} {
				if !errors.Is(err, ErrNoStore) || !errors.Is(err, errHomeless) {
					t.Errorf("%s: got %v, want ErrNoStore and its reason", do, err)
				}
			}
			if got := k.String(); got != "no store" {
				t.Errorf("got the name %q, want that there is no store", got)
			}
			if got := k.Why(); !strings.Contains(got, errHomeless.Error()) {
				t.Errorf("got the reason %q, want it to say that there is no home", got)
			}
		})
	}
	t.Run("P9 a locked store is an error all the same", func(t *testing.T) {
		locked := newMemory(0)
		locked.before = func(string, string) error { return errors.New("locked") }
		var failed *Error
		if _, err := homelessAfter(t, openHomeless(t, OS), locked).Get("n"); !errors.As(err, &failed) {
			t.Errorf("got %v, want the store's own error", err)
		}
	})
}

func openHomeless(t *testing.T, kind Kind) *Keychain {
	t.Helper()
	k, err := open(kind, "service", 0, "", errHomeless)
	must(t, err)
	return k
}

// homelessAfter puts a store in memory in the place of the system's ones.
func homelessAfter(t *testing.T, k *Keychain, m *memory) *Keychain {
	t.Helper()
	auto, ok := k.store.(*autoStore)
	if !ok {
		t.Fatalf("got %T, want a store that can be passed over", k.store)
	}
	for i := range auto.candidates[:len(auto.candidates)-1] {
		auto.candidates[i].store, auto.candidates[i].absent = m, isAbsent
	}
	return k
}

// A HOME that a container leaves at a folder of somebody else holds no store.
func TestFileStoreOutOfReach(t *testing.T) {
	unixOnly(t)
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	closed := filepath.Join(t.TempDir(), "closed")
	mkdir(t, closed, 0)
	t.Cleanup(func() { _ = os.Chmod(closed, 0o700) })
	dirs := map[string]string{"below a file": filepath.Join(file, "state")}
	if os.Getuid() != 0 { // root can look everywhere
		dirs["in a closed folder"] = filepath.Join(closed, "state")
	}
	for name, dir := range dirs {
		s := &fileStore{dir: dir}
		wantAbsent(t, s, "n")
		if err := s.delete("n"); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: delete: got %v, want ErrNotFound", name, err)
		}
		if err := s.set("n", "value", time.Time{}); err == nil {
			t.Errorf("%s: set: got no error, want one", name)
		}
	}
}

func TestFileStorePrivateDir(t *testing.T) {
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
			s := &fileStore{dir: dir}
			_, getErr := s.get("n")
			for do, err := range map[string]error{"get": getErr, "set": s.set("n", "value", time.Time{}), "delete": s.delete("n")} {
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
