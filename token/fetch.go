package token

import (
	"context"
	"errors"
	"fmt"
	"time"

	"docker-credential-cgr/hint"
	"docker-credential-cgr/keychain"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/token/store"
)

const (
	// earlyTimeout bounds an early refresh. Some clients kill a helper after five seconds,
	// and the stored token is still valid.
	earlyTimeout = 4 * time.Second
	// earlyPause is the time between two early refreshes if the first one failed.
	earlyPause = 30 * time.Second
	// fetchTimeout bounds the requests for one token.
	fetchTimeout = 25 * time.Second
	// totalTimeout bounds a Credential that asks no person.
	totalTimeout = 28 * time.Second
	// gracePeriod is how long a refresh may go on after its context ended.
	gracePeriod = 5 * time.Second
	// fetchTries is how often the issuer is asked for a token that is needed now.
	fetchTries = 3
)

// refreshEarly refreshes a credential that is still valid, unless another process does. It
// returns the new credential or, if that fails, the old one.
func (s *Session) refreshEarly(ctx context.Context, host string, r store.Credential) store.Credential {
	unlock, err := s.TryLock()
	if err != nil {
		s.Debug("no early refresh: %v", err)
		return r
	}
	defer unlock()
	if again, err := s.ReadCredential(host); err == nil && again.IsValid(s.Now()) {
		if r = again; !r.NeedsRefresh(s.Now()) {
			return r // another process refreshed it
		}
	}
	session, err := s.ReadSession()
	if err == nil && s.canRenew(session) {
		watched, stop := s.watch(ctx)
		defer stop()
		limited, cancel := withGrace(watched, earlyTimeout)
		defer cancel()
		var renewed store.Credential
		if session.CanRefresh(s.Now()) {
			renewed, err = s.refresh(limited, host, session, 1)
		} else {
			renewed, err = s.exchangeFor(limited, host, session, 1)
		}
		if err == nil {
			return renewed
		}
	}
	s.Debug("the early refresh failed, and the stored token is still valid: %v", err)
	// Put off the next one, unless the record was changed meanwhile.
	if again, readErr := s.ReadCredential(host); readErr == nil && again == r {
		again.Renew = s.Now().Add(earlyPause).Unix()
		if err == nil || s.hasEnded(host, err) && s.IDToken == nil {
			again.Renew = 0 // there is nothing to refresh with
		}
		if err := s.WriteCredential(again); err != nil {
			s.Debug("cannot put off the next refresh: %v", err)
		}
	}
	return r
}

// fetch returns a new credential for host; previous is the stored one, which is not valid.
// One process fetches it. The others wait for the lock and read what it stored.
func (s *Session) fetch(ctx context.Context, host string, previous store.Credential, interactive bool) (store.Credential, error) {
	ctx, stop := s.watch(ctx)
	defer stop()
	if s.isAnonymousJob() { // no other process can use the token: no lock
		if session, err := s.ReadSession(); err == nil && !session.CanRefresh(s.Now()) {
			return s.exchangeFor(ctx, host, session, fetchTries)
		}
	}
	interactive = interactive && s.SignIn != nil
	if !interactive {
		limited, cancel := context.WithTimeout(ctx, totalTimeout)
		defer cancel()
		ctx = limited
	}
	var found store.Credential
	unlock, err := s.Lock(ctx, func() (done bool, err error) {
		found, err = s.ReadCredential(host)
		if err != nil || found.Replaces(previous, s.Now()) {
			return true, err
		}
		// All waiting processes check at once: a hundred that take the lock in turn would need
		// seconds to fail.
		err = s.cannotContinue(interactive)
		return err != nil, err
	})
	if err != nil || unlock == nil {
		return found, err
	}
	defer unlock()
	return s.fetchLocked(ctx, host, previous, interactive)
}

// cannotContinue returns the error of a process that could do nothing with the lock: there
// is no session, and no person may be asked.
func (s *Session) cannotContinue(interactive bool) error {
	session, err := s.ReadSession()
	if err != nil || s.canRenew(session) {
		return nil
	}
	if !interactive {
		return s.notInteractive()
	}
	if b := s.ReadBackoff(); b.IsActive(s.Now()) && !b.Open {
		return notSignedIn("%s", b.Reason())
	}
	return nil
}

