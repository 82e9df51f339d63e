package dockerconfig

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"docker-credential-cgr/hint"
)

const (
	before = "{\n\t\"auths\": {}\n}"
	after  = "{\n\t\"auths\": {},\n\t\"credHelpers\": {\n\t\t\"cgr.dev\": \"cgr\"\n\t}\n}"
)

func unixOnly(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("modes, owners and links are Unix's")
	}
}

// edited returns the file at path with our entry, not saved.
func edited(t testing.TB, path string) *File {
	t.Helper()
	f := load(t, path)
	_, err := f.Add(host, helper, false)
	must(t, err)
	return f
}

// wantRefused fails the test unless err is one line that, with its hints, contains want.
func wantRefused(t testing.TB, err error, want ...string) {
	t.Helper()
	if err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v, want one line", err)
		return
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

const byHand = `put this in by hand: "credHelpers": {"cgr.dev": "cgr"}`

func TestSaveLinks(t *testing.T) {
	unixOnly(t)
	setUp := func(t *testing.T) (home, target string) {
		home = t.TempDir()
		must(t, os.MkdirAll(filepath.Join(home, ".docker"), 0o700))
		must(t, os.MkdirAll(filepath.Join(home, "dotfiles"), 0o700))
		target = filepath.Join(home, "dotfiles", "docker.json")
		must(t, os.WriteFile(target, []byte(before), 0o600))
		return home, target
	}
	tests := []struct {
		name  string
		links []string // name, target, name, target …; "~" is the home
	}{
		{"I32 relative", []string{".docker/config.json", "../dotfiles/docker.json"}},
		{"I32 absolute", []string{".docker/config.json", "~/dotfiles/docker.json"}},
		{"I32 chain", []string{".docker/config.json", "second", ".docker/second", "~/third", "third", "dotfiles/docker.json"}},
		{"I32 linked folder", []string{"folder", "dotfiles", ".docker/config.json", "../folder/docker.json"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			home, target := setUp(t)
			for i := 0; i < len(test.links); i += 2 {
				must(t, os.Symlink(strings.Replace(test.links[i+1], "~", home, 1), filepath.Join(home, test.links[i])))
			}
			path := filepath.Join(home, ".docker", "config.json")
			addTo(t, path)
			wantText(t, target, after)
			wantAlone(t, target)
			removeFrom(t, path)
			wantText(t, target, before)
			if got, err := os.Readlink(path); err != nil || got != strings.Replace(test.links[len(test.links)-1], "~", home, 1) && got != strings.Replace(test.links[1], "~", home, 1) {
				t.Errorf("got link %q, %v, want it as it was", got, err)
			}
		})
	}
	t.Run("I32 the folder is a link", func(t *testing.T) {
		home, target := setUp(t)
		must(t, os.Remove(filepath.Join(home, ".docker")))
		must(t, os.Symlink("dotfiles", filepath.Join(home, ".docker")))
		addTo(t, filepath.Join(home, ".docker", "docker.json"))
		wantText(t, target, after)
	})
	t.Run("I32 dangling", func(t *testing.T) {
		home, _ := setUp(t)
		path := filepath.Join(home, ".docker", "config.json")
		must(t, os.Symlink("../gone/config.json", path))
		_, err := Load(path)
		wantRefused(t, err, path+" is a link that cannot be followed", filepath.Join(home, "gone"), "remove the link")
		if _, err := os.Stat(filepath.Join(home, "gone")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("got %v, want nothing made", err)
		}
	})
	t.Run("I32 loop", func(t *testing.T) {
		home, _ := setUp(t)
		path := filepath.Join(home, ".docker", "config.json")
		must(t, os.Symlink("second", path))
		must(t, os.Symlink("config.json", filepath.Join(home, ".docker", "second")))
		_, err := Load(path)
		wantRefused(t, err, path+" is a link that cannot be followed")
	})
	t.Run("I32 the folder is a dangling link", func(t *testing.T) {
		home := t.TempDir()
		must(t, os.Symlink("gone", filepath.Join(home, ".docker")))
		wantRefused(t, edited(t, filepath.Join(home, ".docker", "config.json")).Save(), ".docker", byHand)
	})
	t.Run("I36 replaced by a link", func(t *testing.T) {
		_, target := setUp(t)
		path := writeFile(t, before)
		f := edited(t, path)
		f.raced = func() {
			must(t, os.Remove(path))
			must(t, os.Symlink(target, path))
		}
		wantRefused(t, f.Save(), path+" is not a regular file")
		wantText(t, target, before)
	})
}

func TestLoadOddFiles(t *testing.T) {
	unixOnly(t)
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	must(t, exec.Command("mkfifo", fifo).Run())
	for path, want := range map[string]string{dir: "not a regular file", fifo: "not a regular file", filepath.Join(writeFile(t, "{}"), "config.json"): "not a directory"} {
		_, err := Load(path)
		wantRefused(t, err, want)
	}
}

func TestSaveModes(t *testing.T) {
	unixOnly(t)
	for _, mode := range []fs.FileMode{0o600, 0o644, 0o664, 0o400, 0o444, 0o640} {
		t.Run(fmt.Sprintf("I34 %04o", mode), func(t *testing.T) {
			path := writeFile(t, before)
			must(t, os.Chmod(path, mode))
			for _, step := range []func(testing.TB, string){addTo, removeFrom} {
				step(t, path)
				info, err := os.Stat(path)
				must(t, err)
				if got := info.Mode().Perm(); got != mode {
					t.Errorf("got mode %04o, want %04o", got, mode)
				}
			}
			wantText(t, path, before)
			wantAlone(t, path)
		})
	}
	t.Run("I34 a new file and its folder", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), ".docker", "config.json")
		addTo(t, path)
		for what, want := range map[string]fs.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
			info, err := os.Stat(what)
			must(t, err)
			if got := info.Mode().Perm(); got != want {
				t.Errorf("%s: got mode %04o, want %04o", what, got, want)
			}
		}
	})
	t.Run("I34 hard link", func(t *testing.T) {
		path := writeFile(t, before)
		other := filepath.Join(t.TempDir(), "other")
		must(t, os.Link(path, other))
		wantRefused(t, edited(t, path).Save(), path+" cannot be replaced: it has other hard links", "cp -p", byHand)
		wantText(t, other, before)
		wantAlone(t, path)
	})
}

