// Package keychain stores small secrets by name in the store that the user's system has
// for them. It does not know what the secrets mean.
package keychain

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"docker-credential-cgr/hint"
	"docker-credential-cgr/state"
)

// ErrNotFound means that no secret is stored under the name.
var ErrNotFound = errors.New("not in the keychain")

// What Set returns if nothing is stored: by choice, or since no store is available.
var (
	ErrStoresNothing = errors.New("nothing is stored: the setting keychain is none")
	ErrNoStore       = errors.New("nothing can be stored")
)

// Lock is a lock beside a store.
type Lock = state.Lock

// What the locks and notes beside a store return.
var (
	ErrBusy       = state.ErrBusy
	ErrNotPrivate = state.ErrNotPrivate
)

// Error is a failure of a store, which exists but is locked, broken or silent. That is
// never the same as ErrNotFound. Err has hints if the user can do something about it.
type Error struct {
	Store string // such as "Secret Service"
	Do    string // "read", "write to" or "delete from"
	Err   error
	// Absent means that there is no such store on this system.
	Absent bool
}

func (e *Error) Error() string { return fmt.Sprintf("cannot %s the %s: %v", e.Do, e.Store, e.Err) }
func (e *Error) Unwrap() error { return e.Err }

// store is a place for secrets. Calls of the OS keychain may hang and may panic; see
// timeoutStore.
type store interface {
	name() string
	get(name string) (string, error) // ErrNotFound if there is none
	// set creates or replaces a secret. The store may remove it after until, unless that
	// is zero.
	set(name, value string, until time.Time) error
	delete(name string) error // ErrNotFound if there is none
	hint(err error) string    // what the user can do about err, or ""
}

// Keychain stores secrets in one store, with locks and notes beside it. Its methods end
// in bounded time and can be called by several goroutines.
type Keychain struct {
	*state.Dir
	store *autoStore
}

// A Kind names a store, or how to choose one.
type Kind string

// The kinds of keychain.
const (
	// Auto is the OS keychain, else the kernel keyring, else files.
	Auto Kind = "auto"
	// OS is the Secret Service on Linux, the login keychain on macOS, the Credential
	// Manager on Windows.
	OS Kind = "os"
	// Kernel is the user keyring of the Linux kernel, which is in memory only.
	Kernel Kind = "kernel"
	// File is a file of mode 0600 for each secret, not encrypted, in a folder of mode
	// 0700: below $XDG_STATE_HOME, else .local/state in the user's home, or
	// %LocalAppData% on Windows. Without a home, nothing is stored.
	File Kind = "file"
	// None stores nothing.
	None Kind = "none"
)

// Open returns the keychain of a kind with the secrets of service. A call of the OS
// keychain ends after timeout, or a few seconds if that is zero. Open makes no call.
func Open(kind Kind, service string, timeout time.Duration) (*Keychain, error) {
	dir, err := state.StoreDir(service)
	return open(kind, service, timeout, dir, err)
}

// open is Open with the folder of the file store, or the reason why there is none.
func open(kind Kind, service string, timeout time.Duration, dir string, noDir error) (*Keychain, error) {
	locks := func() (string, error) { return lockDir(service) }
	secrets := &osStore{service: service}
	system := candidate{withTimeout(split(secrets, osLimit()), timeout), locks, secrets.isAbsent}
	kernel := candidate{newKernelStore(service), locks, isKernelAbsent}
	files := candidate{&fileStore{dir: dir}, func() (string, error) { return dir, nil }, never}
	if noDir != nil {
		// Commands that need no stored credential still work.
		files.store, files.dir = noStore{hint.With(fmt.Errorf("%w: %w", ErrNoStore, noDir), hint.Text("set HOME or XDG_STATE_HOME"))}, locks
	}

	var candidates []candidate
	switch kind {
	case None:
		candidates = []candidate{{noStore{ErrStoresNothing}, locks, never}}
	case File:
		candidates = []candidate{files}
	case OS:
		candidates = []candidate{system}
	case Kernel:
		candidates = []candidate{kernel}
	case Auto:
		candidates = []candidate{system, kernel, files}
		if runtime.GOOS != "linux" {
			candidates = []candidate{system, files}
		}
	default:
		return nil, fmt.Errorf("unknown kind of keychain %q", kind)
	}
	if noDir != nil && (kind == OS || kind == Kernel) {
		candidates = append(candidates, files) // else the hint would be to use files
	}
	auto := newAutoStore(candidates...)
	return &Keychain{store: auto, Dir: state.NewDir(service, func() (string, error) {
		c, _ := auto.choose()
		return c.dir()
	})}, nil
}

