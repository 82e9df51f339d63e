//go:build unix

package idtoken

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func fifo(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPipes(t *testing.T) {
	t.Run("given, it is read once", func(t *testing.T) {
		path := fifo(t)
		source, err := FromFlag(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if source.Path != "" {
			t.Errorf("Path: got %q, want none: a pipe cannot be read again", source.Path)
		}
		written := make(chan error, 1)
		go func() { written <- os.WriteFile(path, []byte(jwt+"\n"), 0) }()
		for range 2 {
			token, err := source.Token(t.Context())
			wants(t, token, err, jwt, "")
		}
		if err := <-written; err != nil {
			t.Error(err)
		}
	})
	t.Run("a shell's <(command)", func(t *testing.T) {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		fmt.Fprintln(w, jwt)
		w.Close()
		source, err := FromFlag(fmt.Sprintf("/dev/fd/%d", r.Fd()), nil)
		if err != nil {
			t.Fatal(err)
		}
		token, err := source.Token(t.Context())
		wants(t, token, err, jwt, "")
		if source.Path != "" {
			t.Errorf("Path: got %q, want none", source.Path)
		}
	})
	t.Run("an open file by its number is not remembered", func(t *testing.T) {
		f, err := os.Create(filepath.Join(t.TempDir(), "token"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		source, err := FromFlag(fmt.Sprintf("/dev/fd/%d", f.Fd()), nil)
		if err != nil || source.Path != "" {
			t.Errorf("got path %q and error %v, want neither", source.Path, err)
		}
	})
	t.Run("nobody writes", func(t *testing.T) {
		path := fifo(t)
		source, err := FromFlag(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = source.Token(ctx)
		wants(t, "", err, "", "no ID token from the pipe "+path)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error: got %v, want one that is context.Canceled", err)
		}
		release(t, path)
	})
	t.Run("remembered, it is refused and not waited for", func(t *testing.T) {
		_, err := File(fifo(t)).Token(t.Context())
		wants(t, "", err, "", "it is not a regular file")
	})
}

// release lets whoever waits for a writer at the pipe go on.
func release(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
}

func TestUnreadable(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may read everything")
	}
	path := filepath.Join(t.TempDir(), "token")
	write(t, path, jwt)
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	_, err := File(path).Token(t.Context())
	wants(t, "", err, "", "permission denied")
	if strings.Count(err.Error(), path) != 1 {
		t.Errorf("error: got %q, want the path once", err)
	}
}
