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

// newFile gives a file with the content before, alone in its folder.
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

// look gives what can be seen of the file at path.
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

// wantAlone says whether nothing lies in path's folder but path.
func wantAlone(t testing.TB, path string) {
	t.Helper()
	left, err := os.ReadDir(filepath.Dir(path))
	must(t, err)
	for _, entry := range left {
		if entry.Name() != filepath.Base(path) {
			t.Errorf("got %s left behind, want nothing", entry.Name())
		}
	}
}

// wantRefused says whether err is a refusal that helps: one line with want in it.
func wantRefused(t testing.TB, err error, want ...string) {
	t.Helper()
	for _, part := range want {
		if err == nil || !strings.Contains(err.Error(), part) || strings.Contains(err.Error(), "\n") {
			t.Errorf("got %v, want one line with %q", err, part)
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
			t.Errorf("got %s, want a name that the pattern gives", path)
		}
	})
	t.Run("private unless told otherwise", func(t *testing.T) {
		path, err := WriteTemp(t.TempDir(), "a-*", nil, nil)
		must(t, err)
		wantText(t, path, "")
		wantMode(t, path, 0o600)
	})
	t.Run("nothing is left of a failure", func(t *testing.T) {
		path := newFile(t)
		bad := errors.New("bad")
		if _, err := WriteTemp(filepath.Dir(path), "a-*", nil, func(*os.File) error { return bad }); err != bad {
			t.Errorf("got %v, want finish's error", err)
		}
		if _, err := WriteTemp(filepath.Dir(path), "a-*", []byte(after), (*os.File).Close); !errors.Is(err, os.ErrClosed) {
			t.Errorf("got %v, want what sync says", err)
		}
		wantAlone(t, path)
	})
}

func TestReplace(t *testing.T) {
	t.Run("a new file", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "new")
		must(t, Replace(path, "a-*", []byte(after), nil))
		wantText(t, path, after)
		wantMode(t, path, 0o600)
		wantAlone(t, path)
	})
	t.Run("an old file", func(t *testing.T) {
		path := newFile(t)
		must(t, Replace(path, "a-*", []byte(after), func(f *os.File) error { return f.Chmod(0o644) }))
		wantText(t, path, after)
		wantMode(t, path, 0o644)
		wantAlone(t, path)
	})
	t.Run("a folder stays", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "folder")
		must(t, os.Mkdir(path, 0o700))
		if err := Replace(path, "a-*", []byte(after), nil); err == nil {
			t.Error("got no error, want one")
		}
		wantAlone(t, path)
	})
}

func TestExchange(t *testing.T) {
	if runtime.GOOS != "linux" && runtime.GOOS != "darwin" {
		t.Skip("this system cannot exchange two files in one step")
	}
	unreadable := errors.New("unreadable")
	tests := []struct {
		name     string
		expected bool
		err      error
		want     string
	}{
		{"C16 as expected", true, nil, after},
		{"C16 overtaken", false, nil, before},
		{"C16 cannot tell", false, unreadable, before},
		{"C16 cannot tell for sure", true, unreadable, before},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := newFile(t)
			temp, err := WriteTemp(filepath.Dir(path), "a-*", []byte(after), nil)
			must(t, err)
			done, err := Exchange(temp, path, func() (bool, error) {
				wantText(t, path, after)
				wantText(t, temp, before)
				return test.expected, test.err
			})
			if want := test.want == after; done != want || err != test.err {
				t.Errorf("got %v, %v, want %v, %v", done, err, want, test.err)
			}
			wantText(t, path, test.want)
		})
	}
	t.Run("C16 removed meanwhile", func(t *testing.T) {
		path := newFile(t)
		must(t, os.Remove(path))
		temp, err := WriteTemp(filepath.Dir(path), "a-*", []byte(after), nil)
		must(t, err)
		if done, err := Exchange(temp, path, nil); done || err != nil {
			t.Errorf("got %v, %v, want false, nil", done, err)
		}
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("got %v, want no file: another program removed it", err)
		}
	})
}

func TestSweep(t *testing.T) {
	for _, base := range []string{"Dockerfile", "[id].yaml", "a*b", "*"} {
		if runtime.GOOS == "windows" && strings.Contains(base, "*") {
			continue // not a name there
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
				t.Errorf("got %v, want what a killed run left removed", err)
			}
			for _, name := range append(stays, filepath.Base(young)) {
				if _, err := os.Lstat(filepath.Join(dir, name)); err != nil {
					t.Errorf("got %v, want it left alone", err)
				}
			}
		})
	}
	Sweep(filepath.Join(t.TempDir(), "gone"), "*") // is no failure
}
