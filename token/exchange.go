package token

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/oauth2"

	"docker-credential-cgr/hint"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/token/store"
)

// exchangeFor exchanges an ID token of this machine for an access token for host and stores
// it, unless no identity is configured or the user has signed out meanwhile. The refresh token, if any, is not stored: the next token is fetched in the same way.
func (s *Session) exchangeFor(ctx context.Context, host string, session store.Session, tries int) (store.Credential, error) {
	started := s.Now()
	fetch, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	s.SetLockOwner("exchanging an ID token")
	token, err := s.exchange(fetch, s.tokenRequest(host), tries)
	if err != nil {
		return store.Credential{}, err
	}
	if s.isAnonymousJob() || s.SignedOutSince(started) {
		r := store.Credential{Username: Username, Secret: token.AccessToken}
		if !token.Expiry.IsZero() {
			r.Expires = token.Expiry.Unix()
		}
		return r, nil
	}
	claims, _ := platform.ParseClaims(token.AccessToken) // Exchange has parsed them
	if session.AddHost(host) || session.Subject != claims.Subject {
		session.Subject, session.Email = claims.Subject, claims.Email
		err := s.AddIdentity(ctx)
		if err == nil {
			_, err = s.WriteSession(session, "")
		}
		if err != nil {
			s.Debug("signing out will not find all stored tokens: %v", err)
		}
	}
	r := s.save(host, token.AccessToken, token.Expiry, session)
	if s.SignedOutSince(started) { // while it was stored
		if err := errors.Join(s.DeleteSession(), s.DeleteCredential(host, s.Identity)); err != nil {
			s.Warn(fmt.Errorf("signed out during the exchange, but %w", err))
		}
	}
	return r, nil
}

// exchange exchanges an ID token of this machine for a token of Identity or, if that is
// empty, of the identity that matches it.
func (s *Session) exchange(ctx context.Context, request platform.TokenRequest, tries int) (*oauth2.Token, error) {
	idToken, err := s.IDToken(ctx)
	switch {
	case err != nil && s.Identity == "":
		return nil, &NotSignedInError{err}
	case err != nil:
		return nil, fmt.Errorf("cannot get an ID token to assume the identity %s: %w", s.Identity, err)
	}
	request.Identity = s.Identity
	token, err := Exchange(ctx, s.STS, idToken, request, tries)
	var noIdentity *NotSignedInError
	if err != nil && s.Identity == "" && !errors.As(err, &noIdentity) {
		err = fmt.Errorf("cannot exchange this job's ID token: %w", err)
	}
	return token, err
}

// Exchange exchanges an ID token of this machine for the access token of a request. If that
// names no identity and the ID token matches none, or several, the error is a
// *NotSignedInError. Other errors are those of platform.STS, with what an identity compares.
func Exchange(ctx context.Context, sts *platform.STS, idToken string, request platform.TokenRequest, tries int) (*oauth2.Token, error) {
	token, err := sts.Exchange(ctx, idToken, request, tries)
	if err == nil {
		return token, nil
	}
	claims := "" // for comparison with what the identity accepts
	if platform.HasCode(err, platform.CodeNotFound, platform.CodePermissionDenied, platform.CodeUnauthenticated) {
		if claims = platform.DescribeIDToken(idToken); claims != "" {
			claims = "; " + claims
		}
	}
	var answer *platform.ResponseError
	switch {
	case request.Identity != "":
		return nil, fmt.Errorf("cannot assume the identity %s: %w%s", request.Identity, err, claims)
	case errors.As(err, &answer) && answer.Status < 500:
		return nil, &NotSignedInError{hint.With(
			fmt.Errorf("the platform assigned no identity to the ID token (none matches, or several do): %w%s", answer, claims),
			hint.Text("set CHAINGUARD_AUTH_IDENTITY to the ID of an identity"))}
	}
	return nil, err
}
