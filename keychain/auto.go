package keychain

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// autoStore is the first of several stores that exists here. Which one that is
// shows at the first call, so that a warm look-up costs no question before it.
//
// A store that is there but locked or broken is an error, never a reason to take
// a weaker one: whoever can lock the keychain must not thereby have the next
// secret written to a file.
type autoStore struct {
	candidates []candidate

	mu     sync.Mutex
	chosen bool // candidates[0] has answered: it is the one
	passed []string
}

// candidate is a store that automatic choice may take.
type candidate struct {
	store
	dir    func() (string, error) // of its locks and notes
	absent func(err error) bool   // err says that there is no such store here
}

// do calls the chosen store, or finds it.
func (a *autoStore) do(call func(store) error) error {
	for {
		a.mu.Lock()
		c, chosen := a.candidates[0], a.chosen
		a.mu.Unlock()

		err := call(c)
		absent := err != nil && !chosen && c.absent(err) && len(a.candidates) > 1
		a.mu.Lock()
		switch {
		case absent && a.candidates[0].store == c.store:
			a.passed = append(a.passed, fmt.Sprintf("no %s: %v", c.name(), err))
			a.candidates = a.candidates[1:]
		case err == nil || errors.Is(err, ErrNotFound):
			a.chosen = true
		}
		a.mu.Unlock()
		if !absent {
			return err
		}
	}
}

func (a *autoStore) current() candidate {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.candidates[0]
}

func (a *autoStore) get(name string) (value string, err error) {
	err = a.do(func(s store) error {
		value, err = s.get(name)
		return err
	})
	return value, err
}

func (a *autoStore) set(name, value string, until time.Time) error {
	return a.do(func(s store) error { return s.set(name, value, until) })
}

func (a *autoStore) delete(name string) error {
	return a.do(func(s store) error { return s.delete(name) })
}

func (a *autoStore) name() string          { return a.current().name() }
func (a *autoStore) limit() int            { return 0 } // each splits for itself
func (a *autoStore) hint(err error) string { return a.current().hint(err) }

// settle finds the store if no call has yet.
func (a *autoStore) settle() {
	a.mu.Lock()
	chosen := a.chosen
	a.mu.Unlock()
	if !chosen {
		_, _ = a.get("settle") // nothing is there; what counts is who says so
	}
}
