//go:build unix

package pin

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Opening a FIFO would block until another process writes.
func TestWalkOpensNoFIFO(t *testing.T) {
	root := tree(t, map[string]string{"Dockerfile": image, "a/": "", "b/Dockerfile": image})
	for _, path := range []string{"a/Dockerfile", "a/.gitignore", "a/notes"} {
		if err := syscall.Mkfifo(filepath.Join(root, path), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("I78 FIFO in a folder", func(t *testing.T) {
		got, err := Walk(t.Context(), []string{root}, nil, host)
		if err != nil {
			t.Fatal(err)
		}
		same(t, pathsOf(t, root, got.Files), "Dockerfile", "b/Dockerfile")
		same(t, said(t, root, got.Skipped), "a/Dockerfile is not a regular file")
	})
	t.Run("I78 FIFO that is named", func(t *testing.T) {
		_, err := Walk(t.Context(), at(root, "a/Dockerfile"), nil, host)
		if wrong := new(ArgumentError); !errors.As(err, &wrong) || wrong.Reason != "is neither a file nor a folder" {
			t.Errorf("got %v, want that it is no file", err)
		}
	})
}

// LINK/.. is the parent of the link's target, for reading as for writing.
func TestWalkAboveLink(t *testing.T) {
	root := tree(t, map[string]string{"deep/real/": "", "deep/Dockerfile": image + "deep\n", "Dockerfile": image + "top\n"})
	if err := os.Symlink("deep/real", filepath.Join(root, "link")); err != nil {
		t.Fatal(err)
	}
	want := image + "deep\n"
	read := func(paths ...string) {
		t.Helper()
		got, err := Walk(t.Context(), paths, nil, host)
		if err != nil || len(got.Files) != 1 || string(got.Files[0].Text) != want {
			t.Errorf("%q: got %+v, %v, want the one that is there", paths, got, err)
		}
	}
	read(root + "/link/../Dockerfile")
	t.Chdir(root)
	read("link/../Dockerfile")
	t.Chdir("link")
	t.Setenv("PWD", filepath.Join(root, "link")) // as a shell sets it
	read("../Dockerfile")
	read("..")
}

// Settings of a repository that make git wait forever do not block the caller.
func TestWalkOfARepositoryThatGitCannotRead(t *testing.T) {
	root := tree(t, map[string]string{"Dockerfile": image, ".git/": ""})
	fifo := filepath.Join(root, ".git", "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"init", "--quiet", root}, {"-C", root, "config", "core.excludesFile", fifo}} {
		if out, err := exec.Command("git", args...).CombinedOutput(); errors.Is(err, exec.ErrNotFound) {
			t.Skip("git is not installed")
		} else if err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, out)
		}
	}
	defer func(before time.Duration) { gitTimeout = before }(gitTimeout)
	gitTimeout = time.Second
	got, err := Walk(t.Context(), []string{root}, nil, host)
	if err != nil {
		t.Fatal(err)
	}
	same(t, pathsOf(t, root, got.Files), "Dockerfile")
	same(t, said(t, root, got.Unfiltered), ". git took over 1s")
}
