package keychain

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A store that misbehaves ends in bounded time, as an *Error that names it.
func TestKeychainBounds(t *testing.T) {
	const secret = "hunter2-hunter2"
	released := make(chan struct{})
	t.Cleanup(func() { close(released) })
	tests := []struct {
		name   string
		before func(do, name string) error
		want   string
	}{
		{"P11 hangs", func(string, string) error { <-released; return nil }, "no answer within 50ms"},
		{"F3 panics", func(string, string) error { panic("with the value " + secret) }, "broke off"},
		{"F3 dereferences nil", func(string, string) error { var m *memory; return m.set("", "", time.Time{}) }, "broke off"},
		{"F1 locked", func(string, string) error { return errors.New("the collection is locked") }, "the collection is locked"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := newMemory(0)
			m.values["n"] = "former"
			k := keychainOf(t, bound(m, 50*time.Millisecond))
			m.before = test.before
			_, getErr := k.Get("n")
			for do, err := range map[string]error{
				"read": getErr, "write to": k.Set("n", secret, time.Time{}), "delete from": k.Delete("n"),
			} {
				var failed *Error
				if !errors.As(err, &failed) {
					t.Errorf("%s: got %v, want an *Error", do, err)
					continue
				}
				if failed.Do != do || !strings.Contains(err.Error(), "memory") || !strings.Contains(err.Error(), test.want) {
					t.Errorf("%s: got %q, want it to say %s memory, %s", do, err, do, test.want)
				}
				if errors.Is(err, ErrNotFound) {
					t.Errorf("P9 %s: got ErrNotFound, which a broken store never is", do)
				}
				if strings.Contains(err.Error(), secret) {
					t.Errorf("P13 %s: got %q, want no secret", do, err)
				}
			}
		})
	}
}

// liar is a store that does not do what it says.
type liar struct {
	*memory
	keep func(value string) (string, bool)
}

func (l liar) set(name, value string, until time.Time) error {
	if kept, ok := l.keep(value); ok {
		return l.memory.set(name, kept, until)
	}
	return nil
}

func TestSetReadsBack(t *testing.T) {
	for name, keep := range map[string]func(string) (string, bool){
		"P10 keeps nothing":       func(string) (string, bool) { return "", false },
		"P10 keeps a part":        func(v string) (string, bool) { return v[:len(v)/2], true },
		"P10 keeps something":     func(string) (string, bool) { return "other-secret", true },
		"F7 keeps what was there": func(string) (string, bool) { return "", false },
	} {
		t.Run(name, func(t *testing.T) {
			l := liar{newMemory(0), keep}
			if strings.HasPrefix(name, "F7") {
				l.values["n"] = "former"
			}
			err := keychainOf(t, l).Set("n", "new-secret", time.Time{})
			var failed *Error
			if !errors.As(err, &failed) || errors.Is(err, ErrNotFound) {
				t.Fatalf("got %v, want an *Error that is no ErrNotFound", err)
			}
			if strings.Contains(err.Error(), "secret-") || strings.Contains(err.Error(), "new-secret") || strings.Contains(err.Error(), "other-secret") {
				t.Errorf("P13 got %q, want no secret", err)
			}
		})
	}
}

// The file store says so in its name, and the other one where it keeps its locks.
func TestOpen(t *testing.T) {
	state := t.TempDir()
	t.Setenv("XDG_STATE_HOME", state)
	k, err := Open(File, "service", 0)
	if err != nil {
		t.Fatal(err)
	}
	if want := "file store " + filepath.Join(state, "service"); k.String() != want {
		t.Errorf("got %q, want %q", k, want)
	}
	if entries, err := os.ReadDir(state); err != nil || len(entries) != 0 {
		t.Errorf("after opening: got %v, %v, want nothing written yet", entries, err)
	}
	if _, err := k.Get("n"); err != ErrNotFound {
		t.Errorf("get: got %v, want ErrNotFound", err)
	}
	if entries, err := os.ReadDir(state); err != nil || len(entries) != 0 {
		t.Errorf("after a look: got %v, %v, want nothing written yet", entries, err)
	}
}

func TestHint(t *testing.T) {
	s := &osStore{}
	for _, test := range []struct {
		err  error
		want string
	}{
		{errNoBus, "CHAINGUARD_KEYCHAIN=file"},
		{errors.New("The name org.freedesktop.secrets was not provided by any .service files"), "CHAINGUARD_KEYCHAIN=file"},
		{errors.New("failed to unlock correct collection"), "unlock"},
		{errors.New("no answer within 3s"), "unlock"},
		{errors.New("exit status 51"), "security unlock-keychain"},
	} {
		if got := s.hint(test.err); !strings.Contains(got, test.want) {
			t.Errorf("F1 hint(%q): got %q, want %q in it", test.err, got, test.want)
		}
	}
	if got := s.hint(errors.New("something else")); got != "" {
		t.Errorf("hint of something else: got %q, want none", got)
	}
}
