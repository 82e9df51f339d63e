package tempconfig

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// testEnv returns an environment in which folders are made below a directory of the test, and
// a service that no other test has.
func testEnv(t *testing.T) (service, dir string, getenv func(string) string) {
	t.Helper()
	dir = t.TempDir()
	t.Setenv("TMPDIR", filepath.Join(dir, "tmp"))
	t.Setenv("TMP", filepath.Join(dir, "tmp"))
	if err := os.Mkdir(filepath.Join(dir, "tmp"), 0o700); err != nil {
		t.Fatal(err)
	}
	service = "tempconfig-test-" + filepath.Base(filepath.Dir(dir)) + "-" + filepath.Base(dir)
	t.Cleanup(func() { // where nobody looks for a variable
		for _, parent := range parentFolders(service, func(string) string { return "" }) {
			_ = os.RemoveAll(parent)
		}
	})
	return service, dir, func(name string) string {
		if name == "XDG_RUNTIME_DIR" {
			return dir
		}
		return ""
	}
}

func makeFolder(t *testing.T, service string, getenv func(string) string) *Folder {
	t.Helper()
	f, err := Make(service, getenv)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// abandon ends the lock of a folder, as a process does that is killed.
func (f *Folder) abandon(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(f.Path, "config.json"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := f.lock.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestMake(t *testing.T) {
	service, dir, getenv := testEnv(t)
	dead, alive := makeFolder(t, service, getenv), makeFolder(t, service, getenv)
	dead.abandon(t)
	if info, err := os.Stat(alive.Path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o700 {
		t.Errorf("got %v, %v, want a folder of mode 0700", info, err)
	}
	if runtime.GOOS != "windows" && !strings.HasPrefix(alive.Path, dir+"/") {
		t.Errorf("got %s, want it below XDG_RUNTIME_DIR", alive.Path)
	}
	next := makeFolder(t, service, getenv)
	if _, err := os.Stat(dead.Path); !os.IsNotExist(err) {
		t.Errorf("got %v, want the folder of the process that was killed removed", err)
	}
	for _, f := range []*Folder{alive, next} {
		if _, err := os.Stat(f.Path); err != nil {
			t.Errorf("got %v, want the folder of a process that runs", err)
		}
		if err := f.Remove(); err != nil {
			t.Error(err)
		}
	}
	entries, err := os.ReadDir(filepath.Dir(alive.Path))
	if err != nil || len(entries) != 1 || entries[0].Name() != sweepLock {
		t.Errorf("got %v, %v, want only the lock of the parent folder left", entries, err)
	}
}

// A later process may have another environment.
func TestMakeRemovesElsewhere(t *testing.T) {
	service, _, getenv := testEnv(t)
	elsewhere := makeFolder(t, service, func(string) string { return "" })
	elsewhere.abandon(t)
	defer makeFolder(t, service, getenv).Remove()
	if _, err := os.Stat(elsewhere.Path); !os.IsNotExist(err) {
		t.Errorf("got %v, want the folder removed", err)
	}
}

func TestMakeRefusesOthersFolder(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("folders there have no modes")
	}
	service, dir, getenv := testEnv(t)
	open := parentFolders(service, getenv)[0]
	if err := os.Mkdir(open, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o777); err != nil { //nolint:gosec // as another user could make it
		t.Fatal(err)
	}
	f := makeFolder(t, service, getenv)
	defer f.Remove()
	if strings.HasPrefix(f.Path, dir+"/"+service) {
		t.Errorf("F30 got %s, in a folder that others can write to", f.Path)
	}
}

func TestMakeAtOnce(t *testing.T) {
	service, _, getenv := testEnv(t)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			f, err := Make(service, getenv)
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := os.Stat(f.Path); err != nil {
				t.Errorf("another process removed the folder of one that runs: %v", err)
			}
			if err := f.Remove(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}
