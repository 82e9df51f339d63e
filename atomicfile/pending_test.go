package atomicfile

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func prepare(t testing.TB, path string) *Pending {
	t.Helper()
	old, err := os.ReadFile(path)
	must(t, err)
	p, err := Prepare(path, old, []byte(after))
	must(t, err)
	return p
}

func TestPending(t *testing.T) {
	t.Run("nothing changes before Commit", func(t *testing.T) {
		path := newFile(t)
		p := prepare(t, path)
		wantText(t, path, before)
		wantText(t, p.temp, after)
		must(t, p.Commit())
		wantText(t, path, after)
		wantAlone(t, path)
	})
	t.Run("discarded", func(t *testing.T) {
		path := newFile(t)
		p := prepare(t, path)
		p.Discard()
		wantAlone(t, path)
		if p.Commit() == nil {
			t.Error("Commit: got no error, want one: the temporary file is removed")
		}
		wantText(t, path, before)
	})
	t.Run("discarded after Commit", func(t *testing.T) {
		path := newFile(t)
		p := prepare(t, path)
		temp := p.temp
		must(t, p.Commit())
		must(t, os.WriteFile(temp, nil, 0o600)) // a file of another program
		p.Discard()
		if _, err := os.Lstat(temp); err != nil {
			t.Errorf("got %v, want it left alone", err)
		}
		wantText(t, path, after)
	})
	t.Run("emptied", func(t *testing.T) {
		path := newFile(t)
		p, err := Prepare(path, []byte(before), nil)
		must(t, err)
		must(t, p.Commit())
		wantText(t, path, "")
	})
	t.Run("in the current folder", func(t *testing.T) {
		path := newFile(t)
		t.Chdir(filepath.Dir(path))
		must(t, prepare(t, filepath.Base(path)).Commit())
		wantText(t, path, after)
		wantAlone(t, path)
	})
	t.Run("F13 files of a killed process are removed", func(t *testing.T) {
		path := newFile(t)
		p := prepare(t, path)
		long := time.Now().Add(-abandoned - time.Second)
		must(t, os.Chtimes(p.temp, long, long))
		must(t, prepare(t, path).Commit())
		wantAlone(t, path)
	})
}

func TestPendingModes(t *testing.T) {
	unixOnly(t)
	for _, mode := range []fs.FileMode{0o600, 0o644, 0o664, 0o755, 0o200 | 0o444} {
		t.Run(fmt.Sprintf("I34 %04o", mode), func(t *testing.T) {
			path := newFile(t)
			must(t, os.Chmod(path, mode))
			must(t, prepare(t, path).Commit())
			wantText(t, path, after)
			wantMode(t, path, mode)
		})
	}
}

func TestPendingLinks(t *testing.T) {
	unixOnly(t)
	for name, target := range map[string]string{"I32 relative": "../tree/second", "I32 absolute": "/second"} {
		t.Run(name, func(t *testing.T) {
			path := newFile(t)
			dir := filepath.Join(t.TempDir(), "tree")
			must(t, os.Mkdir(dir, 0o700))
			if filepath.IsAbs(target) {
				target = filepath.Join(dir, target)
			}
			must(t, os.Symlink(path, filepath.Join(dir, "second")))
			link := filepath.Join(dir, "first")
			must(t, os.Symlink(target, link))
			must(t, prepare(t, link).Commit())
			wantText(t, path, after)
			wantAlone(t, path)
			if got, err := os.Readlink(link); got != target {
				t.Errorf("got link %q, %v, want it to lead to %q still", got, err, target)
			}
		})
	}
}

func TestPrepareRefuses(t *testing.T) {
	unixOnly(t)
	tests := []struct {
		name  string
		spoil func(t *testing.T, path string)
		want  string
	}{
		{"I78 read-only, also for root", func(t *testing.T, path string) { must(t, os.Chmod(path, 0o444)) }, "PATH is read-only; chmod u+w PATH"},
		{"I78 writable for others alone", func(t *testing.T, path string) { must(t, os.Chmod(path, 0o464)) }, "chmod u+w PATH"},
		{"I78 hard link", func(t *testing.T, path string) { must(t, os.Link(path, filepath.Join(t.TempDir(), "other"))) },
			"PATH cannot be replaced: it has other hard links, which that would break; cp -p PATH PATH.copy && mv PATH.copy PATH"},
		{"I78 FIFO, which does not hang", func(t *testing.T, path string) {
			must(t, os.Remove(path))
			must(t, makeFIFO(path))
		}, "PATH is not a regular file"},
		{"I78 folder", func(t *testing.T, path string) {
			must(t, os.Remove(path))
			must(t, os.Mkdir(path, 0o700))
		}, "PATH is not a regular file"},
		{"I78 another content than was read", func(t *testing.T, path string) {
			must(t, os.WriteFile(path, []byte("FROM scratch\n"), 0o600))
		}, "PATH was changed by another program"},
		{"I78 no file", func(t *testing.T, path string) { must(t, os.Remove(path)) }, "PATH: no such file"},
		{"I78 dangling link", func(t *testing.T, path string) {
			must(t, os.Remove(path))
			must(t, os.Symlink("gone", path))
		}, "PATH is a link that cannot be followed"},
		{"I78 link to itself", func(t *testing.T, path string) {
			must(t, os.Remove(path))
			must(t, os.Symlink(filepath.Base(path), path))
		}, "PATH is a link that cannot be followed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := newFile(t)
			test.spoil(t, path)
			was := look(t, path)
			_, err := Prepare(path, []byte(before), []byte(after))
			wantRefused(t, err, strings.ReplaceAll(test.want, "PATH", path))
			if is := look(t, path); is != was {
				t.Errorf("got %q, want %q as before", is, was)
			}
			wantAlone(t, path)
		})
	}
}

