package pin

import (
	"context"
	"os"
	"strings"
	"testing"
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
