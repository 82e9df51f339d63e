package token

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"docker-credential-cgr/hint"
	"docker-credential-cgr/keychain"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/token/store"
)

// SignInError means that a person closed or refused a sign-in, or did not finish it in time.
type SignInError struct {
	Why string // continues a sentence that begins with "the sign-in"
}

func (e *SignInError) Error() string { return "the sign-in " + e.Why }

// otherAccountError is a sign-in by another account than the session's that nobody
// confirmed.
type otherAccountError struct{ now, last Account }

func (e *otherAccountError) Error() string {
	return fmt.Sprintf("the sign-in was by %s, but %s is signed in on this machine", e.now, e.last)
}

// Login has a person sign in even if a session is stored, or exchanges an ID token if there
// is one. It returns whose session it is. If another process is signing in, its session
// counts.
func (s *Session) Login(ctx context.Context) (Account, error) {
	before, err := s.ReadSession()
	if err != nil {
		return Account{}, err
	}
	if err := s.Keychain.Probe(); err != nil && // before a person signs in for nothing
		!(s.IDToken != nil && (errors.Is(err, keychain.ErrStoresNothing) || errors.Is(err, keychain.ErrNoStore))) {
		return Account{}, fmt.Errorf("a sign-in could not be stored: %w", err)
	}
	if before.CanRefresh(s.Now()) {
		s.Note("%s is already signed in; signing in again", accountOf(before))
	}
	if r, err := s.ReadSlot(s.Registry, ""); err == nil && r.UserStored && r.IsValid(s.Now()) {
		err := fmt.Errorf("get still returns the credential that you stored for %s (user %s), not this session's", s.Registry, platform.Printable(r.Username))
		s.Warn(hint.With(err, hint.Text("docker logout %s", s.Registry), hint.Do(hint.SignIn)))
	}
	unlock, err := s.Lock(ctx, nil)
	if err != nil {
		return Account{}, err
	}
	defer unlock()
	session, err := s.ReadSession()
	if err != nil {
		return Account{}, err
	}
	if s.IDToken != nil {
		r, err := s.exchangeFor(ctx, s.Registry, session, fetchTries)
		if err != nil {
			return Account{}, err
		}
		claims, err := platform.ParseClaims(r.Secret)
		return Account{Subject: claims.Subject, Until: credentialOf(r).Expires, Renewable: true}, err
	}
	if session.SignedIn != before.SignedIn && s.account(session).Valid(s.Now()) {
		return s.account(session), nil // another process signed in
	}
	if _, err := s.signIn(ctx, s.Registry, session); err != nil {
		return Account{}, err
	}
	if session, err = s.ReadSession(); err == nil && session.Subject == "" {
		err = errors.New("signed in, but the session was not stored")
	}
	return s.account(session), err
}

// signInUnlessPaused asks the user to sign in and prints the account that signed in. It returns a
// *NotSignedInError during the sign-in backoff and if nothing could be stored: the next
// image would need a sign-in of its own.
func (s *Session) signInUnlessPaused(ctx context.Context, host string, session store.Session) (store.Credential, error) {
	if b := s.ReadBackoff(); b.IsActive(s.Now()) {
		return store.Credential{}, notSignedIn("%s", b.Reason())
	}
	if err := s.Keychain.Probe(); err != nil && !errors.Is(err, keychain.ErrStoresNothing) {
		return store.Credential{}, &NotSignedInError{fmt.Errorf("a sign-in could not be stored: %w", err)}
	}
	r, err := s.signIn(ctx, host, session)
	if err != nil {
		return store.Credential{}, err
	}
	if session, err = s.ReadSession(); err == nil && session.Subject != "" {
		s.Note("signed in as %s", s.account(session).Describe())
	}
	return r, nil
}

