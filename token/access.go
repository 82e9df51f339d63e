package token

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/oauth2"

	"docker-credential-cgr/hint"
	"docker-credential-cgr/platform"
)

// TokenSource gives access tokens for host, for use with golang.org/x/oauth2.
func (s *Session) TokenSource(ctx context.Context, host string) oauth2.TokenSource {
	return tokenSource{ctx, s, host}
}

type tokenSource struct {
	// A TokenSource's method takes no context, so the source carries the one of
	// the work that it was made for.
	ctx  context.Context
	s    *Session
	host string
}

func (t tokenSource) Token() (*oauth2.Token, error) {
	c, err := t.s.Credential(t.ctx, t.host)
	if err != nil {
		return nil, err
	}
	return &oauth2.Token{AccessToken: c.Secret, TokenType: "Bearer", Expiry: c.Expires}, nil
}

// AccessToken gives an access token for ask's audience: the one that Credential
// gives, or a new one that is not kept where ask narrows it by scopes or
// capabilities, or where a pair that the user stored has the place of the kept
// one. Its errors are Credential's.
func (s *Session) AccessToken(ctx context.Context, ask platform.Ask) (*oauth2.Token, error) {
	narrow := len(ask.Scopes)+len(ask.Capabilities) > 0
	session, err := s.readSession()
	if err != nil {
		return nil, err
	}
	if !narrow || !s.renewable(session) {
		c, err := s.Credential(ctx, ask.Audiences[0])
		if err != nil {
			return nil, err
		}
		if !narrow && !c.Stored {
			return &oauth2.Token{AccessToken: c.Secret, TokenType: "Bearer", Expiry: c.Expires}, nil
		}
	}
	ctx, stop := s.watch(ctx)
	defer stop()
	unlock, err := s.lockToLogin(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if session, err = s.readSession(); err != nil {
		return nil, err
	}
	fetch, cancel := finishing(ctx, fetchLimit)
	defer cancel()
	s.Keychain.SayHolder(s.lockName(), "refreshing")
	switch {
	case session.alive(s.Now()):
		token, _, err := s.spend(fetch, ask, "", session, fetchTries)
		return token, err
	case s.IDToken != nil:
		return s.exchange(fetch, ask, fetchTries)
	case narrow && session.Subject != "":
		return nil, errors.New("a token with a scope or capabilities needs a session that can be renewed, and this one cannot")
	}
	return nil, notSignedIn("the credential for %s was stored by the user, and there is no session", ask.Audiences[0])
}

// assume exchanges an ID token of this machine for an access token for host, with
// the lock held, and stores it. The next one is fetched in the same way, so no
// refresh token is stored.
func (s *Session) assume(ctx context.Context, host string, session sessionRecord, tries int) (credentialRecord, error) {
	started := s.Now()
	fetch, cancel := context.WithTimeout(ctx, fetchLimit)
	defer cancel()
	s.Keychain.SayHolder(s.lockName(), "exchanging an ID token")
	token, err := s.exchange(fetch, s.ask(host), tries)
	if err != nil {
		return credentialRecord{}, err
	}
	if s.storesNothing() {
		r := credentialRecord{Username: Username, Secret: token.AccessToken}
		if !token.Expiry.IsZero() {
			r.Expires = token.Expiry.Unix()
		}
		return r, nil
	}
	if s.SignedOutSince(started) {
		s.Debug("not kept: somebody signed out meanwhile")
		return credentialRecord{Username: Username, Secret: token.AccessToken}, nil
	}
	claims, _ := platform.ParseClaims(token.AccessToken) // which Exchange has read
	if session.addHost(host) || session.Subject != claims.Subject {
		session.Subject, session.Email = claims.Subject, claims.Email
		if err := s.beginAssumed(ctx, session); err != nil {
			s.Debug("signing out will not find all that is kept: %v", err)
		}
	}
	r := s.keep(host, token.AccessToken, token.Expiry, session)
	if s.SignedOutSince(started) { // while it was kept
		for _, name := range []string{sessionName(s.Issuer, s.Identity), credentialName(s.Issuer, host, s.Identity)} {
			if err := s.Keychain.Delete(name); err != nil {
				s.Warn(fmt.Errorf("signed out during the exchange, but %w", err))
			}
		}
	}
	return r, nil
}

// exchange fetches a token of Identity for an ID token of this machine.
func (s *Session) exchange(ctx context.Context, ask platform.Ask, tries int) (*oauth2.Token, error) {
	idToken, err := s.IDToken(ctx)
	if err != nil {
		if s.Identity == "" {
			return nil, &NotSignedInError{err}
		}
		return nil, fmt.Errorf("no ID token to assume the identity %s with: %w", s.Identity, err)
	}
	ask.Identity = s.Identity
	token, err := s.STS.Exchange(ctx, idToken, ask, tries)
	if err == nil {
		return token, nil
	}
	claims := ""
	if platform.Refused(err, platform.CodeNotFound, platform.CodePermissionDenied, platform.CodeUnauthenticated) {
		// What the identity accepts is compared with this.
		if claims = platform.DescribeIDToken(idToken); claims != "" {
			claims = "; " + claims
		}
	}
	var answer *platform.AnswerError
	switch {
	case s.Identity != "":
		return nil, fmt.Errorf("cannot assume the identity %s: %w%s", s.Identity, err, claims)
	case errors.As(err, &answer) && answer.Status < 500:
		return nil, &NotSignedInError{hint.With(
			fmt.Errorf("the platform assigned no identity to this job's ID token (none matches, or several do): %w%s", answer, claims),
			hint.Text("set CHAINGUARD_AUTH_IDENTITY to the ID of an identity"))}
	}
	return nil, fmt.Errorf("cannot exchange this job's ID token: %w", err)
}

// beginAssumed keeps, for signing out, which identity has tokens for which hosts.
func (s *Session) beginAssumed(ctx context.Context, session sessionRecord) error {
	if err := s.noteIdentity(ctx); err != nil {
		return err
	}
	session.Version, session.Issuer, session.Identity = recordVersion, s.Issuer, s.Identity
	_, err := s.writeSession(session, "")
	return err
}

// noteIdentity sees to it that signing out finds what is kept for Identity, which
// may not be configured any more by then.
func (s *Session) noteIdentity(ctx context.Context) error {
	if s.Identity == "" {
		return nil
	}
	defer s.lockHosts(ctx)()
	known, err := s.readHosts()
	if err != nil || slices.Contains(known.Identities, s.Identity) {
		return err
	}
	known.Identities = append(known.Identities, s.Identity)
	return s.write(hostsName(s.Issuer), known, 0)
}

// Kept is what is stored of a session.
type Kept struct {
	Account Account     // zero where nobody is signed in
	Tokens  []KeptToken // sorted by host
}

// KeptToken is a credential that is stored for a host, but for its secret.
type KeptToken struct {
	Host, Username string
	Expires        time.Time // zero where not known
	Stored         bool      // the user gave it to us (docker login)
	Valid          bool      // it can be used now
}

// Kept returns what is stored, without asking anybody.
func (s *Session) Kept() (Kept, error) {
	session, err := s.readSession()
	if err != nil {
		return Kept{}, err
	}
	stored, err := s.readHosts()
	if err != nil {
		return Kept{}, err
	}
	k := Kept{Account: s.account(session)}
	hosts := slices.Concat([]string{s.Registry}, session.Hosts, stored.Hosts)
	slices.Sort(hosts)
	for _, host := range slices.Compact(hosts) {
		r, err := s.readCredential(host)
		if err != nil {
			return Kept{}, err
		}
		if r.Secret != "" {
			c := r.credential()
			k.Tokens = append(k.Tokens, KeptToken{Host: host, Username: c.Username, Expires: c.Expires, Stored: c.Stored, Valid: r.usable(s.Now())})
		}
	}
	return k, nil
}

// account returns whose session it is, until when it lasts, and whether it renews
// itself until then. A session without a refresh token lasts as long as its access
// token for the registry.
func (s *Session) account(session sessionRecord) Account {
	a := session.account()
	if session.Subject == "" {
		return a
	}
	if session.alive(s.Now()) {
		a.Renewable, a.short = true, session.endToWarnOf() == 0
		if session.RefreshExpires != 0 {
			a.Until = time.Unix(session.RefreshExpires, 0)
		}
		return a
	}
	if r, err := s.readSlot(s.Registry, s.Identity); err == nil && !r.Stored && r.usable(s.Now()) {
		a.Until = time.Unix(r.Expires, 0)
	}
	return a
}
