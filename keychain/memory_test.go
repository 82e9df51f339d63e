package keychain

import (
	"errors"
	"sync"
	"testing"
	"time"

	"docker-credential-cgr/state"
)

// memory is a store in memory, with a limit as some systems have one. It can be
// told to fail.
type memory struct {
	max    int
	mu     sync.Mutex // a call that took too long may be left behind
	values map[string]string
	// before, where set, is called before each operation; its error fails it.
	before func(do, name string) error
}

func newMemory(limit int) *memory { return &memory{max: limit, values: map[string]string{}} }

var errTooBig = errors.New("data passed to Set was too big")

func (m *memory) hook(do, name string) error {
	if m.before == nil {
		return nil
	}
	return m.before(do, name)
}

func (m *memory) name() string      { return "memory" }
func (m *memory) limit() int        { return m.max }
func (m *memory) hint(error) string { return "" }

func (m *memory) get(name string) (string, error) {
	if err := m.hook("get", name); err != nil {
		return "", err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	value, ok := m.values[name]
	if !ok {
		return "", ErrNotFound
	}
	return value, nil
}

func (m *memory) set(name, value string, _ time.Time) error {
	if err := m.hook("set", name); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.max > 0 && len(value) > m.max {
		return errTooBig
	}
	m.values[name] = value
	return nil
}

func (m *memory) delete(name string) error {
	if err := m.hook("delete", name); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.values[name]; !ok {
		return ErrNotFound
	}
	delete(m.values, name)
	return nil
}

// keychainOf puts s behind the bounds that every store gets.
func keychainOf(t *testing.T, s store) *Keychain {
	t.Helper()
	return &Keychain{store: bound(s, 10*time.Second), Dir: dirOf(t.TempDir() + "/state")}
}

func dirOf(dir string) *state.Dir {
	return state.NewDir("service", func() (string, error) { return dir, nil })
}

// wantValue checks what is kept under name.
func wantValue(t *testing.T, s store, name, want string) {
	t.Helper()
	if got, err := s.get(name); err != nil || got != want {
		t.Errorf("get %q: got %d bytes %.20q, %v, want %d bytes %.20q", name, len(got), got, err, len(want), want)
	}
}

func wantAbsent(t *testing.T, s store, name string) {
	t.Helper()
	if got, err := s.get(name); !errors.Is(err, ErrNotFound) {
		t.Errorf("get %q: got %d bytes %.20q, %v, want ErrNotFound", name, len(got), got, err)
	}
}