// signIn has a person sign in, in place of session. This process has the lock.
func (s *Session) signIn(ctx context.Context, host string, session store.Session) (store.Credential, error) {
	s.SetLockOwner("signing in")
	before := s.ReadBackoff()
	s.ExtendBackoff(before, "was abandoned", true) // for the case that this process is killed

	grant, err := s.SignIn(ctx, s.signInRequest(host, session))
	if err != nil {
		var ended *SignInError
		switch {
		case errors.As(err, &ended):
			s.ExtendBackoff(before, ended.Why, false)
		case ctx.Err() == nil || errors.Is(context.Cause(ctx), ErrInterrupted):
			// No window opened, or the person stopped it.
			s.RestoreBackoff(before)
		default:
			s.ExtendBackoff(before, "was abandoned", false)
		}
		return store.Credential{}, err
	}
	defer grant.finish()
	r, err := s.startSession(ctx, host, session, grant)
	var other *otherAccountError
	switch {
	case err == nil:
		s.ClearBackoff()
	case errors.As(err, &other):
		s.ExtendBackoff(before, "was by another account", false)
	default: // the next one would fail in the same way
		s.ExtendBackoff(before, "failed", false)
	}
	return r, err
}

// startSession stores a new session with what a sign-in brought, in place of previous, and
// returns the credential for host.
func (s *Session) startSession(ctx context.Context, host string, previous store.Session, grant *Grant) (store.Credential, error) {
	if grant.RefreshToken != "" && !grant.redeemed {
		if err := s.redeemGrant(ctx, host, grant); err != nil {
			return store.Credential{}, hint.With(fmt.Errorf("signed in as %s, but %w", grant.Account(), err), hint.Do(hint.SignIn))
		}
	}
	token, ok := s.tokenFor(grant, s.audience(host))
	if !ok {
		return store.Credential{}, fmt.Errorf("the issuer returned no access token that is valid for %s only; nothing was stored", s.audience(host))
	}
	if previous.Subject != "" && previous.Subject != grant.Subject {
		if s.ConfirmAccount == nil {
			return store.Credential{}, hint.With(&otherAccountError{now: grant.Account(), last: accountOf(previous)}, hint.Do(hint.SignIn))
		}
		if !s.ConfirmAccount(accountOf(previous), grant.Account()) {
			return store.Credential{}, fmt.Errorf("nothing was changed: %s is still signed in", accountOf(previous))
		}
	}
	if s.Identity != "" && grant.Subject != s.Identity {
		return store.Credential{}, fmt.Errorf("the sign-in was for the identity %s, but the token is for %s; nothing was stored", s.Identity, grant.Account())
	}
	if err := s.AddIdentity(ctx); err != nil {
		s.Debug("signing out will not find all stored tokens: %v", err)
	}
	session := store.Session{
		Generation: previous.Generation, SignedIn: s.Now().UnixMilli(), Subject: grant.Subject, Email: grant.Email,
		Refresh: grant.RefreshToken,
	}
	if previous.Subject == grant.Subject {
		// Its access tokens for other hosts stay valid, and so does its refresh token.
		session.Hosts = previous.Hosts
		if grant.RefreshToken == "" && previous.CanRefresh(s.Now()) {
			session.Refresh = previous.Refresh
		}
		session.Email = cmp.Or(grant.Email, previous.Email) // not every token has it
	} else if err := s.eraseTokens(previous.Hosts); err != nil {
		return store.Credential{}, err
	}
	session.AddHost(host)
	for _, t := range grant.AccessTokens {
		session.AddHost(s.hostOf(t))
	}
	session, err := s.WriteSession(session, session.Refresh)
	if err != nil {
		s.Warn(fmt.Errorf("%w; you will have to sign in again next time", err))
	}
	for _, t := range grant.AccessTokens {
		if other := s.hostOf(t); other != host {
			s.save(other, t.Secret, t.Expires, session)
		}
	}
	return s.save(host, token.Secret, token.Expires, session), nil
}

// hostOf returns the host under which an access token is stored.
func (s *Session) hostOf(t AccessToken) string {
	if len(t.Audiences) == 1 {
		return t.Audiences[0]
	}
	return s.API
}

// lastHour is the part of a session in which its user is warned of its end.
const lastHour = time.Hour

// warnBeforeEnd warns once in the last hour of a session, so that no long build is
// interrupted by a sign-in.
func (s *Session) warnBeforeEnd(r store.Credential) {
	left := time.Unix(r.SessionEnds, 0).Sub(s.Now())
	if !s.WarnBeforeEnd || r.SessionEnds == 0 || left <= 0 || left > lastHour {
		return
	}
	if s.WasWarned(r.SessionEnds) {
		return
	}
	err := fmt.Errorf("the session ends at %s, in %d min", time.Unix(r.SessionEnds, 0).Local().Format("15:04"), int(left.Minutes())+1)
	s.Warn(hint.With(err, hint.Do(hint.SignIn)))
}