func never(error) bool { return false }

// lockDir returns the folder for the locks of the stores that have no folder.
func lockDir(service string) (string, error) {
	if runtime.GOOS == "windows" {
		return state.StoreDir(service)
	}
	return state.HomeDir(service)
}

// Kinds returns every kind that stores something, to clear them all.
func Kinds() []Kind { return []Kind{OS, Kernel, File} }

// String returns the name of the store.
func (k *Keychain) String() string { return k.store.name() }

// Volatile reports whether the store is in memory only.
func (k *Keychain) Volatile() bool { return k.String() == kernelName }

// Why returns why it is this store if the user did not choose it: one clause for each
// stronger store that does not exist.
func (k *Keychain) Why() string {
	_, absent := k.store.choose()
	if err := k.Missing(); err != nil {
		absent = append(absent[:len(absent):len(absent)], err.Error())
	}
	return strings.Join(absent, "; ")
}

// Missing returns ErrNoStore if Set would, else nil.
func (k *Keychain) Missing() error {
	c, _ := k.store.choose()
	if none, ok := c.store.(noStore); ok && errors.Is(none.err, ErrNoStore) {
		return none.err
	}
	return nil
}

// kernelName is the name of the kernel store.
const kernelName = "kernel keyring"

// noStore stores nothing, for the reason err.
type noStore struct{ err error }

func (noStore) name() string                          { return "no store" }
func (noStore) hint(error) string                     { return "" }
func (noStore) get(string) (string, error)            { return "", ErrNotFound }
func (s noStore) set(string, string, time.Time) error { return s.err }
func (noStore) delete(string) error                   { return ErrNotFound }

// Get returns the secret stored under name. The error is ErrNotFound or an *Error.
func (k *Keychain) Get(name string) (string, error) {
	value, err := k.store.get(name)
	return value, k.explain("read", err)
}

// Set stores value under name and replaces the former value. It reads the value back: a
// store that does not return it is an *Error. After an error the former value is still
// stored. The store may remove the value after until, unless that is zero.
func (k *Keychain) Set(name, value string, until time.Time) error {
	err := k.store.set(name, value, until)
	if err == nil {
		var got string
		got, err = k.store.get(name)
		switch {
		case errors.Is(err, ErrNotFound):
			err = errors.New("it took the secret, and then had none")
		case err == nil && got != value:
			err = errors.New("it took the secret, and then returned another")
		}
	}
	return k.explain("write to", err)
}

// Probe stores a value of the size of a token, reads it back and removes it.
func (k *Keychain) Probe() error {
	// Processes may probe at the same time.
	name := fmt.Sprintf("probe %d", os.Getpid())
	if err := k.Set(name, strings.Repeat("probe...", 256), time.Now().Add(time.Minute)); err != nil {
		return err
	}
	return k.Delete(name)
}

// Delete removes the secret stored under name, if there is one.
func (k *Keychain) Delete(name string) error {
	err := k.store.delete(name)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return k.explain("delete from", err)
}

// explain makes an *Error of the error of a store.
func (k *Keychain) explain(do string, err error) error {
	if err == nil || errors.Is(err, ErrNotFound) || errors.Is(err, ErrStoresNothing) || errors.Is(err, ErrNoStore) {
		return err
	}
	c := k.store.current()
	failed := &Error{Store: c.name(), Do: do, Err: err, Absent: c.isAbsent(err)}
	if text := c.hint(err); text != "" {
		failed.Err = hint.With(err, hint.Text("%s", text))
	}
	return failed
}
