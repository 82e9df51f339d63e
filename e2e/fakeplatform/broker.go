package fakeplatform

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"golang.org/x/oauth2"

	"docker-credential-cgr/e2e/fakeplatform/provider"
)

// brokerPath is the issuer's redirect path for the identity provider.
const brokerPath = "/oauth/callback"

// brokered is a sign-in that continues at the identity provider.
type brokered struct {
	signIn          *signIn
	verifier, nonce string
}

// providerHandler returns the identity provider of Organization, with the people of the platform.
func (p *Platform) providerHandler(issuer string) (http.Handler, error) {
	p.broker = provider.Broker{ID: "chainguard-issuer", Secret: randomHex(20), RedirectURI: p.Issuer + brokerPath}
	idp, err := provider.New(provider.Config{
		Issuer:        issuer,
		CheckPassword: p.checkPassword,
		Settings:      p.providerSettings,
		OnIssue:       func(secret string) { p.recordIssued(secret) },
		Broker:        p.broker,
	})
	if err != nil {
		return nil, fmt.Errorf("identity provider: %w", err)
	}
	p.Provider = idp
	return idp, nil
}

func (p *Platform) providerSettings() provider.Settings {
	b := p.snapshot()
	s := provider.Settings{IDTokenLifetime: p.idTokenLifetime(), ClockSkew: b.ClockSkew, Faults: b.Provider}
	if b.AutoApprove {
		s.SignedIn = orDefault(b.Person, Ada)
	}
	return s
}

func (p *Platform) checkPassword(email, password string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	who, ok := p.people[email]
	return ok && who.password == password
}

// ProviderEnviron returns the variables, in addition to Environ, with which a client signs in directly with the identity
// provider.
func (p *Platform) ProviderEnviron() []string {
	return []string{
		"CHAINGUARD_AUTH_OIDC_ISSUER=" + p.Provider.Issuer,
		"CHAINGUARD_AUTH_OIDC_CLIENT_ID=" + provider.ClientID,
		"CHAINGUARD_DEFAULT_IDENTITY_PROVIDER=" + p.IdentityProviderID(),
	}
}

// relyingParty returns the issuer's configuration as a client of the identity provider.
func (p *Platform) relyingParty() *oauth2.Config {
	return &oauth2.Config{
		ClientID: p.broker.ID, ClientSecret: p.broker.Secret, RedirectURL: p.broker.RedirectURI,
		Endpoint: p.Provider.Endpoint(), Scopes: []string{"openid", "email"},
	}
}

// sendToProvider redirects the browser to the identity provider.
func (p *Platform) sendToProvider(w http.ResponseWriter, s *signIn) {
	state := randomHex(16)
	b := brokered{signIn: s, verifier: oauth2.GenerateVerifier(), nonce: randomHex(16)}
	p.mu.Lock()
	p.brokered[state] = b
	p.mu.Unlock()
	address := p.relyingParty().AuthCodeURL(state,
		oauth2.S256ChallengeOption(b.verifier), oauth2.SetAuthURLParam("nonce", b.nonce))
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", address)
	w.WriteHeader(http.StatusSeeOther)
}

// serveBrokered handles the redirect back from the identity provider.
func (p *Platform) serveBrokered(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	p.mu.Lock()
	b, known := p.brokered[q.Get("state")]
	delete(p.brokered, q.Get("state"))
	p.mu.Unlock()
	if !known {
		writeOver(w)
		return
	}
	if reason := q.Get("error"); reason != "" {
		p.refuse(w, b.signIn, refusal{http.StatusForbidden, reason + ": " + q.Get("error_description")})
		return
	}
	email, err := p.redeem(r.Context(), b, q.Get("iss"), q.Get("code"))
	if err != nil {
		p.refuse(w, b.signIn, refusal{http.StatusInternalServerError, "internal: identity provider: " + err.Error()})
		return
	}
	p.remember(w, b.signIn, email)
	p.finish(w, b.signIn, email)
}

// redeem exchanges an authorization code and returns the email address of its person.
func (p *Platform) redeem(ctx context.Context, b brokered, issuer, code string) (string, error) {
	if issuer != p.Provider.Issuer {
		return "", fmt.Errorf("response of another issuer %q", issuer) // RFC 9207 section 2.4
	}
	token, err := p.relyingParty().Exchange(ctx, code, oauth2.VerifierOption(b.verifier))
	if err != nil {
		return "", errors.New("no token for this code") // the cause would contain secrets
	}
	raw, _ := token.Extra("id_token").(string)
	claims, err := p.verifyIDToken(raw)
	switch {
	case err != nil:
		return "", err
	case claims.text("iss") != issuer, !claims.has("aud", p.broker.ID), claims.text("nonce") != b.nonce:
		return "", errors.New("ID token is not for this sign-in")
	}
	return claims.text("email"), nil
}
