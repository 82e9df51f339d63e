package pin

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"
)

func TestWriteAllOrNone(t *testing.T) {
	const before = "FROM cgr.dev/org/python:3.13\n"
	pinnedSet := func(t *testing.T) *Set {
		s := setOf(t, map[string]string{"a.dockerfile": before, "b.dockerfile": before, "c.dockerfile": before})
		if err := resolve(t, s, Options{}, map[string]string{"org/python:3.13": digest(1)}); err != nil {
			t.Fatal(err)
		}
		return s
	}
	nothing := func(t *testing.T, s *Set, ctx context.Context, changed map[string]string, want ...string) {
		t.Helper()
		written, err := s.Write(ctx)
		if err == nil || written != 0 {
			t.Fatalf("got %d written, %v, want none and an error", written, err)
		}
		for _, text := range want {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("got %q, want it to say %q", err, text)
			}
		}
		for _, name := range []string{"a.dockerfile", "b.dockerfile", "c.dockerfile"} {
			if want, ok := changed[name]; ok && want == "" {
				continue
			} else if !ok {
				want = before
				if got := content(t, name); got != want {
					t.Errorf("got %q in %s, want %q", got, name, want)
				}
			} else if got := content(t, name); got != want {
				t.Errorf("got %q in %s, want %q", got, name, want)
			}
		}
		entries, err := os.ReadDir(".")
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if !strings.HasSuffix(e.Name(), ".dockerfile") {
				t.Errorf("got %s left behind", e.Name())
			}
		}
	}
	t.Run("I78 changed since it was read", func(t *testing.T) {
		s := pinnedSet(t)
		if err := os.WriteFile("b.dockerfile", []byte("FROM scratch\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		nothing(t, s, t.Context(), map[string]string{"b.dockerfile": "FROM scratch\n"}, "b.dockerfile was changed by another program", "no file was changed")
	})
	t.Run("I78 gone since it was read", func(t *testing.T) {
		s := pinnedSet(t)
		if err := os.Remove("b.dockerfile"); err != nil {
			t.Fatal(err)
		}
		nothing(t, s, t.Context(), map[string]string{"b.dockerfile": ""}, "b.dockerfile", "no file was changed")
	})
	t.Run("read-only", func(t *testing.T) {
		s := pinnedSet(t)
		for _, name := range []string{"a.dockerfile", "c.dockerfile"} {
			if err := os.Chmod(name, 0o444); err != nil {
				t.Fatal(err)
			}
		}
		nothing(t, s, t.Context(), nil, "a.dockerfile", "c.dockerfile", "no file was changed")
	})
	t.Run("interrupted", func(t *testing.T) {
		s := pinnedSet(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		nothing(t, s, ctx, nil, "canceled")
	})
}

// If some files cannot be replaced at the end, the error names them, and they do not count as
// changed.
func TestWriteInPart(t *testing.T) {
	const before = "FROM cgr.dev/org/python:3.13\n"
	s := setOf(t, map[string]string{"a.dockerfile": before, "b.dockerfile": before, "c.dockerfile": before})
	if err := resolve(t, s, Options{}, map[string]string{"org/python:3.13": digest(1)}); err != nil {
		t.Fatal(err)
	}
	meddled := false
	s.beforeCommit = func() { // another program's turn
		meddled = true
		after := "FROM cgr.dev/org/python:3.13@" + digest(1) + "\n"
		for name, text := range map[string]string{"b.dockerfile": "FROM scratch\n", "c.dockerfile": after} {
			if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	written, err := s.Write(t.Context())
	if written != 2 || err == nil || !strings.Contains(err.Error(), "b.dockerfile was changed by another program") || strings.Contains(err.Error(), "c.dockerfile") || !meddled {
		t.Fatalf("got %d written, %v, want two, and what became of the third", written, err)
	}
	for _, p := range s.References() {
		if (p.New == "") != (p.File == here("b.dockerfile")) {
			t.Errorf("got %+v, want that b alone stays", p)
		}
	}
	if got := content(t, "b.dockerfile"); got != "FROM scratch\n" {
		t.Errorf("got %q, want what the other program wrote", got)
	}
}

// The next run removes what a killed run left, also next to files that it had changed.
func TestWriteSweeps(t *testing.T) {
	s := setOf(t, map[string]string{"Dockerfile": "FROM cgr.dev/org/python:3.13@" + digest(1) + "\n"})
	old := time.Now().Add(-time.Hour)
	for name, stays := range map[string]bool{".Dockerfile.pending-123": false, ".Dockerfile.pending-review": true} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, old, old); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Write(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Lstat(name); err == nil != stays {
			t.Errorf("%s: got %v, want that it stays: %v", name, err, stays)
		}
	}
}
