package keychain

import (
	"errors"
	"os"
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

var errHomeless = errors.New("user 1234999 has no home directory")

// Without a folder for files, Get finds nothing, Delete succeeds, and Set fails with the
// reason.
func TestNoFolder(t *testing.T) {
	unixOnly(t)
	refused := newMemory(0)
	refused.before = failAbsent
	for name, k := range map[string]*Keychain{
		"file": openHomeless(t, File),
		// As with a seccomp profile that refuses keyctl.
		"kernel": homelessAfter(t, openHomeless(t, Kernel), refused),
		"OS":     homelessAfter(t, openHomeless(t, OS), refused),
		"auto":   homelessAfter(t, openHomeless(t, Auto), refused),
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
				t.Errorf("got the name %q, want no store", got)
			}
			if got := k.Why(); !strings.Contains(got, errHomeless.Error()) {
				t.Errorf("got the reason %q, want the error for the home in it", got)
			}
		})
	}
	t.Run("P9 a locked store is still an error", func(t *testing.T) {
		locked := newMemory(0)
		locked.before = func(string, string) error { return errors.New("locked") }
		var failed *Error
		if _, err := homelessAfter(t, openHomeless(t, OS), locked).Get("n"); !errors.As(err, &failed) {
			t.Errorf("got %v, want the error of the store", err)
		}
	})
}

func openHomeless(t *testing.T, kind Kind) *Keychain {
	t.Helper()
	k, err := open(kind, "service", 0, "", errHomeless)
	must(t, err)
	return k
}

// homelessAfter replaces the stores of the system with a store in memory.
func homelessAfter(t *testing.T, k *Keychain, m *memory) *Keychain {
	t.Helper()
	candidates := k.store.candidates
	for i := range candidates[:len(candidates)-1] {
		candidates[i].store, candidates[i].isAbsent = m, isErrAbsent
	}
	return k
}

// A container may set HOME to a folder of another user, which has no store.
func TestFileStoreOutOfReach(t *testing.T) {
	unixOnly(t)
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	closed := filepath.Join(t.TempDir(), "closed")
	mkdir(t, closed, 0)
	t.Cleanup(func() { _ = os.Chmod(closed, 0o700) })
	dirs := map[string]string{"below a file": filepath.Join(file, "state")}
	if os.Getuid() != 0 { // root can read every folder
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

// A folder that is not private is refused and not changed. TestPrivateDir of package state
// has more cases.
func TestFileStorePrivateDir(t *testing.T) {
	unixOnly(t)
	dir := filepath.Join(t.TempDir(), "state")
	mkdir(t, dir, 0o755)
	s := &fileStore{dir: dir}
	_, getErr := s.get("n")
	for do, err := range map[string]error{"get": getErr, "set": s.set("n", "value", time.Time{}), "delete": s.delete("n")} {
		if !errors.Is(err, ErrNotPrivate) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "mode 0755") {
			t.Errorf("I42 %s: got %v, want a refusal with the folder and its mode", do, err)
		}
	}
	if info, err := os.Lstat(dir); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("I42 got mode %v, %v, want it unchanged", info.Mode(), err)
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
