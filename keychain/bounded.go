package keychain

import (
	"errors"
	"fmt"
	"time"
)

// defaultPatience is how long a store may think about one call. Stores answer in
// milliseconds; longer means a prompt that nobody sees (a person has unlocked the
// session's keyring long before) or a daemon that is gone.
const defaultPatience = 3 * time.Second

// bounded ends every call of a store in time. go-keyring takes no context, waits
// for ever on a prompt that nobody answers and dereferences nil when the bus dies
// under it, so each call runs in a goroutine that may be left behind and may
// panic.
type bounded struct {
	store
	patience time.Duration
}

func bound(s store, patience time.Duration) store {
	if patience <= 0 {
		patience = defaultPatience
	}
	return &bounded{s, patience}
}

func (b *bounded) run(call func() (string, error)) (string, error) {
	type result struct {
		value string
		err   error
	}
	done := make(chan result, 1)
	go func() {
		defer func() {
			if recover() != nil {
				// Not the panic's value: it could quote a secret.
				done <- result{err: errors.New("it broke off in the middle of the call")}
			}
		}()
		value, err := call()
		done <- result{value, err}
	}()
	timer := time.NewTimer(b.patience)
	defer timer.Stop()
	select {
	case r := <-done:
		return r.value, r.err
	case <-timer.C:
		return "", fmt.Errorf("no answer within %s (locked, with a prompt that nobody sees?)", b.patience)
	}
}

func (b *bounded) get(name string) (string, error) {
	return b.run(func() (string, error) { return b.store.get(name) })
}

func (b *bounded) set(name, value string, until time.Time) error {
	_, err := b.run(func() (string, error) { return "", b.store.set(name, value, until) })
	return err
}

func (b *bounded) delete(name string) error {
	_, err := b.run(func() (string, error) { return "", b.store.delete(name) })
	return err
}
