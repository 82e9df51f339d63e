package token

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"docker-credential-cgr/hint"
	"docker-credential-cgr/keychain"
	"docker-credential-cgr/platform"
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
	return fmt.Sprintf("it is by %s, and %s is signed in here", e.now, e.last)
}

// Login has a person sign in even if a session is stored, or exchanges an ID token if there
// is one. It returns whose session it is. If another process is signing in, its session
// counts.
func (s *Session) Login(ctx context.Context) (Account, error) {
	before, err := s.readSession()
	if err != nil {
		return Account{}, err
	}
	if err := s.Keychain.Probe(); err != nil && // before a person signs in for nothing
		!(s.IDToken != nil && (errors.Is(err, keychain.ErrKeepsNothing) || errors.Is(err, keychain.ErrNoStore))) {
		return Account{}, fmt.Errorf("a sign-in could not be stored: %w", err)
	}
	if before.canRefresh(s.Now()) {
		s.Note("%s is already signed in; signing in again", before.account())
	}
	if r, err := s.readSlot(s.Registry, ""); err == nil && r.Stored && r.isValid(s.Now()) {
		err := fmt.Errorf("get still answers with the credential stored for %s (user %s), not with this sign-in", s.Registry, platform.Printable(r.Username))
		s.Warn(hint.With(err, hint.Text("docker logout %s", s.Registry), hint.Do(hint.SignIn)))
	}
	unlock, err := s.lock(ctx, nil)
	if err != nil {
		return Account{}, err
	}
	defer unlock()
	session, err := s.readSession()
	if err != nil {
		return Account{}, err
	}
	if s.IDToken != nil {
		r, err := s.exchangeFor(ctx, s.Registry, session, fetchTries)
		if err != nil {
			return Account{}, err
		}
		claims, err := platform.ParseClaims(r.Secret)
		return Account{Subject: claims.Subject, Until: r.credential().Expires, Renewable: true}, err
	}
	if session.SignedIn != before.SignedIn && s.account(session).Valid(s.Now()) {
		return s.account(session), nil // another process signed in
	}
	if _, err := s.signIn(ctx, s.Registry, session); err != nil {
		return Account{}, err
	}
	if session, err = s.readSession(); err == nil && session.Subject == "" {
		err = errors.New("signed in, but the session was not stored")
	}
	return s.account(session), err
}

// signInUnlessPaused has a person sign in for Credential and reports who did. It returns a
// *NotSignedInError during the sign-in backoff and if nothing could be stored: the next
// image would need a sign-in of its own.
func (s *Session) signInUnlessPaused(ctx context.Context, host string, session sessionRecord) (credentialRecord, error) {
	if b := s.readBackoff(); b.isActive(s.Now()) {
		return credentialRecord{}, notSignedIn("%s", b.reason())
	}
	if err := s.Keychain.Probe(); err != nil && !errors.Is(err, keychain.ErrKeepsNothing) {
		return credentialRecord{}, &NotSignedInError{fmt.Errorf("a sign-in could not be stored: %w", err)}
	}
	r, err := s.signIn(ctx, host, session)
	if err != nil {
		return credentialRecord{}, err
	}
	if session, err = s.readSession(); err == nil && session.Subject != "" {
		s.Note("signed in as %s", s.account(session).Describe())
	}
	return r, nil
}

// signIn has a person sign in, in place of session. This process has the lock.
func (s *Session) signIn(ctx context.Context, host string, session sessionRecord) (credentialRecord, error) {
	s.Keychain.SetLockOwner(s.lockName(), "signing in")
	before := s.readBackoff()
	s.extendBackoff(before, "was abandoned", true) // for the case that this process is killed

	grant, err := s.SignIn(ctx, s.signInRequest(host, session))
	if err != nil {
		var ended *SignInError
		switch {
		case errors.As(err, &ended):
			s.extendBackoff(before, ended.Why, false)
		case ctx.Err() == nil || errors.Is(context.Cause(ctx), ErrInterrupted):
			// No window opened, or the person stopped it.
			s.restoreBackoff(before)
		default:
			s.extendBackoff(before, "was abandoned", false)
		}
		return credentialRecord{}, err
	}
	defer grant.finish()
	r, err := s.startSession(ctx, host, session, grant)
	var other *otherAccountError
	switch {
	case err == nil:
		s.clearBackoff()
	case errors.As(err, &other):
		s.extendBackoff(before, "was by another account", false)
	default: // the next one would fail in the same way
		s.extendBackoff(before, "failed", false)
	}
	return r, err
}

