package keychain

import (
	"errors"
	"fmt"
	"time"
)

// defaultTimeout is how long a call of the OS keychain may take. Keychains answer in
// milliseconds; a longer time means a prompt that nobody sees or a daemon that is gone.
const defaultTimeout = 3 * time.Second

// timeoutStore ends every call of a store after a timeout. go-keyring takes no context,
// waits forever for a prompt that nobody answers, and dereferences nil if the bus dies.
// So each call runs in a goroutine that can be abandoned and can panic.
type timeoutStore struct {
	store
	timeout time.Duration
}

func withTimeout(s store, timeout time.Duration) store {
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	return &timeoutStore{s, timeout}
}

func (s *timeoutStore) run(call func() (string, error)) (string, error) {
	type result struct {
		value string
		err   error
	}
	done := make(chan result, 1)
	go func() {
		defer func() {
			if recover() != nil {
				// Without the value of the panic, which could quote a secret.
				done <- result{err: errors.New("it stopped during the call")}
			}
		}()
		value, err := call()
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-time.After(s.timeout):
		return "", fmt.Errorf("no answer within %s (locked, with a prompt that nobody sees?)", s.timeout)
	}
}

func (s *timeoutStore) get(name string) (string, error) {
	return s.run(func() (string, error) { return s.store.get(name) })
}

func (s *timeoutStore) set(name, value string, until time.Time) error {
	_, err := s.run(func() (string, error) { return "", s.store.set(name, value, until) })
	return err
}

func (s *timeoutStore) delete(name string) error {
	_, err := s.run(func() (string, error) { return "", s.store.delete(name) })
	return err
}
