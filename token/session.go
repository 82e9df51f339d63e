// Package token provides access tokens for one issuer and identity. It takes them from
// the keychain, refreshes them, exchanges an ID token for them or has a person sign in.
// Of many processes that need a token at the same time, one fetches it and the others
// read what it stored.
//
// Read session.go first, then fetch.go, refresh.go, exchange.go and signin.go, which
// follow the numbered list of Session.Credential.
package token

import (
	"context"
	"errors"
	"fmt"
	"time"

	"docker-credential-cgr/hint"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/token/store"
)

// Username is the user name that goes with an access token as a password.
const Username = "_token"

// Credential is a user name and secret for a registry host.
type Credential struct {
	Username   string
	Secret     string
	Expires    time.Time // by this machine's clock; zero if not known
	Renew      time.Time // when to refresh it; zero: never
	UserStored bool      // the user stored it (docker login)
}

// NotSignedInError means that there is no credential, and that no person may be asked to
// sign in now. Public images can still be pulled.
type NotSignedInError struct{ Err error }

func (e *NotSignedInError) Error() string { return "not signed in: " + e.Err.Error() }
func (e *NotSignedInError) Unwrap() error { return e.Err }

// notSignedIn returns a *NotSignedInError with the hint to sign in.
func notSignedIn(format string, args ...any) error {
	return &NotSignedInError{hint.With(fmt.Errorf(format, args...), hint.Do(hint.SignIn))}
}

// credentialOf returns the credential in a record.
func credentialOf(r store.Credential) Credential {
	c := Credential{Username: r.Username, Secret: r.Secret, UserStored: r.UserStored}
	if r.Expires != 0 {
		c.Expires = time.Unix(r.Expires, 0)
	}
	if r.Renew != 0 {
		c.Renew = time.Unix(r.Renew, 0)
	}
	return c
}

// ErrInterrupted is the cause of a context that Ctrl-C canceled.
var ErrInterrupted = errors.New("interrupted")

// Session gets tokens of one identity from one issuer. Its fields are set before its
// methods are called, which is done by one goroutine at a time.
type Session struct {
	store.Records

	Registry string // the registry's host, with its port unless that is 443
	API      string // URL of the platform API, which is its audience too
	// RegistryURL is where the access token of a sign-in is tried if the API cannot
	// judge it; without a trailing slash.
	RegistryURL string

	STS *platform.STS
	// IDToken returns an ID token of this machine that may assume Identity or, if that is
	// empty, the one identity that matches it. Nil if there is none.
	IDToken func(context.Context) (string, error)
	// SignIn asks a person to sign in. It is nil if no person may be asked; NoSignIn
	// then says why.
	SignIn   func(context.Context, SignInRequest) (*Grant, error)
	NoSignIn error
	// Audiences are what a sign-in is for, besides the registry and the API.
	Audiences []string
	// ConfirmAccount asks whether to replace the session of another account. Nil: no.
	ConfirmAccount func(last, now Account) bool

	// Watch returns a context that is canceled when the client ends or a signal arrives. It
	// is called before work that takes a while. Nil if the caller's context does that.
	Watch func(context.Context) (context.Context, context.CancelFunc)
	// WarnBeforeEnd makes Credential warn once per session in its last hour.
	WarnBeforeEnd bool
}

// Credential returns a credential for host. The first that applies:
//
//  1. the credential that the user stored, or a valid access token, from the keychain
//  2. an access token for the session's refresh token
//  3. an access token for an ID token of this machine
//  4. an access token from a sign-in, if interactive
//
// The error is a *NotSignedInError if none applies.
func (s *Session) Credential(ctx context.Context, host string, interactive bool) (Credential, error) {
	r, err := s.ReadCredential(host)
	if err != nil {
		return Credential{}, err
	}
	switch now := s.Now(); {
	case r.IsValid(now) && !r.NeedsRefresh(now):
		s.Debug("the stored credential for %s is valid", host)
	case r.IsValid(now):
		r = s.refreshEarly(ctx, host, r)
	default:
		if r, err = s.fetch(ctx, host, r, interactive); err != nil {
			return Credential{}, err
		}
	}
	s.warnBeforeEnd(r)
	return credentialOf(r), nil
}

// watch returns a context that is also canceled by Watch.
func (s *Session) watch(ctx context.Context) (context.Context, context.CancelFunc) {
	if s.Watch == nil {
		return ctx, func() {}
	}
	return s.Watch(ctx)
}

// audience returns the audience of tokens for host. Each subdomain of the registry is
// its own audience, except skills, which uses the registry's.
func (s *Session) audience(host string) string {
	if host == "skills."+s.Registry {
		return s.Registry
	}
	return host
}

// tokenRequest returns what a token for host is requested with.
func (s *Session) tokenRequest(host string) platform.TokenRequest {
	return platform.TokenRequest{Audiences: []string{s.audience(host)}}
}

// canRenew reports whether tokens can be fetched without asking a person.
func (s *Session) canRenew(session store.Session) bool {
	return session.CanRefresh(s.Now()) || s.IDToken != nil
}

// isAnonymousJob reports whether tokens are not stored: they come from an ID token without
// the name of an identity. The exchange decides whose they are, and the next job on this
// machine may be another one.
func (s *Session) isAnonymousJob() bool { return s.IDToken != nil && s.Identity == "" }