// What another program does after Prepare is kept.
func TestCommitChanged(t *testing.T) {
	unixOnly(t)
	const other = "FROM registry.example/image:3\n" // of the length that it had
	tests := []struct {
		name   string
		meddle func(t *testing.T, path string)
		want   string
	}{
		{"I78 written in place", func(t *testing.T, path string) { must(t, os.WriteFile(path, []byte(other), 0o600)) }, "PATH was changed by another program"},
		{"I78 appended to", func(t *testing.T, path string) { must(t, os.WriteFile(path, []byte(before+other), 0o600)) }, "PATH was changed"},
		{"I78 replaced", func(t *testing.T, path string) { must(t, Replace(path, "a-*", []byte(other), 0o600)) }, "PATH was changed"},
		{"I78 another mode", func(t *testing.T, path string) { must(t, os.Chmod(path, 0o640)) }, "PATH was changed"},
		{"I78 removed", func(t *testing.T, path string) { must(t, os.Remove(path)) }, "no such file"},
		{"I78 a folder in its place", func(t *testing.T, path string) {
			must(t, os.Remove(path))
			must(t, os.Mkdir(path, 0o700))
		}, "not a regular file"},
		{"I78 a FIFO in its place, which does not hang", func(t *testing.T, path string) {
			must(t, os.Remove(path))
			must(t, makeFIFO(path))
		}, "not a regular file"},
		{"I78 a link in its place", func(t *testing.T, path string) {
			must(t, os.Remove(path))
			must(t, os.Symlink(newFile(t), path))
		}, "PATH is not a regular file"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := newFile(t)
			p := prepare(t, path)
			test.meddle(t, path)
			theirs := look(t, path)
			wantRefused(t, p.Commit(), strings.ReplaceAll(test.want, "PATH", path), path, "run this again")
			if is := look(t, path); is != theirs {
				t.Errorf("got %q, want %q, as the other program left it", is, theirs)
			}
			wantAlone(t, path)
		})
	}
}

// Another program writes the file between the last look at it and the change.
func TestPutChanged(t *testing.T) {
	if runtime.GOOS != "linux" && runtime.GOOS != "darwin" {
		t.Skip("this system cannot exchange two files in one step")
	}
	path := newFile(t)
	p := prepare(t, path)
	const other = "FROM registry.example/image:3\n"
	must(t, os.WriteFile(path, []byte(other), 0o600))
	wantRefused(t, p.put(), path+" was changed by another program")
	p.Discard()
	wantText(t, path, other)
	wantAlone(t, path)
}

// A reader always sees the whole file.
func TestPendingReaders(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	path := newFile(t)
	texts := [][]byte{bytes.Repeat([]byte("a"), 1<<17), bytes.Repeat([]byte("b"), 1<<16)}
	must(t, os.WriteFile(path, texts[0], 0o600))
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				got, err := os.ReadFile(path)
				if err != nil || !bytes.Equal(got, texts[0]) && !bytes.Equal(got, texts[1]) {
					t.Errorf("got %d bytes, %v, want one of the whole texts", len(got), err)
					return
				}
			}
		})
	}
	for i := range 60 {
		p, err := Prepare(path, texts[i%2], texts[(i+1)%2])
		if err == nil {
			err = p.Commit()
		}
		if err != nil {
			t.Errorf("round %d: %v", i, err)
			break
		}
	}
	close(stop)
	readers.Wait()
	wantAlone(t, path)
}

// stepsVariable names a file. With it this test program replaces the file again and
// again, and does one step for each line of standard input.
const stepsVariable = "ATOMICFILE_STEPS"

func TestMain(m *testing.M) {
	path := os.Getenv(stepsVariable)
	if path == "" {
		os.Exit(m.Run())
	}
	var p *Pending
	var err error
	for lines := bufio.NewScanner(os.Stdin); err == nil && lines.Scan(); fmt.Println("done", err) {
		if p == nil {
			p, err = Prepare(path, []byte(before), []byte(after))
		} else {
			err = p.Commit()
			p = nil
		}
	}
}

// A kill leaves the old content or the new: after Prepare, after Commit, and during
// either.
func TestPendingKilled(t *testing.T) {
	program, err := os.Executable()
	must(t, err)
	tests := []struct {
		name  string
		done  int    // finished steps
		begun string // input that begins one more step
		want  []string
	}{
		{"F13 during Prepare", 0, "\n", []string{before}},
		{"F13 after Prepare", 1, "", []string{before}},
		{"F13 during Commit", 1, "\n", []string{before, after}},
		{"F13 after Commit", 2, "", []string{after}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := newFile(t)
			cmd := exec.Command(program)
			cmd.Env = append(os.Environ(), stepsVariable+"="+path)
			in, err := cmd.StdinPipe()
			must(t, err)
			out, err := cmd.StdoutPipe()
			must(t, err)
			must(t, cmd.Start())
			lines := bufio.NewScanner(out)
			for range test.done {
				_, err := io.WriteString(in, "\n")
				must(t, err)
				if !lines.Scan() || lines.Text() != "done <nil>" {
					t.Errorf("got %q, want a step done", lines.Text())
				}
			}
			_, err = io.WriteString(in, test.begun)
			must(t, err)
			must(t, cmd.Process.Kill())
			_ = cmd.Wait() // it was killed
			got, err := os.ReadFile(path)
			must(t, err)
			if !slices.Contains(test.want, string(got)) {
				t.Errorf("got %q, want one of %q", got, test.want)
			}
			must(t, prepare(t, path).Commit())
			wantText(t, path, after)
		})
	}
}