// startSession stores a new session with what a sign-in brought, in place of former, and
// returns the credential for host.
func (s *Session) startSession(ctx context.Context, host string, former sessionRecord, grant *Grant) (credentialRecord, error) {
	if grant.RefreshToken != "" && !grant.redeemed {
		if err := s.redeemGrant(ctx, host, grant); err != nil {
			return credentialRecord{}, hint.With(fmt.Errorf("signed in as %s, but %w", grant.Account(), err), hint.Do(hint.SignIn))
		}
	}
	token, ok := s.tokenFor(grant, s.audience(host))
	if !ok {
		return credentialRecord{}, fmt.Errorf("the sign-in brought no access token for %s alone: nothing was stored", s.audience(host))
	}
	if former.Subject != "" && former.Subject != grant.Subject {
		if s.ConfirmAccount == nil {
			return credentialRecord{}, hint.With(&otherAccountError{now: grant.Account(), last: former.account()}, hint.Do(hint.SignIn))
		}
		if !s.ConfirmAccount(former.account(), grant.Account()) {
			return credentialRecord{}, fmt.Errorf("nothing was changed: %s stays signed in here", former.account())
		}
	}
	if s.Identity != "" && grant.Subject != s.Identity {
		return credentialRecord{}, fmt.Errorf("the sign-in was for the identity %s, but brought a token of %s: nothing was stored", s.Identity, grant.Account())
	}
	if err := s.addIdentity(ctx); err != nil {
		s.Debug("signing out will not find all stored tokens: %v", err)
	}
	session := sessionRecord{
		Version: recordVersion, Issuer: s.Issuer, Identity: s.Identity,
		Generation: former.Generation, SignedIn: s.Now().UnixMilli(), Subject: grant.Subject, Email: grant.Email,
		Refresh: grant.RefreshToken,
	}
	if former.Subject == grant.Subject {
		// Its access tokens for other hosts stay valid, and so does its refresh token.
		session.Hosts = former.Hosts
		if grant.RefreshToken == "" && former.canRefresh(s.Now()) {
			session.Refresh = former.Refresh
		}
		session.Email = cmp.Or(grant.Email, former.Email) // not every token has it
	} else if err := s.forgetTokens(former.Hosts); err != nil {
		return credentialRecord{}, err
	}
	session.addHost(host)
	for _, t := range grant.AccessTokens {
		session.addHost(s.hostOf(t))
	}
	session, err := s.writeSession(session, session.Refresh)
	if err != nil {
		s.Warn(fmt.Errorf("%w: the next run has to sign in again", err))
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
func (s *Session) warnBeforeEnd(r credentialRecord) {
	left := time.Unix(r.SessionEnds, 0).Sub(s.Now())
	if !s.WarnBeforeEnd || r.SessionEnds == 0 || left <= 0 || left > lastHour {
		return
	}
	note, end := s.lockName()+".warned", strconv.FormatInt(r.SessionEnds, 10)
	if warned, err := s.Keychain.ReadNote(note); err == nil && string(warned) == end {
		return
	}
	if err := s.Keychain.WriteNote(note, []byte(end)); err != nil {
		s.Debug("cannot note that the user was warned: %v", err)
	}
	err := fmt.Errorf("the session ends at %s, in %d min", time.Unix(r.SessionEnds, 0).Local().Format("15:04"), int(left.Minutes())+1)
	s.Warn(hint.With(err, hint.Do(hint.SignIn)))
}
