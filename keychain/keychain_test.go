package keychain

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"docker-credential-cgr/hint"
)

// A call of a store that misbehaves ends in bounded time with an *Error that names it.
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
		{"F3 panics", func(string, string) error { panic("with the value " + secret) }, "stopped during the call"},
		{"F3 dereferences nil", func(string, string) error { var m *memory; return m.set("", "", time.Time{}) }, "stopped during the call"},
		{"F1 locked", func(string, string) error { return errors.New("the collection is locked") }, "the collection is locked"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := newMemory(0)
			m.values["n"] = "former"
			k := keychainOf(t, withTimeout(m, 50*time.Millisecond))
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
					t.Errorf("%s: got %q, want %s memory and %s in it", do, err, do, test.want)
				}
				if errors.Is(err, ErrNotFound) {
					t.Errorf("P9 %s: got ErrNotFound, want another error", do)
				}
				if strings.Contains(err.Error(), secret) {
					t.Errorf("P13 %s: got %q, want no secret", do, err)
				}
			}
		})
	}
}

// brokenStore is a store that reports success and stores something else.
type brokenStore struct {
	*memory
	stored func(value string) (string, bool)
}

func (s brokenStore) set(name, value string, until time.Time) error {
	if stored, ok := s.stored(value); ok {
		return s.memory.set(name, stored, until)
	}
	return nil
}

func TestSetReadsBack(t *testing.T) {
	for name, stored := range map[string]func(string) (string, bool){
		"P10 stores nothing":  func(string) (string, bool) { return "", false },
		"P10 stores a part":   func(v string) (string, bool) { return v[:len(v)/2], true },
		"P10 stores another":  func(string) (string, bool) { return "other-secret", true },
		"F7 keeps the former": func(string) (string, bool) { return "", false },
	} {
		t.Run(name, func(t *testing.T) {
			s := brokenStore{newMemory(0), stored}
			if strings.HasPrefix(name, "F7") {
				s.values["n"] = "former"
			}
			err := keychainOf(t, s).Set("n", "new-secret", time.Time{})
			var failed *Error
			if !errors.As(err, &failed) || errors.Is(err, ErrNotFound) {
				t.Fatalf("got %v, want an *Error that is not ErrNotFound", err)
			}
			if strings.Contains(err.Error(), "secret-") || strings.Contains(err.Error(), "new-secret") || strings.Contains(err.Error(), "other-secret") {
				t.Errorf("P13 got %q, want no secret", err)
			}
		})
	}
}

// Opening and reading make no file.
func TestOpen(t *testing.T) {
	state := setStateDir(t)
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
		t.Errorf("after a read: got %v, %v, want nothing written yet", entries, err)
	}
}

// hintText joins the hints of err.
func hintText(err error) string {
	var texts []string
	for _, h := range hint.Of(err) {
		texts = append(texts, h.Text)
	}
	return strings.Join(texts, "; ")
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

func TestEntryName(t *testing.T) {
	const lower, upper = "credential cgr.dev https://issuer.example/a", "credential cgr.dev https://issuer.example/A"
	if got := entryName("windows", lower); got != lower {
		t.Errorf("got %q, want %q unchanged", got, lower)
	}
	if got := entryName("windows", upper); strings.EqualFold(got, lower) {
		t.Errorf("got %q, want another name than %q in any letter case", got, lower)
	}
	if got := entryName("darwin", upper); got != upper {
		t.Errorf("got %q, want %q unchanged", got, upper)
	}
}
