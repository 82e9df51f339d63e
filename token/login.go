package token

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"docker-credential-cgr/keychain"
	"docker-credential-cgr/platform"
)

// SignInError is a sign-in to which somebody, or the clock, said no.
type SignInError struct {
	Why  string // ends a sentence that begins "the sign-in at 12:00"
	Hint string
}

func (e *SignInError) Error() string {
	text := "the sign-in " + e.Why
	if e.Hint != "" {
		text += "; " + e.Hint
	}
	return text
}

// Account is who signed in.
type Account struct {
	Subject string    // UIDP
	Email   string    // may be empty
	Until   time.Time // when somebody has to sign in again; zero where not known
}

// String is the name that people know the account by.
func (a Account) String() string {
	if a.Email != "" {
		return platform.Printable(a.Email)
	}
	return platform.Printable(a.Subject)
}

// Login has a person sign in, whatever is kept, or exchanges an ID token where
// there is one, and gives who it was. If another process is at a sign-in already,
// that one's outcome counts.
func (s *Session) Login(ctx context.Context) (Account, error) {
	before, err := s.readSession()
	if err != nil {
		return Account{}, err
	}
	// Before a person goes through a sign-in for nothing.
	if err := s.Keychain.Probe(); err != nil &&
		!(s.IDToken != nil && (errors.Is(err, keychain.ErrKeepsNothing) || errors.Is(err, keychain.ErrNoStore))) {
		return Account{}, fmt.Errorf("a sign-in could not be kept: %w", err)
	}
	if before.alive(s.Now()) {
		s.Warn("%s is signed in already; signing in again", before.account())
	}
	if r, err := s.readSlot(s.Registry, ""); err == nil && r.Stored && r.usable(s.Now()) {
		s.Warn("a credential that was stored for %s (user %s) answers before any sign-in; to use one in its place, run: docker logout %s, and then: docker-credential-cgr login", s.Registry, platform.Printable(r.Username), s.Registry)
	}
	unlock, err := s.lockToLogin(ctx)
	if err != nil {
		return Account{}, err
	}
	defer unlock()
	session, err := s.readSession()
	if err != nil {
		return Account{}, err
	}
	if s.IDToken != nil {
		_, err := s.assume(ctx, s.Registry, session, fetchTries)
		return Account{Subject: s.Identity}, err
	}
	if session.SignedIn != before.SignedIn && session.alive(s.Now()) {
		return session.account(), nil // somebody else's sign-in, while we waited
	}
	if _, err := s.signIn(ctx, s.Registry, session); err != nil {
		return Account{}, err
	}
	if session, err = s.readSession(); err == nil && session.Subject == "" {
		err = errors.New("signed in, but nothing was kept of it")
	}
	return session.account(), err
}

// lockToLogin takes the session's lock for Login, waiting for whoever has it.
func (s *Session) lockToLogin(ctx context.Context) (unlock func(), err error) {
	waiting, cancel := context.WithTimeout(ctx, s.Patience)
	defer cancel()
	name := s.lockName()
	said := sync.OnceFunc(func() { s.sayWaiting(name) })
	for {
		lock, err := s.Keychain.TryLock(name)
		switch {
		case err == nil:
			return lock.Unlock, nil
		case errors.Is(err, keychain.ErrNotPrivate):
			return nil, err
		case !errors.Is(err, keychain.ErrBusy):
			s.Warn("going on without a lock: %v", err)
			return func() {}, nil
		}
		shared, err := s.Keychain.WaitLock(waiting, name, said)
		if err != nil {
			return nil, s.waitedInVain(err)
		}
		shared.Unlock()
		time.Sleep(rand.N(20 * time.Millisecond))
	}
}

func (s *Session) sayWaiting(name string) {
	s.Warn("waiting for %s, for %s at most", s.Keychain.ReadHolder(name), s.Patience)
}

// waitedInVain says for whom the wait that ended with err was.
func (s *Session) waitedInVain(err error) error {
	if !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("gave up after %s waiting for %s; end that process, or try again",
		s.Patience, s.Keychain.ReadHolder(s.lockName()))
}

// signInAudiences are what a sign-in on behalf of host is for: all that session
// was used for too, since it is replaced.
func (s *Session) signInAudiences(host string, session sessionRecord) []string {
	audiences := []string{s.Registry, s.API}
	for _, h := range slices.Concat([]string{host}, s.Audiences, session.Hosts) {
		if a := s.audience(h); !slices.Contains(audiences, a) {
			audiences = append(audiences, a)
		}
	}
	return audiences
}

