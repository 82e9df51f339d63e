// Package keychain keeps small secrets by name in the place that the user's
// system has for them, and says who may write them and when. It knows nothing of
// what the secrets mean.
package keychain

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// ErrNotFound says that no secret is kept under the name asked for.
var ErrNotFound = errors.New("not in the keychain")

// Error is a keychain that failed: it is there but locked, broken or silent,
// which is never the same as holding nothing.
type Error struct {
	Store string // what failed, such as "Secret Service"
	Do    string // "read", "write to" or "delete from"
	Err   error
	Hint  string // what the user can do about it
	// Absent says that there is no such store on this system at all.
	Absent bool
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
// may panic: bounded sees to that.
type store interface {
	name() string
	get(name string) (string, error) // ErrNotFound where there is none
	// set creates or replaces; until is from when on the value is of no use, and
	// may be removed by the store, or zero.
	set(name, value string, until time.Time) error
	delete(name string) error // ErrNotFound where there is none
	limit() int               // bytes that one value may have; 0: no limit
	hint(err error) string    // what the user can do about err, or ""
}

// Keychain keeps secrets in one store. Its methods end in bounded time, whatever
// the store does, and may be used by several goroutines.
type Keychain struct {
	store store
	dir   func() (string, error) // where locks and notes lie
	// absent says whether an error means that there is no such store; may be nil.
	absent func(error) bool
}

// A Kind names a store, or how to choose one.
type Kind string

// The kinds of keychain.
const (
	// Auto is the OS keychain; where there is none, the kernel keyring; where
	// there is none either, files.
	Auto Kind = "auto"
	// OS is the operating system's own: Secret Service on Linux, the login
	// keychain on macOS, the Credential Manager on Windows.
	OS Kind = "os"
	// Kernel is the user keyring of the Linux kernel: memory alone.
	Kernel Kind = "kernel"
	// File is a file of mode 0600 for each secret, in a folder of mode 0700
	// below the user's state directory ($XDG_STATE_HOME, else
	// $HOME/.local/state; %LocalAppData% on Windows), readable in it.
	File Kind = "file"
	// None keeps nothing.
	None Kind = "none"
)

// Open gives the keychain of a kind, in which the secrets of service lie. A call
// of a store that may hang is given up after patience; where that is zero, after
// a few seconds. It asks nothing of the store yet.
func Open(kind Kind, service string, patience time.Duration) (*Keychain, error) {
	home := func() (string, error) { return homeDir(service) }
	state := func() (string, error) { return stateDir(service) }
	secrets := &osStore{service: service}
	system := bound(newParts(secrets), patience)
	switch kind {
	case OS:
		return &Keychain{store: system, dir: home, absent: secrets.absent}, nil
	case Kernel:
		return &Keychain{store: newKernelStore(service), dir: home, absent: kernelAbsent}, nil
	case File:
		dir, err := state()
		if err != nil {
			return nil, err
		}
		return &Keychain{store: &fileStore{dir: dir}, dir: state}, nil
	case None:
		return &Keychain{store: noStore{}, dir: home}, nil
	}
	auto := &autoStore{candidates: []candidate{{store: system, dir: home, absent: secrets.absent}}}
	if runtime.GOOS == "linux" {
		kernel := newKernelStore(service)
		auto.candidates = append(auto.candidates, candidate{store: kernel, dir: home, absent: kernelAbsent})
	}
	if dir, err := state(); err == nil {
		auto.candidates = append(auto.candidates, candidate{store: &fileStore{dir: dir}, dir: state, absent: func(error) bool { return false }})
	}
	return &Keychain{
		store: auto,
		dir: func() (string, error) {
			auto.settle()
			return auto.current().dir()
		},
	}, nil
}

// Kinds gives every kind that holds something, for who has to clear them all.
func Kinds() []Kind { return []Kind{OS, Kernel, File} }

// String says which store it is, for messages.
func (k *Keychain) String() string { return k.store.name() }

// Volatile says whether the store is memory alone.
func (k *Keychain) Volatile() bool { return k.String() == kernelName }

// Why says why it is that store, where that was not asked for: one clause for
// each stronger one that is not here.
func (k *Keychain) Why() string {
	auto, ok := k.store.(*autoStore)
	if !ok {
		return ""
	}
	auto.settle()
	auto.mu.Lock()
	defer auto.mu.Unlock()
	return strings.Join(auto.passed, "; ")
}

// kernelName is what the kernel store is called.
const kernelName = "kernel keyring"

// noStore keeps nothing.
type noStore struct{}

// ErrKeepsNothing says that the keychain is none.
var ErrKeepsNothing = errors.New("nothing is kept, by CHAINGUARD_KEYCHAIN=none")

func (noStore) name() string                        { return "keychain" }
func (noStore) limit() int                          { return 0 }
func (noStore) hint(error) string                   { return "" }
func (noStore) get(string) (string, error)          { return "", ErrNotFound }
func (noStore) set(string, string, time.Time) error { return ErrKeepsNothing }
func (noStore) delete(string) error                 { return ErrNotFound }

// Get gives the secret kept under name, or ErrNotFound, or an *Error.
func (k *Keychain) Get(name string) (string, error) {
	value, err := k.store.get(name)
	return value, k.explain("read", err)
}

// Set keeps value under name, in place of what was there, and reads it back: a
// store that says yes and keeps nothing is an *Error. Where it fails the former
// value stays. From until on, where that is not zero, the store may forget it.
func (k *Keychain) Set(name, value string, until time.Time) error {
	err := k.store.set(name, value, until)
	if err == nil {
		var got string
		got, err = k.store.get(name)
		switch {
		case errors.Is(err, ErrNotFound):
			err = errors.New("it took the secret, and then had none")
		case err == nil && got != value:
			err = errors.New("it took the secret, and then gave back another")
		}
	}
	return k.explain("write to", err)
}

// Probe keeps a value, reads it back and removes it: nil means that the store can
// be written.
func (k *Keychain) Probe() error {
	// Of its own for each process: several may look at once.
	name := fmt.Sprintf("probe %d", os.Getpid())
	if err := k.Set(name, "probe", time.Now().Add(time.Minute)); err != nil {
		return err
	}
	return k.Delete(name)
}

// Delete removes the secret kept under name. Nothing there is no error.
func (k *Keychain) Delete(name string) error {
	err := k.store.delete(name)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return k.explain("delete from", err)
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

// explain says which store failed, at what, and what the user can do.
func (k *Keychain) explain(do string, err error) error {
	if err == nil || errors.Is(err, ErrNotFound) {
		return err
	}
	return &Error{
		Store: k.store.name(), Do: do, Err: err, Hint: k.store.hint(err),
		Absent: k.absent != nil && k.absent(err),
	}
}
