// Package keychain keeps small secrets by name in the place that the user's
// system has for them, and says who may write them and when. It knows nothing of
// what the secrets mean.
package keychain

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// ErrNotFound says that no secret is kept under the name asked for.
var ErrNotFound = errors.New("not in the keychain")

// Error is a keychain that failed: it is there but locked, broken or silent,
// which is never the same as holding nothing.
type Error struct {
	Store string // what failed, such as "Secret Service"
	Do    string // "read", "write" or "delete from"
	Err   error
	Hint  string // what the user can do about it
}

func (e *Error) Error() string {
	text := fmt.Sprintf("cannot %s the %s: %v", e.Do, e.Store, e.Err)
	if e.Hint != "" {
		text += "; " + e.Hint
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

// store is one place where secrets can rest. Its calls may block for ever and
// may panic: Keychain bounds and catches them.
type store interface {
	name() string
	get(name string) (string, error) // ErrNotFound where there is none
	set(name, value string) error    // creates or replaces
	delete(name string) error        // nil where there is none
	limit() int                      // bytes that one value may have; 0: no limit
	hint(err error) string           // what the user can do about err, or ""
}

// Keychain keeps secrets in one store. Its methods end in bounded time, whatever
// the store does, and may be used by several goroutines.
type Keychain struct {
	store    store
	dir      func() (string, error) // where locks and notes lie
	patience time.Duration          // how long one call may take; 0: it does not block
}

// patience is how long a store may think about one call. Stores answer in
// milliseconds; longer means a prompt that nobody sees (a person has unlocked
// the session's keyring long before) or a daemon that is gone.
const patience = 3 * time.Second

// OpenOS gives the operating system's own keychain: Secret Service on Linux, the
// login keychain on macOS, the Credential Manager on Windows. Nothing is asked
// of it yet.
func OpenOS(service string) *Keychain {
	return &Keychain{
		store:    newParts(&osStore{service: service}),
		dir:      func() (string, error) { return homeDir(service) },
		patience: patience,
	}
}

// OpenFile gives the file store: a file of mode 0600 for each secret, in a folder
// of mode 0700 below the user's state directory ($XDG_STATE_HOME, else
// $HOME/.local/state; %LocalAppData% on Windows). Secrets are readable in it.
func OpenFile(service string) (*Keychain, error) {
	dir, err := stateDir(service)
	if err != nil {
		return nil, err
	}
	return &Keychain{
		store: &fileStore{dir: dir},
		dir:   func() (string, error) { return dir, nil },
	}, nil
}

// String says which store it is, for messages.
func (k *Keychain) String() string { return k.store.name() }

// Get gives the secret kept under name, or ErrNotFound, or an *Error.
func (k *Keychain) Get(ctx context.Context, name string) (string, error) {
	var value string
	err := k.bounded(ctx, "read", func() (err error) {
		value, err = k.store.get(name)
		return err
	})
	if err != nil {
		return "", err
	}
	return value, nil
}

// Set keeps value under name, in place of what was there, and reads it back: a
// store that says yes and keeps nothing is an *Error. Where it fails the former
// value stays.
func (k *Keychain) Set(ctx context.Context, name, value string) error {
	return k.bounded(ctx, "write", func() error {
		if err := k.store.set(name, value); err != nil {
			return err
		}
		got, err := k.store.get(name)
		if err != nil {
			return fmt.Errorf("it took the secret and then did not give it back: %w", hideNotFound(err))
		}
		if got != value {
			return errors.New("it took the secret and then gave back another")
		}
		return nil
	})
}

// Delete removes the secret kept under name. Nothing there is no error.
func (k *Keychain) Delete(ctx context.Context, name string) error {
	err := k.bounded(ctx, "delete from", func() error { return k.store.delete(name) })
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// WriteNote keeps a text that is no secret beside the locks.
func (k *Keychain) WriteNote(name string, text []byte) error {
	path, err := k.path(name)
	if err != nil {
		return err
	}
	return writeFile(path, text)
}

// ReadNote gives the text that WriteNote kept, or ErrNotFound.
func (k *Keychain) ReadNote(name string) ([]byte, error) {
	path, err := k.path(name)
	if err != nil {
		return nil, err
	}
	text, err := readFile(path)
	return text, missing(err)
}

// RemoveNote removes what WriteNote kept. Nothing there is no error.
func (k *Keychain) RemoveNote(name string) error {
	path, err := k.path(name)
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// path gives the path of a file called name in the folder where locks and notes
// lie, which is made if it is not there.
func (k *Keychain) path(name string) (string, error) {
	dir, err := k.dir()
	if err != nil {
		return "", err
	}
	if err := ensurePrivateDir(dir); err != nil {
		return "", err
	}
	return filepath.Join(dir, name), nil
}

// bounded runs call, which asks the store to do something, and waits for it no
// longer than patience. go-keyring takes no context, waits for ever on a prompt
// that nobody answers and dereferences nil when the bus dies under it, so the
// call runs in a goroutine of its own that may be left behind and may panic.
func (k *Keychain) bounded(ctx context.Context, do string, call func() error) error {
	err := k.run(ctx, call)
	if err == nil || errors.Is(err, ErrNotFound) {
		return err
	}
	return &Error{Store: k.store.name(), Do: do, Err: err, Hint: k.store.hint(err)}
}

func (k *Keychain) run(ctx context.Context, call func() error) error {
	if k.patience == 0 {
		return call()
	}
	done := make(chan error, 1)
	go func() {
		defer func() {
			if recover() != nil {
				// Not the panic's value: it could quote a secret.
				done <- errors.New("it broke off in the middle of the call")
			}
		}()
		done <- call()
	}()
	timer := time.NewTimer(k.patience)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		return fmt.Errorf("no answer within %s (locked, with a prompt that nobody sees?)", k.patience)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// hideNotFound keeps a vanished value from passing for one that never was.
func hideNotFound(err error) error {
	if errors.Is(err, ErrNotFound) {
		return errors.New("nothing there")
	}
	return err
}
