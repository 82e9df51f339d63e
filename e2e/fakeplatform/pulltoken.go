package fakeplatform

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	iamv1 "chainguard.dev/sdk/proto/platform/iam/v1"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// PullTokenIssuer is the issuer of pull tokens. There is no such server: the client signs them and stores the public key
// in the identity.
const PullTokenIssuer = "https://pulltoken.issuer.chainguard.dev"

// PullToken creates a pull token of Organization as a client does, and returns its user name and password. A negative
// ttl makes an expired one. All pull tokens have the same key, because generating keys takes long.
func (p *Platform) PullToken(ttl time.Duration) (identityID, secret string) {
	now := p.now()
	expiry := now.Add(ttl)
	key := jose.JSONWebKey{Key: p.keys.pull, KeyID: randomHex(8), Algorithm: string(jose.RS256), Use: "sig"}
	public, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.Public()}})
	if err != nil {
		panic(fmt.Sprintf("fakeplatform: marshalling a public key: %v", err))
	}
	name := "pull-token-" + randomHex(20)
	secret = sign(key, map[string]any{
		"iss": PullTokenIssuer, "sub": name, "aud": []string{p.Issuer},
		"iat": now.Unix(), "exp": expiry.Unix(),
	})
	identityID = p.addIdentity(&iamv1.Identity{
		Name: "pull-token", Description: "Pull token",
		Relationship: &iamv1.Identity_Static{Static: &iamv1.Identity_StaticKeys{
			Issuer: PullTokenIssuer, Subject: name, IssuerKeys: string(public), Expiration: timestamppb.New(expiry),
		}},
	}, "registry.pull")
	return identityID, p.recordIssued(secret)
}

func (p *Platform) addIdentity(identity *iamv1.Identity, roles ...string) string {
	org := p.OrganizationID(Organization)
	now := timestamppb.New(p.now())
	identity.Id, identity.CreatedAt, identity.UpdatedAt = childID(org), now, now
	p.mu.Lock()
	defer p.mu.Unlock()
	p.iam.identities[identity.GetId()] = identity
	p.iam.bind(identity.GetId(), org, roles...)
	return identity.GetId()
}

// verifyStatic verifies a token with the keys of an identity.
func (p *Platform) verifyStatic(raw string, identity *iamv1.Identity) error {
	static := identity.GetStatic()
	if static == nil {
		return errors.New("identity has no keys")
	}
	now := p.now()
	if !now.Before(static.GetExpiration().AsTime()) {
		return errors.New("keys of the identity have expired")
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(static.GetIssuerKeys()), &set); err != nil {
		return fmt.Errorf("keys of the identity: %w", err)
	}
	token, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA})
	if err != nil {
		return errors.New("token is not a signed JWT")
	}
	audiences := append(jwt.Audience{p.Issuer, p.IssuerHost()}, static.GetAudiences()...)
	for _, key := range set.Keys {
		var claims jwt.Claims
		if token.Claims(key.Key, &claims) != nil {
			continue // signed with another key
		}
		if claims.Expiry == nil {
			return errors.New("token has no expiry")
		}
		return claims.ValidateWithLeeway(jwt.Expected{
			Issuer: static.GetIssuer(), Subject: static.GetSubject(), AnyAudience: audiences, Time: now,
		}, 0)
	}
	return errors.New("token was signed with a key that the identity does not have")
}
