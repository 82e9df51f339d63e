package keychain

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"docker-credential-cgr/state"
)

// newFileStore returns a file store with one entry, "n", and the path of its file.
func newFileStore(t *testing.T) (s *fileStore, path string) {
	t.Helper()
	s = &fileStore{dir: filepath.Join(t.TempDir(), "state")}
	must(t, s.set("n", "former", time.Time{}))
	return s, s.path("n")
}

func TestFileStoreModes(t *testing.T) {
	unixOnly(t)
	s, path := newFileStore(t)
	for what, want := range map[string]os.FileMode{s.dir: 0o700, path: 0o600} {
		info, err := os.Stat(what)
		must(t, err)
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s: got mode %04o, want %04o", what, got, want)
		}
	}
	// Each name has its own file in the folder.
	if other := s.path("n "); other == path || filepath.Dir(other) != s.dir {
		t.Errorf("got path %s, want another one than %s in the same folder", other, path)
	}
	if got := s.path("credential cgr.dev https://issuer.example/../../x"); filepath.Dir(got) != s.dir {
		t.Errorf("got path %s, want one in %s", got, s.dir)
	}
}

// A file that others could have read or written is refused and not changed.
func TestFileStoreRefuses(t *testing.T) {
	unixOnly(t)
	tests := []struct {
		name  string
		spoil func(t *testing.T, path string)
		want  string
	}{
		{"I42 file 0644", func(t *testing.T, path string) { must(t, os.Chmod(path, 0o644)) }, "mode 0644"},
		{"I42 file 0666", func(t *testing.T, path string) { must(t, os.Chmod(path, 0o666)) }, "mode 0666"},
		{"I42 file 0620", func(t *testing.T, path string) { must(t, os.Chmod(path, 0o620)) }, "mode 0620"},
		{"I42 two hard links", func(t *testing.T, path string) { must(t, os.Link(path, path+".other")) }, "2 hard links"},
		{"I42 link", func(t *testing.T, path string) {
			must(t, os.Rename(path, path+".other"))
			must(t, os.Symlink(path+".other", path))
		}, "symbolic link"},
		{"I42 folder", func(t *testing.T, path string) {
			must(t, os.Remove(path))
			must(t, os.Mkdir(path, 0o700))
		}, "not a regular file"},
		{"I42 FIFO, which does not hang", func(t *testing.T, path string) {
			must(t, os.Remove(path))
			makeFIFO(t, path)
		}, "not a regular file"},
		{"I42 another user's file", func(t *testing.T, path string) {
			if err := os.Chown(path, 12345, 12345); err != nil {
				t.Skipf("only root can give a file away: %v", err)
			}
		}, "belongs to user 12345"},
		{"I42 over 1 MiB", func(t *testing.T, path string) { must(t, os.Truncate(path, state.MaxFile+1)) }, "over 1048576 bytes"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, path := newFileStore(t)
			test.spoil(t, path)
			before, err := os.Lstat(path)
			must(t, err)
			got, err := s.get("n")
			if err == nil || got != "" || errors.Is(err, ErrNotFound) {
				t.Fatalf("got %q, %v, want an error that is not ErrNotFound", got, err)
			}
			if !strings.Contains(err.Error(), path) || test.want != "symbolic link" && !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %q, want the path and %q in it", err, test.want)
			}
			after, err := os.Lstat(path)
			must(t, err)
			if before.Mode() != after.Mode() {
				t.Errorf("got mode %v, want %v still", after.Mode(), before.Mode())
			}
		})
	}
	t.Run("1 MiB is read", func(t *testing.T) {
		s, path := newFileStore(t)
		must(t, os.Truncate(path, state.MaxFile))
		if got, err := s.get("n"); err != nil || len(got) != state.MaxFile {
			t.Errorf("got %d bytes, %v, want %d", len(got), err, state.MaxFile)
		}
	})
}

// A write replaces the file in one step and follows no link.
func TestFileStoreWrite(t *testing.T) {
	unixOnly(t)
	t.Run("I42 a link's target stays", func(t *testing.T) {
		s, path := newFileStore(t)
		target := filepath.Join(t.TempDir(), "target")
		must(t, os.WriteFile(target, []byte("target's"), 0o600))
		must(t, os.Remove(path))
		must(t, os.Symlink(target, path))
		must(t, s.set("n", "new", time.Time{}))
		wantValue(t, s, "n", "new")
		if got, err := os.ReadFile(target); err != nil || string(got) != "target's" {
			t.Errorf("the link's target: got %q, %v, want it untouched", got, err)
		}
	})
	t.Run("I42 an open file is replaced by a private one", func(t *testing.T) {
		s, path := newFileStore(t)
		must(t, os.Chmod(path, 0o666))
		must(t, s.set("n", "new", time.Time{}))
		wantValue(t, s, "n", "new")
	})
	t.Run("F11 a failed write leaves no other file", func(t *testing.T) {
		s, path := newFileStore(t)
		must(t, os.Remove(path))
		must(t, os.Mkdir(path, 0o700)) // which no file can replace
		if err := s.set("n", "new", time.Time{}); err == nil {
			t.Fatal("got no error, want one")
		}
		if left := temporary(t, s.dir); len(left) != 0 {
			t.Errorf("got %q left over, want none", left)
		}
	})
	t.Run("F13 the files of a killed process are removed", func(t *testing.T) {
		s, _ := newFileStore(t)
		old, young := filepath.Join(s.dir, "new-1"), filepath.Join(s.dir, "new-2")
		must(t, os.WriteFile(old, []byte("half a sec"), 0o600))
		must(t, os.WriteFile(young, nil, 0o600))
		must(t, os.Chtimes(old, time.Time{}, time.Now().Add(-2*time.Minute)))
		must(t, s.set("n", "new", time.Time{}))
		if left := temporary(t, s.dir); len(left) != 1 || left[0] != young {
			t.Errorf("got %q left, want %q, whose writer may still run", left, young)
		}
	})
}

func temporary(t *testing.T, dir string) []string {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(dir, "new-*"))
	must(t, err)
	return left
}
