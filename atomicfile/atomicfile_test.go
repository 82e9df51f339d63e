package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"docker-credential-cgr/hint"
)

const (
	before = "FROM registry.example/image:1\n"
	after  = "FROM registry.example/image:2\nUSER nobody\n"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func unixOnly(t testing.TB) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("modes, owners and links are Unix's")
	}
}

// newFile returns a file with the content before, alone in its folder.
func newFile(t testing.TB) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "Dockerfile")
	must(t, os.WriteFile(path, []byte(before), 0o600))
	return path
}

func wantText(t testing.TB, path, want string) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("%s: got %q, %v, want %q", path, got, err, want)
	}
}

func wantMode(t testing.TB, path string, want fs.FileMode) {
	t.Helper()
	info, err := os.Lstat(path)
	must(t, err)
	if got := info.Mode(); got != want && runtime.GOOS != "windows" {
		t.Errorf("%s: got mode %v, want %v", path, got, want)
	}
}

// look describes the file at path.
func look(t testing.TB, path string) string {
	t.Helper()
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "nothing"
	case err == nil && info.Mode().IsRegular():
		text, err := os.ReadFile(path)
		must(t, err)
		return info.Mode().String() + " " + string(text)
	case err == nil && info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(path)
		must(t, err)
		return "link to " + target
	}
	must(t, err)
	return info.Mode().String()
}

// wantAlone fails the test if the folder of path has another file.
func wantAlone(t testing.TB, path string) {
	t.Helper()
	left, err := os.ReadDir(filepath.Dir(path))
	must(t, err)
	for _, entry := range left {
		if entry.Name() != filepath.Base(path) {
			t.Errorf("got %s left over, want nothing", entry.Name())
		}
	}
}

// wantRefused fails the test unless err is one line that, with its hints, contains want.
func wantRefused(t testing.TB, err error, want ...string) {
	t.Helper()
	if err == nil || strings.Contains(err.Error(), "\n") {
		t.Fatalf("got %v, want one line", err)
	}
	text := err.Error()
	for _, h := range hint.Of(err) {
		text += "; " + h.Text
	}
	for _, part := range want {
		if !strings.Contains(text, part) {
			t.Errorf("got %q, want %q in it", text, part)
		}
	}
}

func TestWriteTemp(t *testing.T) {
	t.Run("finished", func(t *testing.T) {
		dir := t.TempDir()
		path, err := WriteTemp(dir, ".a-*", []byte(after), func(f *os.File) error { return f.Chmod(0o640) })
		must(t, err)
		wantText(t, path, after)
		wantMode(t, path, 0o640)
		if ok, _ := filepath.Match(filepath.Join(dir, ".a-?*"), path); !ok {
			t.Errorf("got %s, want a name made of the pattern", path)
		}
	})
	t.Run("private by default", func(t *testing.T) {
		path, err := WriteTemp(t.TempDir(), "a-*", nil, nil)
		must(t, err)
		wantText(t, path, "")
		wantMode(t, path, 0o600)
	})
	t.Run("a failure leaves nothing", func(t *testing.T) {
		path := newFile(t)
		bad := errors.New("bad")
		if _, err := WriteTemp(filepath.Dir(path), "a-*", nil, func(*os.File) error { return bad }); err != bad {
			t.Errorf("got %v, want finish's error", err)
		}
		if _, err := WriteTemp(filepath.Dir(path), "a-*", []byte(after), (*os.File).Close); !errors.Is(err, os.ErrClosed) {
			t.Errorf("got %v, want the error of Sync", err)
		}
		wantAlone(t, path)
	})
}

func TestReplace(t *testing.T) {
	t.Run("a new file", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "new")
		must(t, Replace(path, "a-*", []byte(after), 0o600))
		wantText(t, path, after)
		wantMode(t, path, 0o600)
		wantAlone(t, path)
	})
	t.Run("an old file", func(t *testing.T) {
		path := newFile(t)
		must(t, Replace(path, "a-*", []byte(after), 0o644))
		wantText(t, path, after)
		wantMode(t, path, 0o644)
		wantAlone(t, path)
	})
	t.Run("a folder stays", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "folder")
		must(t, os.Mkdir(path, 0o700))
		if err := Replace(path, "a-*", []byte(after), 0o600); err == nil {
			t.Error("got no error, want one")
		}
		wantAlone(t, path)
	})
}

func TestCreate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new")
	must(t, Create(path, []byte(before)))
	wantText(t, path, before)
	wantMode(t, path, 0o600)
	if err := Create(path, []byte(after)); !errors.Is(err, ErrChanged) {
		t.Errorf("C16 there is a file: got %v, want ErrChanged", err)
	}
	wantText(t, path, before)
	wantAlone(t, path)
}

func TestRemove(t *testing.T) {
	t.Run("removed", func(t *testing.T) {
		path := newFile(t)
		must(t, Remove(path, []byte(before)))
		if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) > 0 {
			t.Errorf("got %v, %v, want an empty folder", left, err)
		}
	})
	for name, remove := range map[string]func(string, []byte) error{"C16 changed before": Remove, "C16 changed at the last moment": remove} {
		t.Run(name, func(t *testing.T) {
			path := newFile(t)
			if err := remove(path, []byte(after)); !errors.Is(err, ErrChanged) {
				t.Errorf("got %v, want ErrChanged", err)
			}
			wantText(t, path, before)
			wantAlone(t, path)
		})
	}
}

func TestSweep(t *testing.T) {
	for _, base := range []string{"Dockerfile", "[id].yaml", "a*b", "*"} {
		if runtime.GOOS == "windows" && strings.Contains(base, "*") {
			continue // not a valid name there
		}
		t.Run("F13 "+base, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "[x]")
			must(t, os.Mkdir(dir, 0o700))
			pattern := "." + base + ".new-*"
			old, err := WriteTemp(dir, pattern, nil, nil)
			must(t, err)
			young, err := WriteTemp(dir, pattern, nil, nil)
			must(t, err)
			stays := []string{base, "." + base + ".new", "." + base + ".new-", "." + base + ".new-review", "." + base + "2.new-1", base + ".new-1"}
			for _, name := range stays {
				must(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
			}
			long := time.Now().Add(-abandoned - time.Second)
			for _, name := range append(stays, filepath.Base(old)) {
				must(t, os.Chtimes(filepath.Join(dir, name), long, long))
			}
			Sweep(dir, pattern)
			if _, err := os.Lstat(old); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("got %v, want the file of a killed process removed", err)
			}
			for _, name := range append(stays, filepath.Base(young)) {
				if _, err := os.Lstat(filepath.Join(dir, name)); err != nil {
					t.Errorf("got %v, want it left alone", err)
				}
			}
		})
	}
	Sweep(filepath.Join(t.TempDir(), "gone"), "*") // is not a failure
}