// Without a change nothing is written.
func TestSaveNothing(t *testing.T) {
	path := writeFile(t, after)
	stamp := time.Now().Add(-time.Hour)
	must(t, os.Chtimes(path, stamp, stamp))
	was, err := os.Stat(path)
	must(t, err)
	addTo(t, path)
	is, err := os.Stat(path)
	must(t, err)
	if !os.SameFile(was, is) || !was.ModTime().Equal(is.ModTime()) {
		t.Error("got another file, want it left alone")
	}
}

func TestSaveAgainstOthers(t *testing.T) {
	t.Run("I36 written before", func(t *testing.T) {
		path := writeFile(t, before)
		f := edited(t, path)
		must(t, os.WriteFile(path, []byte(`{"auths":{"ghcr.io":{}}}`), 0o600))
		must(t, f.Save())
		wantText(t, path, `{"auths":{"ghcr.io":{}},"credHelpers":{"cgr.dev":"cgr"}}`)
	})
	t.Run("I36 made meanwhile", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "config.json")
		f := edited(t, path)
		f.raced = func() { f.raced = nil; must(t, os.WriteFile(path, []byte(before), 0o640)) }
		must(t, f.Save())
		wantText(t, path, after)
		wantAlone(t, path)
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 && runtime.GOOS != "windows" {
			t.Errorf("got %v, %v, want the other program's mode", info.Mode(), err)
		}
	})
	t.Run("I36 I34 another mode meanwhile", func(t *testing.T) {
		unixOnly(t)
		path := writeFile(t, before)
		f := edited(t, path)
		f.raced = func() { f.raced = nil; must(t, os.Chmod(path, 0o640)) }
		must(t, f.Save())
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
			t.Errorf("got %v, %v, want the newer mode", info.Mode(), err)
		}
	})
	t.Run("I36 removed meanwhile", func(t *testing.T) {
		path := writeFile(t, before)
		f := edited(t, path)
		f.raced = func() { f.raced = nil; must(t, os.Remove(path)) }
		must(t, f.Save())
		removeFrom(t, path)
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("got %v, want no file: it was ours", err)
		}
	})
	t.Run("I36 another program writes again and again, then stops", func(t *testing.T) {
		path := writeFile(t, before)
		f := edited(t, path)
		n := 0
		f.raced = func() {
			if n++; n < maxAttempts {
				must(t, os.WriteFile(path, fmt.Appendf(nil, `{"n":%d}`, n), 0o600))
			}
		}
		must(t, f.Save())
		wantText(t, path, fmt.Sprintf(`{"n":%d,"credHelpers":{"cgr.dev":"cgr"}}`, maxAttempts-1))
	})
	t.Run("I36 another program writes again and again", func(t *testing.T) {
		path := writeFile(t, before)
		f := edited(t, path)
		n := 0
		f.raced = func() { n++; must(t, os.WriteFile(path, fmt.Appendf(nil, `{"n":%d}`, n), 0o600)) }
		wantRefused(t, f.Save(), "another program keeps changing", "run this again")
		wantText(t, path, fmt.Sprintf(`{"n":%d}`, maxAttempts))
		wantAlone(t, path)
	})
	t.Run("I36 the same change by another", func(t *testing.T) {
		path := writeFile(t, before)
		f := edited(t, path)
		f.raced = func() { f.raced = nil; must(t, os.WriteFile(path, []byte(after), 0o600)) }
		must(t, f.Save())
		wantText(t, path, after)
	})
	t.Run("I36 broken meanwhile", func(t *testing.T) {
		path := writeFile(t, before)
		f := edited(t, path)
		f.raced = func() { must(t, os.WriteFile(path, []byte("{\n\t\"au"), 0o600)) }
		wantRefused(t, f.Save(), path+":2:", "invalid JSON")
		wantText(t, path, "{\n\t\"au")
		wantAlone(t, path)
	})
	t.Run("I37 another helper meanwhile", func(t *testing.T) {
		path := writeFile(t, before)
		f := edited(t, path)
		must(t, os.WriteFile(path, []byte(`{"credHelpers":{"cgr.dev":"desktop"}}`), 0o600))
		wantRefused(t, f.Save(), path+":1:17", `"desktop"`)
		wantText(t, path, `{"credHelpers":{"cgr.dev":"desktop"}}`)
	})
	t.Run("P19 a new file, saved twice", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "config.json")
		f := edited(t, path)
		must(t, f.Save())
		_, err := f.Remove(host, helper)
		must(t, errors.Join(err, f.Save()))
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("got %v, want no file", err)
		}
	})
	t.Run("I36 used again", func(t *testing.T) {
		path := writeFile(t, before)
		f := edited(t, path)
		must(t, f.Save())
		if f.Changed() {
			t.Error("got a change left, want it saved")
		}
		_, err := f.Remove(host, helper)
		must(t, err)
		must(t, f.Save())
		wantText(t, path, before)
	})
	t.Run("F13 files of a killed process are removed", func(t *testing.T) {
		path := writeFile(t, before)
		left := filepath.Join(filepath.Dir(path), ".config.json.pending-1")
		must(t, os.WriteFile(left, []byte("{"), 0o600))
		must(t, os.Chtimes(left, time.Time{}, time.Now().Add(-2*time.Minute)))
		addTo(t, path)
		wantAlone(t, path)
	})
}
