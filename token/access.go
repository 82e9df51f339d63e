package token

import (
	"context"
	"errors"

	"golang.org/x/oauth2"

	"docker-credential-cgr/platform"
)

// TokenSource returns a source of access tokens for host. A person may be asked to sign in.
func (s *Session) TokenSource(ctx context.Context, host string) oauth2.TokenSource {
	return tokenSource(func() (*oauth2.Token, error) {
		c, err := s.Credential(ctx, host, true)
		if err != nil {
			return nil, err
		}
		return oauth2Token(c), nil
	})
}

type tokenSource func() (*oauth2.Token, error)

func (t tokenSource) Token() (*oauth2.Token, error) { return t() }

func oauth2Token(c Credential) *oauth2.Token {
	return &oauth2.Token{AccessToken: c.Secret, TokenType: "Bearer", Expiry: c.Expires}
}

// AccessToken returns an access token for the audience of a request. A token that is
// limited by scopes or capabilities, or has several audiences, is new and not stored, and so
// is one for a host whose credential the user stored. If no one is signed in, the error is a
// *NotSignedInError.
func (s *Session) AccessToken(ctx context.Context, request platform.TokenRequest) (*oauth2.Token, error) {
	isLimited := isLimited(request)
	session, err := s.ReadSession()
	if err != nil {
		return nil, err
	}
	if !isLimited || !s.canRenew(session) {
		c, err := s.Credential(ctx, request.Audiences[0], true)
		if err != nil {
			return nil, err
		}
		if !isLimited && !c.UserStored {
			return oauth2Token(c), nil
		}
	}
	ctx, stop := s.watch(ctx)
	defer stop()
	unlock, err := s.Lock(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if session, err = s.ReadSession(); err != nil {
		return nil, err
	}
	fetch, cancel := withGrace(ctx, fetchTimeout)
	defer cancel()
	switch {
	case session.CanRefresh(s.Now()):
		token, _, err := s.redeem(fetch, request, "", session, fetchTries)
		return token, err
	case s.IDToken != nil:
		return s.exchange(fetch, request, fetchTries)
	case isLimited && session.Subject != "":
		return nil, errors.New("cannot request a token with a scope, capabilities or several audiences: this session has no refresh token")
	}
	return nil, notSignedIn("the credential for %s was stored by the user, and there is no session", request.Audiences[0])
}

// isLimited reports whether a token is only for the caller, and not stored for a host.
func isLimited(request platform.TokenRequest) bool {
	return len(request.Scopes)+len(request.Capabilities) > 0 || len(request.Audiences) > 1
}