// signIn opens a window, with the lock held, in place of session.
func (s *Session) signIn(ctx context.Context, host string, session sessionRecord) (credentialRecord, error) {
	s.Keychain.SayHolder(s.lockName(), "signing in")
	closed := s.readClosed()
	s.noteOpen(closed)

	grant, err := s.SignIn(ctx, s.signInAudiences(host, session))
	if err != nil {
		var left *SignInError
		switch {
		case errors.As(err, &left):
			s.noteClosed(closed, left.Why)
		case ctx.Err() == nil || errors.Is(context.Cause(ctx), ErrInterrupted):
			// It never came to a window, or the person stopped it and knows.
			s.restoreClosed(closed)
		default:
			s.noteClosed(closed, "was left")
		}
		return credentialRecord{}, err
	}
	defer grant.finish()
	r, err := s.begin(ctx, host, session, grant)
	var other *otherAccountError
	switch {
	case err == nil:
		s.clearClosed()
	case errors.As(err, &other):
		s.noteClosed(closed, "was by another account")
	default: // the next window would end as this one
		s.noteClosed(closed, "failed")
	}
	return r, err
}

// otherAccountError is a sign-in by another account than the session's, which was
// not meant.
type otherAccountError struct{ now, last Account }

func (e *otherAccountError) Error() string {
	return fmt.Sprintf("%s signed in, but the session here is %s's: nothing was changed; to change the account, run: docker-credential-cgr login", e.now, e.last)
}

// begin starts a session with what a sign-in brought, in place of former.
func (s *Session) begin(ctx context.Context, host string, former sessionRecord, grant *Grant) (credentialRecord, error) {
	if grant.RefreshToken == "" && former.alive(s.Now()) {
		return credentialRecord{}, errors.New("the sign-in brought no refresh token, although one was asked for: the session here stays as it was")
	}
	session := sessionRecord{
		Version: recordVersion, Issuer: s.Issuer, Identity: s.Identity,
		Generation: former.Generation, SignedIn: s.Now().UnixMilli(), Subject: grant.Subject, Email: grant.Email,
		Refresh: grant.RefreshToken,
	}
	token := grant.Token
	if grant.RefreshToken != "" {
		// It came in the address of a page, which browsers remember: spent at
		// once, it is of no use to who finds it there.
		fetch, cancel := finishing(ctx, fetchLimit)
		defer cancel()
		exchanged, err := s.STS.Refresh(fetch, grant.RefreshToken, s.ask(host), fetchTries)
		if exchanged != nil && exchanged.RefreshToken != "" {
			session.Refresh = exchanged.RefreshToken
		}
		if err != nil {
			return credentialRecord{}, s.beginLater(host, former, session, err)
		}
		// Whoever reaches the listener can write the token in the address; this
		// one is the issuer's own word.
		if c, _ := platform.ParseClaims(exchanged.AccessToken); c.Subject != grant.Subject {
			return credentialRecord{}, fmt.Errorf("the answer to the sign-in names %s, but is of %s: nothing was kept", grant.Account(), platform.Printable(c.Subject, grant.RefreshToken))
		}
		token = exchanged
	}
	if former.Subject != "" && former.Subject != grant.Subject {
		if s.ConfirmAccount != nil && !s.ConfirmAccount(former.account(), grant.Account()) {
			return credentialRecord{}, fmt.Errorf("nothing was changed: %s stays signed in here", former.account())
		}
		if s.ConfirmAccount == nil {
			return credentialRecord{}, &otherAccountError{now: grant.Account(), last: former.account()}
		}
	}
	if s.Identity != "" && grant.Subject != s.Identity {
		return credentialRecord{}, fmt.Errorf("the sign-in was for the identity %s, but brought a token of %s: nothing was kept", s.Identity, grant.Account())
	}
	if err := s.noteIdentity(ctx); err != nil {
		s.Debug("signing out will not find all that is kept: %v", err)
	}
	for _, h := range former.Hosts { // they may be somebody else's
		if r, err := s.readSlot(h, s.Identity); err == nil && !r.Stored {
			if err := s.Keychain.Delete(credentialName(s.Issuer, h, s.Identity)); err != nil {
				return credentialRecord{}, err
			}
		}
	}
	session.addHost(host)
	if _, err := s.writeSession(session, session.Refresh); err != nil {
		s.Warn("%v: the next run has to sign in again", err)
	}
	return s.keep(host, token.AccessToken, token.Expiry), nil
}

// beginLater keeps a sign-in whose refresh token could not be exchanged for the
// reason err, so that the next run can, and gives the error for it. A session that
// is there and lives is worth more.
func (s *Session) beginLater(host string, former, session sessionRecord, err error) error {
	if !s.ended(host, err) && !former.alive(s.Now()) && (former.Subject == "" || former.Subject == session.Subject) {
		if _, writeErr := s.writeSession(session, session.Refresh); writeErr != nil {
			err = errors.Join(err, writeErr)
		}
	}
	return fmt.Errorf("signed in as %s, but %w; to try again, run: docker-credential-cgr login", session.account(), err)
}
