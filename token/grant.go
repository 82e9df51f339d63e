package token

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"docker-credential-cgr/platform"
	"docker-credential-cgr/token/store"
)

// SignInRequest is what a person is asked to sign in for.
type SignInRequest struct {
	// Audiences are all audiences of the sign-in. One refresh token covers them.
	Audiences []string
	// Single lists the audiences that need a separate access token if the issuer returns no
	// refresh token: a registry client must not get a token for other hosts.
	Single []string
	// Verify asks the platform whether it accepts the tokens in a response, and redeems the
	// refresh token. Until then a response that came through a browser does not count: any
	// program on this machine can send one.
	Verify func(context.Context, *Grant) error
}

// Grant is the result of a sign-in.
type Grant struct {
	Subject string // UIDP of the account
	Email   string // may be empty
	// RefreshToken is empty if the issuer gave none; it may do so although asked for one.
	RefreshToken string
	AccessTokens []AccessToken
	// Finish waits until the browser has shown the last page. It is called at the end of
	// the sign-in. May be nil.
	Finish func()

	redeemed bool // RefreshToken has been redeemed, and AccessTokens came for it
}

// AccessToken is an access token and its audiences.
type AccessToken struct {
	Secret    string
	Audiences []string
	Expires   time.Time // by this machine's clock; zero if not known
}

// Only reports whether audience is the token's one audience.
func (t AccessToken) Only(audience string) bool {
	return len(t.Audiences) == 1 && t.Audiences[0] == audience
}

func (g *Grant) finish() {
	if g.Finish != nil {
		g.Finish()
	}
}

// Account returns the account that signed in.
func (g *Grant) Account() Account { return Account{Subject: g.Subject, Email: g.Email} }

// tokenFor returns the grant's access token for audience, which must be its only one. A
// token for the API may have others: no other program gets it.
func (s *Session) tokenFor(g *Grant, audience string) (AccessToken, bool) {
	i := slices.IndexFunc(g.AccessTokens, func(t AccessToken) bool {
		return t.Only(audience) || audience == s.API && slices.Contains(t.Audiences, s.API)
	})
	if i < 0 {
		return AccessToken{}, false
	}
	return g.AccessTokens[i], true
}

// maxFormerHosts is how many hosts of the previous session a sign-in asks for: its URL names
// all of them, and browsers limit its length.
const maxFormerHosts = 8

// signInRequest returns the request for a sign-in for host, and for the hosts that session
// was last used for.
func (s *Session) signInRequest(host string, session store.Session) SignInRequest {
	r := SignInRequest{Audiences: []string{s.Registry, s.API}, Single: []string{s.Registry}}
	recent := session.Hosts[max(0, len(session.Hosts)-maxFormerHosts):]
	for _, h := range slices.Concat([]string{host}, s.Audiences, recent) {
		if a := s.audience(h); !slices.Contains(r.Audiences, a) {
			r.Audiences = append(r.Audiences, a)
		}
	}
	for _, h := range append([]string{host}, s.Audiences...) {
		if a := s.audience(h); a != s.API && !slices.Contains(r.Single, a) {
			r.Single = append(r.Single, a)
		}
	}
	r.Verify = func(ctx context.Context, g *Grant) error {
		if err := s.verify(ctx, host, g); err != nil {
			return err
		}
		if s.ConfirmAccount == nil && session.Subject != "" && g.Subject != session.Subject {
			// The sign-in continues: another program may have sent the answer.
			return &otherAccountError{now: g.Account(), last: accountOf(session)}
		}
		return nil
	}
	return r
}

// errSubjectMismatch means that a response names another account than the platform does.
var errSubjectMismatch = errors.New("the response and its token name different accounts")

// verify returns an error unless the platform accepts the tokens in a response: its refresh
// token or, if it has none, each of its access tokens.
func (s *Session) verify(ctx context.Context, host string, g *Grant) error {
	if g.RefreshToken != "" {
		return s.redeemGrant(ctx, host, g)
	}
	fetch, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	for i := range g.AccessTokens {
		if err := s.try(fetch, g.Subject, &g.AccessTokens[i]); err != nil {
			return err
		}
	}
	return nil
}

// redeemGrant redeems the grant's refresh token for an access token for host. The refresh
// token may have come in a URL, which browsers remember; once redeemed it is worthless.
func (s *Session) redeemGrant(ctx context.Context, host string, g *Grant) error {
	fetch, cancel := withGrace(ctx, fetchTimeout)
	defer cancel()
	token, err := s.STS.Refresh(fetch, g.RefreshToken, s.tokenRequest(host), fetchTries)
	if err != nil {
		return err
	}
	claims, _ := platform.ParseClaims(token.AccessToken)
	if claims.Subject != g.Subject {
		return errSubjectMismatch
	}
	g.Email = claims.Email // the previous one came with a token that was not verified
	if token.RefreshToken != "" {
		g.RefreshToken = token.RefreshToken
	}
	g.AccessTokens = []AccessToken{{Secret: token.AccessToken, Audiences: claims.Audiences, Expires: token.Expiry}}
	g.redeemed = true
	return nil
}

// try uses an access token of subject once: at the platform API (GET /auth/v1/ok) or, if the
// token is not for the API or the API returns an error other than Unauthenticated, at the registry's token endpoint. A
// token for another host is not tried. try corrects the token's end by the platform's clock.
func (s *Session) try(ctx context.Context, subject string, t *AccessToken) error {
	var refused error
	if slices.Contains(t.Audiences, s.API) {
		var who struct{ Subject string }
		date, err := platform.Send(ctx, s.STS.Transport, platform.Request{
			Method: http.MethodGet, URL: s.API + "/auth/v1/ok", Bearer: t.Secret,
		}, &who)
		switch {
		case err == nil && who.Subject != subject:
			return errSubjectMismatch
		case err == nil:
			t.Expires = s.STS.LocalTime(t.Expires, date)
			return nil
		case platform.HasCode(err, platform.CodeUnauthenticated):
			return err
		}
		refused = err
	}
	if slices.Contains(t.Audiences, s.Registry) {
		date, err := platform.Send(ctx, s.STS.Transport, platform.Request{
			Method: http.MethodGet, URL: s.RegistryURL + "/token?" + url.Values{"service": {s.Registry}}.Encode(), Bearer: t.Secret,
		}, &struct{}{})
		if err == nil {
			t.Expires = s.STS.LocalTime(t.Expires, date)
			return nil
		}
		if refused != nil {
			err = fmt.Errorf("%w; %w", refused, err) // not joined, which would be two lines
		}
		refused = err
	}
	return refused
}
