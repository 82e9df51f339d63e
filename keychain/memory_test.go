package keychain

import (
	"errors"
	"sync"
	"testing"
	"time"

	"docker-credential-cgr/state"
)

// memory is a store in memory, with a size limit like that of some systems. It can be made
// to fail.
type memory struct {
	max    int
	mu     sync.Mutex // a call may still run after its timeout
	values map[string]string
	// before, if set, is called before each operation, which fails with its error.
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

// newMemoryParts returns a store that splits values for a memory with a limit.
func newMemoryParts(limit int) store { return split(newMemory(limit), limit) }

// keychainOf returns a keychain of one store, with a timeout.
func keychainOf(t *testing.T, s store) *Keychain {
	t.Helper()
	only := candidate{store: withTimeout(s, 10*time.Second), dir: nowhere, isAbsent: never}
	return &Keychain{store: newAutoStore(only), Dir: dirOf(t.TempDir() + "/state")}
}

func dirOf(dir string) *state.Dir {
	return state.NewDir("service", func() (string, error) { return dir, nil })
}

// wantValue checks the value stored under name.
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
