package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"docker-credential-cgr/hint"
	"docker-credential-cgr/keychain"
)

// writeTimeout is how long store and erase wait for the lock. They continue without it:
// the process that has it compares what is stored before it writes.
const writeTimeout = 5 * time.Second

// LockName returns the name of the session's lock. The names of its notes begin with it.
func (s *Records) LockName() string { return lockName(s.Issuer, s.Identity) }

// Lock waits up to LockTimeout for the session's lock and returns what releases it. Each time
// another process has released the lock, check is called first, at the same time as in all
// other waiting processes; if it reports done, the lock is not taken, and unlock is nil.
//
// If no lock can be made, lock warns and continues without one. No refresh token is
// redeemed then, so the worst that can happen is a second sign-in window.
func (s *Records) Lock(ctx context.Context, check func() (done bool, err error)) (unlock func(), err error) {
	name := s.LockName()
	waiting, cancel := context.WithTimeout(ctx, s.LockTimeout)
	defer cancel()
	noteOnce := sync.OnceFunc(func() {
		s.Note("waiting for %s, for %s at most", s.Keychain.ReadLockOwner(name), s.LockTimeout)
	})
	for {
		lock, err := s.Keychain.TryLock(name)
		switch {
		case err == nil:
			return s.hold(lock), nil
		case errors.Is(err, keychain.ErrNotPrivate):
			return nil, err
		case !errors.Is(err, keychain.ErrBusy):
			s.Warn(fmt.Errorf("continuing without a lock: %w", err))
			return func() {}, nil
		}
		shared, err := s.Keychain.WaitLock(waiting, name, noteOnce)
		if err != nil {
			return nil, s.lockTimeoutError(err)
		}
		done := false
		if check != nil {
			done, err = check()
		}
		shared.Unlock()
		if done {
			return nil, err
		}
		// Not all at the same instant: the shared lock of one keeps out the next.
		time.Sleep(rand.N(20 * time.Millisecond))
	}
}

// lockTimeoutError returns the error of a wait for the lock that ended with err.
func (s *Records) lockTimeoutError(err error) error {
	if !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return hint.With(fmt.Errorf("gave up after waiting %s for %s", s.LockTimeout, s.Keychain.ReadLockOwner(s.LockName())),
		hint.Text("end that process, or try again"))
}

// LockToWrite waits briefly for the session's lock, for a write that must not be refused,
// and returns what releases it.
func (s *Records) LockToWrite(ctx context.Context) (unlock func()) {
	unlock, taken := s.lockBriefly(ctx, s.LockName())
	if taken {
		s.Keychain.SetLockOwner(s.LockName(), "storing or removing a credential")
	}
	return unlock
}

// LockHosts waits briefly for the lock of the record that all identities share.
func (s *Records) LockHosts(ctx context.Context) (unlock func()) {
	unlock, _ = s.lockBriefly(ctx, "hosts-"+lockName(s.Issuer, ""))
	return unlock
}

// lockBriefly takes a lock if it is released within writeTimeout.
func (s *Records) lockBriefly(ctx context.Context, name string) (unlock func(), taken bool) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	for {
		lock, err := s.Keychain.TryLock(name)
		if err == nil {
			return lock.Unlock, true
		}
		if !errors.Is(err, keychain.ErrBusy) || ctx.Err() != nil {
			s.Debug("writing without the lock: %v", err)
			return func() {}, false
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// SetLockOwner notes what this process does with the session's lock.
func (s *Records) SetLockOwner(doing string) { s.Keychain.SetLockOwner(s.LockName(), doing) }

// IsLocked reports whether this process has the session's lock.
func (s *Records) IsLocked() bool { return s.lock != nil && s.lock.IsHeld() }

// hold makes lock the session's, and returns what releases it.
func (s *Records) hold(lock *keychain.Lock) (unlock func()) {
	s.lock = lock
	return lock.Unlock
}

// TryLock takes the session's lock if no other process has it.
func (s *Records) TryLock() (unlock func(), err error) {
	lock, err := s.Keychain.TryLock(s.LockName())
	if err != nil {
		return nil, err
	}
	return s.hold(lock), nil
}
