package keychain

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// candidate is a store that may or may not exist on this system.
type candidate struct {
	store
	dir      func() (string, error) // of its locks and notes
	isAbsent func(err error) bool   // err means that there is no such store
}

// autoStore is the first of its candidates that exists. The first call finds out which
// one that is, so that a look-up makes no extra call.
//
// A store that is locked or broken is an error and never a reason to use a weaker one:
// otherwise, locking the keychain would make the next secret go to a file.
type autoStore struct {
	mu         sync.Mutex
	candidates []candidate
	chosen     bool     // candidates[0] exists
	absent     []string // why each candidate before it was not chosen
}

func newAutoStore(candidates ...candidate) *autoStore {
	return &autoStore{candidates: candidates, chosen: len(candidates) == 1}
}

// do calls the chosen store. If none is chosen yet, it calls the candidates in turn.
func (a *autoStore) do(call func(store) error) error {
	for {
		a.mu.Lock()
		c, chosen, isLast := a.candidates[0], a.chosen, len(a.candidates) == 1
		a.mu.Unlock()

		err := call(c)
		isAbsent := err != nil && !chosen && !isLast && c.isAbsent(err)
		a.mu.Lock()
		switch {
		case isAbsent && a.candidates[0].store == c.store:
			a.absent = append(a.absent, fmt.Sprintf("no %s: %v", c.name(), err))
			a.candidates = a.candidates[1:]
		case err == nil || errors.Is(err, ErrNotFound):
			a.chosen = true
		}
		a.mu.Unlock()
		if !isAbsent {
			return err
		}
	}
}

// current returns the chosen store, or the candidate that would be called next.
func (a *autoStore) current() candidate {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.candidates[0]
}

// choose makes a call that finds the store, if none has yet. It returns the store, and
// why each stronger one is not it.
func (a *autoStore) choose() (candidate, []string) {
	a.mu.Lock()
	chosen := a.chosen
	a.mu.Unlock()
	if !chosen {
		_, _ = a.get("settle") // no such secret; only the error matters
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.candidates[0], a.absent
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
func (a *autoStore) hint(err error) string { return a.current().hint(err) }
