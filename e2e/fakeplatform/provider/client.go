package provider

import (
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// client is a registered client.
type client struct {
	id, secret string // a public client has no secret
	redirects  []string
	grants     []oidc.GrantType
	loginURL   func(requestID string) string
	lifetime   func() time.Duration
}

// clients returns the registered clients by ID.
func (p *Provider) clients() map[string]*client {
	login := func(id string) string { return p.at(loginPath, map[string][]string{"id": {id}}) }
	lifetime := func() time.Duration {
		if life := p.config.Settings().IDTokenLifetime; life != 0 {
			return life
		}
		return time.Hour
	}
	broker := p.config.Broker
	return map[string]*client{
		ClientID: {
			id:        ClientID,
			redirects: []string{"http://127.0.0.1/callback"},
			grants:    []oidc.GrantType{oidc.GrantTypeCode, oidc.GrantTypeDeviceCode},
			loginURL:  login, lifetime: lifetime,
		},
		broker.ID: {
			id: broker.ID, secret: broker.Secret,
			redirects: []string{broker.RedirectURI},
			grants:    []oidc.GrantType{oidc.GrantTypeCode},
			loginURL:  login, lifetime: lifetime,
		},
	}
}

func (c *client) GetID() string                    { return c.id }
func (c *client) RedirectURIs() []string           { return c.redirects }
func (c *client) PostLogoutRedirectURIs() []string { return nil }
func (c *client) ResponseTypes() []oidc.ResponseType {
	return []oidc.ResponseType{oidc.ResponseTypeCode}
}
func (c *client) GrantTypes() []oidc.GrantType        { return c.grants }
func (c *client) LoginURL(requestID string) string    { return c.loginURL(requestID) }
func (c *client) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeBearer }
func (c *client) IDTokenLifetime() time.Duration      { return c.lifetime() }
func (c *client) DevMode() bool                       { return false }
func (c *client) IsScopeAllowed(string) bool          { return false }
func (c *client) ClockSkew() time.Duration            { return 0 } // see editTokens

// IDTokenUserinfoClaimsAssertion puts the email address into the ID token, where the platform reads it.
func (c *client) IDTokenUserinfoClaimsAssertion() bool { return true }

func (c *client) RestrictAdditionalIdTokenScopes() func([]string) []string     { return allScopes }
func (c *client) RestrictAdditionalAccessTokenScopes() func([]string) []string { return allScopes }

func allScopes(scopes []string) []string { return scopes }

// ApplicationType returns how redirect URLs are matched: a native client may use any loopback port.
func (c *client) ApplicationType() op.ApplicationType {
	if c.secret == "" {
		return op.ApplicationTypeNative
	}
	return op.ApplicationTypeWeb
}

func (c *client) AuthMethod() oidc.AuthMethod {
	if c.secret == "" {
		return oidc.AuthMethodNone
	}
	return oidc.AuthMethodBasic
}
