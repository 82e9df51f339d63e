package token

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/oauth2"

	"docker-credential-cgr/platform"
	"docker-credential-cgr/token/store"
)

// errSuperseded means that another process replaced or removed the session while this one
// refreshed it.
var errSuperseded = errors.New("the session was replaced or removed by another process: try again")

// hasEnded reports whether err means that the session's refresh token is no longer valid.
// A rejected audience of a subdomain does not mean that the session ended: clients can send
// any subdomain.
func (s *Session) hasEnded(host string, err error) bool {
	if s.audience(host) != s.Registry {
		return platform.HasCode(err, platform.CodeUnauthenticated)
	}
	return platform.HasCode(err, platform.CodeUnauthenticated, platform.CodeInvalidArgument, platform.CodeFailedPrecondition)
}

// refresh redeems the refresh token of session for an access token for host and stores
// both, the new refresh token first. This process has the lock.
func (s *Session) refresh(ctx context.Context, host string, session store.Session, tries int) (store.Credential, error) {
	token, session, err := s.redeem(ctx, s.tokenRequest(host), host, session, tries)
	if errors.Is(err, errSuperseded) {
		if r, err := s.ReadCredential(host); err == nil && r.IsValid(s.Now()) {
			return r, nil
		}
	}
	if err != nil {
		return store.Credential{}, err
	}
	return s.save(host, token.AccessToken, token.Expiry, session), nil
}

// redeem redeems the refresh token of session and stores the one that replaces it. The
// error is a *NotSignedInError, and no request is sent, if this process does not have the
// lock or nothing could be stored. It returns the session as stored, with host, if any,
// among its hosts.
func (s *Session) redeem(ctx context.Context, request platform.TokenRequest, host string, session store.Session, tries int) (*oauth2.Token, store.Session, error) {
	if err := s.checkRedeemable(session); err != nil {
		return nil, session, err
	}
	s.SetLockOwner("refreshing")
	token, err := s.STS.Refresh(ctx, session.Refresh, request, tries)
	current, readErr := s.ReadSession()
	if readErr != nil && token == nil {
		return nil, session, errors.Join(err, readErr)
	}
	switch {
	case readErr != nil:
		current = session
	case current.Refresh == session.Refresh:
		session = current // another process changed something else
	}
	switch s.outcome(request, session, current, token, err) {
	case retry:
		return s.redeem(ctx, request, host, current, tries)
	case superseded:
		if err == nil {
			err = errSuperseded
		}
		return nil, session, err
	case ended:
		session.Refresh, session.RefreshExpires = "", 0
		if _, writeErr := s.WriteSession(session, ""); writeErr != nil {
			s.Debug("cannot mark the session as ended: %v", writeErr)
		}
		return nil, session, err
	case failed:
		return nil, session, err
	}
	session.Generation = max(session.Generation, current.Generation)
	session = s.saveRefreshed(host, session, token, err)
	if err != nil {
		return nil, session, err
	}
	if c, _ := platform.ParseClaims(token.AccessToken); session.Subject != "" && c.Subject != session.Subject {
		return nil, session, fmt.Errorf("%s issued a token for %s, but %s is signed in; the token was discarded",
			s.STS.Host(), platform.Printable(c.Subject, session.Refresh), session.Subject)
	}
	return token, session, nil
}

// refreshOutcome is what became of a refresh token that was sent to the issuer.
type refreshOutcome int

const (
	failed     refreshOutcome = iota // the issuer did not answer, or not with a token
	refreshed                        // there is a new token, of the session that is stored
	superseded                       // another session is stored now, and that one counts
	ended                            // the issuer has ended the session
	retry                            // the issuer rejected the token, but another process stored a new one
)

// outcome compares the session whose refresh token was sent with the current one. They
// differ if another process signed in or out, or refreshed, without the lock.
func (s *Session) outcome(request platform.TokenRequest, sent, current store.Session, token *oauth2.Token, err error) refreshOutcome {
	isEnded := s.hasEnded(request.Audiences[0], err)
	if isLimited(request) {
		// Another error may be about the scopes, the capabilities or one of the audiences.
		isEnded = platform.HasCode(err, platform.CodeUnauthenticated)
	}
	isCurrent := current.Generation == sent.Generation ||
		// Another process sent the same refresh token later, was rejected, and marked the
		// session as ended.
		err == nil && current.Refresh == "" && current.Subject != "" && current.Subject == sent.Subject
	switch {
	case !isCurrent && isEnded && current.CanRefresh(s.Now()):
		return retry
	case !isCurrent:
		return superseded
	case isEnded:
		return ended
	case token == nil:
		return failed
	}
	return refreshed
}

// saveRefreshed stores the refresh token in the response. The response may contain one even
// if err, which is that of the request, is not nil.
func (s *Session) saveRefreshed(host string, session store.Session, token *oauth2.Token, err error) store.Session {
	changed := false
	if token.RefreshToken != "" && token.RefreshToken != session.Refresh {
		session.Refresh, changed = token.RefreshToken, true
	}
	if err == nil && host != "" {
		changed = session.AddHost(host) || changed
	}
	if !changed {
		return session
	}
	session, err = s.WriteSession(session, session.Refresh)
	if err != nil {
		s.Warn(fmt.Errorf("%w; you will have to sign in again next time", err))
	}
	return session
}

// checkRedeemable returns a *NotSignedInError if the refresh token of session must not be
// redeemed: its successor could not be stored, or another process may be redeeming it, and
// the issuer ends a session whose refresh token it sees twice.
func (s *Session) checkRedeemable(session store.Session) error {
	if !s.IsLocked() {
		return notSignedIn("the session cannot be refreshed without a lock: another process may be refreshing it")
	}
	if err := s.RewriteSession(session); err != nil {
		return &NotSignedInError{fmt.Errorf("the session cannot be refreshed: the new refresh token could not be stored: %w", err)}
	}
	return nil
}
