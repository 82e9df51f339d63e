package fakeplatform

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"golang.org/x/oauth2"

	"docker-credential-cgr/e2e/fakeplatform/provider"
)

// brokerPath is where the identity provider sends the browser back to, at the issuer.
const brokerPath = "/oauth/callback"

// brokered is a sign-in whose browser is at the identity provider.
type brokered struct {
	signIn          *signIn
	verifier, nonce string
}

// providerHandler makes the identity provider of Organization, with the people of the platform.
func (p *Platform) providerHandler(issuer string) (http.Handler, error) {
	p.broker = provider.Broker{ID: "chainguard-issuer", Secret: randomHex(20), RedirectURI: p.Issuer + brokerPath}
	idp, err := provider.New(provider.Config{
		Issuer:        issuer,
		CheckPassword: p.checkPassword,
		Settings:      p.providerSettings,
		Hand:          func(secret string) { p.hand(secret) },
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

// ProviderEnviron is the settings with which a client signs in at the identity provider itself, beside those of Environ.
func (p *Platform) ProviderEnviron() []string {
	return []string{
		"CHAINGUARD_AUTH_OIDC_ISSUER=" + p.Provider.Issuer,
		"CHAINGUARD_AUTH_OIDC_CLIENT_ID=" + provider.ClientID,
		"CHAINGUARD_DEFAULT_IDENTITY_PROVIDER=" + p.IdentityProviderID(),
	}
}

// relyingParty is the issuer as a client of the identity provider.
func (p *Platform) relyingParty() *oauth2.Config {
	return &oauth2.Config{
		ClientID: p.broker.ID, ClientSecret: p.broker.Secret, RedirectURL: p.broker.RedirectURI,
		Endpoint: p.Provider.Endpoint(), Scopes: []string{"openid", "email"},
	}
}

// sendToProvider lets the identity provider say who signs in.
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

// serveBrokered takes the browser that comes back from the identity provider.
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

// redeem is the email address of the person whom an authorization code is about.
func (p *Platform) redeem(ctx context.Context, b brokered, issuer, code string) (string, error) {
	if issuer != p.Provider.Issuer {
		return "", fmt.Errorf("answer of another issuer %q", issuer) // RFC 9207 section 2.4
	}
	token, err := p.relyingParty().Exchange(ctx, code, oauth2.VerifierOption(b.verifier))
	if err != nil {
		return "", errors.New("no token for this code") // the reason would repeat what is secret
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