// notInteractive returns the error for a session that would need a sign-in.
func (s *Session) notInteractive() error {
	err := s.NoSignIn
	if err == nil {
		return notSignedIn("there is no session")
	}
	if missing := s.Keychain.Missing(); missing != nil {
		err = fmt.Errorf("%w; %w", err, missing) // signing in would not help
	}
	return &NotSignedInError{err}
}

// fetchLocked fetches a credential for host while this process has the lock. It follows the
// list of Credential.
func (s *Session) fetchLocked(ctx context.Context, host string, previous store.Credential, interactive bool) (store.Credential, error) {
	r, err := s.ReadCredential(host)
	if err != nil || r.Replaces(previous, s.Now()) {
		return r, err // another process was faster
	}
	session, err := s.ReadSession()
	if err != nil {
		return store.Credential{}, err
	}
	if session.CanRefresh(s.Now()) {
		fetch, cancel := withGrace(ctx, fetchTimeout)
		defer cancel()
		r, err := s.refresh(fetch, host, session, fetchTries)
		var notRedeemed *NotSignedInError
		switch {
		case err == nil:
			return r, nil
		case errors.As(err, &notRedeemed):
			if s.IDToken == nil {
				return store.Credential{}, err // a person is signed in: no sign-in
			}
		case s.hasEnded(host, err):
			s.Warn(fmt.Errorf("the session of %s has ended", accountOf(session)))
			if session, err = s.ReadSession(); err != nil { // as refresh marked it
				return store.Credential{}, err
			}
		case interactive && platform.HasCode(err, platform.CodePermissionDenied):
			// Issuers before autumn 2026 refuse an audience that the sign-in did not name.
			s.Debug("signing in again, for %s too: %v", host, err)
		default:
			err = fmt.Errorf("cannot renew the credential for %s: %w", host, err)
			if platform.HasCode(err, platform.CodePermissionDenied) && host != s.Registry && host != s.API {
				err = hint.With(err, hint.Do(hint.SignIn, "--audience", host))
			}
			return store.Credential{}, err
		}
	}
	switch {
	case s.IDToken != nil:
		return s.exchangeFor(ctx, host, session, fetchTries)
	case !interactive:
		return store.Credential{}, s.notInteractive()
	}
	return s.signInUnlessPaused(ctx, host, session)
}

// withGrace returns a context for a refresh. It ends after the timeout, or a grace period
// after its parent: the answer may hold the only valid refresh token.
func withGrace(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	if end, ok := ctx.Deadline(); ok {
		timeout = min(timeout, time.Until(end))
	}
	fetch, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(gracePeriod, cancel) })
	return fetch, func() { stop(); cancel() }
}

// A token is refreshed when a fifth of its life is left, or maxMargin if that is less. That is
// more than the five minutes for which BuildKit caches a credential.
const (
	marginDivisor = 5
	maxMargin     = 10 * time.Minute
)

// save stores an access token of session for host and returns its record. The token is
// also returned if it cannot be stored. One without an end, or past it, is not stored.
func (s *Session) save(host, accessToken string, expires time.Time, session store.Session) store.Credential {
	now := s.Now()
	r := store.Credential{
		Host: host, Identity: s.Identity, Username: Username, Secret: accessToken, StoredAt: now.Unix(),
	}
	if expires.IsZero() || !expires.After(now) {
		s.Debug("the token is not stored: it has no end, or has expired")
		return r
	}
	expires = now.Add(min(expires.Sub(now), store.MaxStored))
	r.Expires = expires.Unix()
	if s.canRenew(session) {
		r.Renew = expires.Add(-min(maxMargin, expires.Sub(now)/marginDivisor)).Unix()
	}
	r.SessionEnds = session.EndToWarnOf()

	// A credential that the user stored meanwhile stays.
	if there, err := s.ReadSlot(host, s.Identity); err == nil && there.UserStored && there.IsValid(now) {
		return r
	}
	err := s.WriteCredential(r)
	if err != nil && !errors.Is(err, keychain.ErrStoresNothing) {
		s.Warn(fmt.Errorf("the token for %s is not stored: %w", host, err))
	}
	return r
}
