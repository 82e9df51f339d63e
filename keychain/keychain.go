// Package keychain keeps small secrets by name in the place that the user's
// system has for them, and says who may write them and when. It knows nothing of
// what the secrets mean.
package keychain

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"docker-credential-cgr/state"
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

// What the locks and notes beside a store return.
var (
	ErrBusy       = state.ErrBusy
	ErrNotPrivate = state.ErrNotPrivate
)

// Keychain keeps secrets in one store, with locks and notes beside it. Its methods
// end in bounded time, whatever the store does, and may be used by several
// goroutines.
type Keychain struct {
	*state.Dir
	store store
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
	// .local/state in the user's home; %LocalAppData% on Windows), readable in it.
	// A user without a home has none, and nothing is stored.
	File Kind = "file"
	// None keeps nothing.
	None Kind = "none"
)

// Open gives the keychain of a kind, in which the secrets of service lie. A call
// of a store that may hang is given up after patience; where that is zero, after
// a few seconds. It asks nothing of the store yet.
func Open(kind Kind, service string, patience time.Duration) (*Keychain, error) {
	dir, err := stateDir(service)
	return open(kind, service, patience, dir, err)
}

// open is Open, with files in dir, unless homeless says why there is no such place.
func open(kind Kind, service string, patience time.Duration, dir string, homeless error) (*Keychain, error) {
	locks := func() (string, error) { return lockDir(service) }
	secrets := &osStore{service: service}
	system := candidate{store: bound(newParts(secrets), patience), dir: locks, absent: secrets.absent}
	kernel := candidate{store: newKernelStore(service), dir: locks, absent: kernelAbsent}
	files := candidate{absent: never}
	if homeless == nil {
		files.store, files.dir = &fileStore{dir: dir}, func() (string, error) { return dir, nil }
	} else {
		// What needs no credential goes on, and a machine's own identity does.
		files.store, files.dir = noStore{fmt.Errorf("%w: %w; set HOME or XDG_STATE_HOME", ErrNoStore, homeless)}, locks
	}

	var candidates []candidate
	switch kind {
	case None:
		candidates = []candidate{{store: noStore{ErrKeepsNothing}, dir: locks, absent: never}}
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
	if homeless != nil && (kind == OS || kind == Kernel) {
		candidates = append(candidates, files) // else it would be advised to use them
	}
	if len(candidates) == 1 {
		only := candidates[0]
		return &Keychain{Dir: state.NewDir(service, only.dir), store: only.store, absent: only.absent}, nil
	}
	auto := &autoStore{candidates: candidates}
	return &Keychain{store: auto, Dir: state.NewDir(service, func() (string, error) {
		auto.settle()
		return auto.current().dir()
	})}, nil
}

func never(error) bool { return false }

// lockDir is where the locks of the stores lie that have no folder of their own.
func lockDir(service string) (string, error) {
	if runtime.GOOS == "windows" {
		return stateDir(service)
	}
	return state.HomeDir(service)
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
	var why []string
	if auto, ok := k.store.(*autoStore); ok {
		auto.settle()
		auto.mu.Lock()
		why = slices.Clone(auto.passed)
		auto.mu.Unlock()
	}
	if err := k.Missing(); err != nil {
		why = append(why, err.Error())
	}
	return strings.Join(why, "; ")
}

// Missing returns the ErrNoStore that Set would, or nil where there is a store or
// none was asked for.
func (k *Keychain) Missing() error {
	s := k.store
	if auto, ok := s.(*autoStore); ok {
		auto.settle()
		s = auto.current().store
	}
	if none, ok := s.(noStore); ok && errors.Is(none.err, ErrNoStore) {
		return none.err
	}
	return nil
}

// kernelName is what the kernel store is called.
const kernelName = "kernel keyring"

// noStore stores nothing, for the reason err.
type noStore struct{ err error }

// What Set returns where there is no store: by choice, or since there is no place
// for one.
var (
	ErrKeepsNothing = errors.New("nothing is kept, by CHAINGUARD_KEYCHAIN=none")
	ErrNoStore      = errors.New("nothing can be stored")
)

func (noStore) name() string                          { return "no store" }
func (noStore) limit() int                            { return 0 }
func (noStore) hint(error) string                     { return "" }
func (noStore) get(string) (string, error)            { return "", ErrNotFound }
func (s noStore) set(string, string, time.Time) error { return s.err }
func (noStore) delete(string) error                   { return ErrNotFound }

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

// Probe keeps a value of the size of a token, reads it back and removes it: nil
// means that the store can be written.
func (k *Keychain) Probe() error {
	// Of its own for each process: several may look at once.
	name := fmt.Sprintf("probe %d", os.Getpid())
	if err := k.Set(name, strings.Repeat("probe...", 256), time.Now().Add(time.Minute)); err != nil {
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

// explain says which store failed, at what, and what the user can do.
func (k *Keychain) explain(do string, err error) error {
	if err == nil || errors.Is(err, ErrNotFound) || errors.Is(err, ErrKeepsNothing) || errors.Is(err, ErrNoStore) {
		return err
	}
	return &Error{
		Store: k.store.name(), Do: do, Err: err, Hint: k.store.hint(err),
		Absent: k.absent != nil && k.absent(err),
	}
}
