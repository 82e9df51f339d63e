package iam

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// newKey makes the key of a pull token. RSA of 4096 bits is what the service is known
// to take. It needs about a second, sometimes several.
func newKey() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 4096) }

// begin calls work in the background, and gives what waits for its answer, at most
// until its context ends: making a key cannot be interrupted.
func begin[T any](work func() (T, error)) (wait func(context.Context) (T, error)) {
	type answer struct {
		value T
		err   error
	}
	answers := make(chan answer, 1) // nobody may be waiting any more
	go func() {
		value, err := work()
		answers <- answer{value, err}
	}()
	return func(ctx context.Context) (T, error) {
		select {
		case a := <-answers:
			return a.value, a.err
		case <-ctx.Done():
			var none T
			return none, ctx.Err()
		}
	}
}

// pullTokenClaims are what a pull token says of itself (RFC 7519, section 4.1).
type pullTokenClaims struct {
	Issuer   string   `json:"iss"`
	Subject  string   `json:"sub"`
	Audience []string `json:"aud"`
	IssuedAt int64    `json:"iat"`
	Expiry   int64    `json:"exp"`
}

// signPullToken gives the JWT that a pull token is, for the audience of an issuer's
// URL, and what an identity keeps so that the service can verify it. No other token
// can be signed again once key is dropped.
func signPullToken(key *rsa.PrivateKey, audience string, issued, expires time.Time) (token string, static *Static, err error) {
	public := jose.JSONWebKey{Key: key.Public(), Algorithm: string(jose.RS256), Use: "sig"}
	thumbprint, err := public.Thumbprint(crypto.SHA256) // RFC 7638
	if err != nil {
		return "", nil, err
	}
	public.KeyID = base64.RawURLEncoding.EncodeToString(thumbprint)
	keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{public}})
	if err != nil {
		return "", nil, err
	}
	claims := pullTokenClaims{
		Issuer: PullTokenIssuer, Subject: "pull-token-" + randomHex(20), Audience: []string{audience},
		IssuedAt: issued.Unix(), Expiry: expires.Unix(),
	}
	token, err = sign(jose.JSONWebKey{Key: key, KeyID: public.KeyID}, claims)
	if err != nil {
		return "", nil, err
	}
	return token, &Static{
		Issuer: claims.Issuer, Subject: claims.Subject, IssuerKeys: string(keys),
		Expiration: Time{time.Unix(claims.Expiry, 0).UTC()},
	}, nil
}

// sign makes a JWT with RS256, and no other algorithm (RFC 8725, section 3.1).
func sign(key jose.JSONWebKey, claims any) (string, error) {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key}, new(jose.SignerOptions).WithType("JWT"))
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(text)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

func randomHex(bytes int) string {
	random := make([]byte, bytes)
	_, _ = rand.Read(random) // never fails
	return hex.EncodeToString(random)
}

// check says what is wrong with static keys before they are sent.
func (s Static) check() error {
	if s.Issuer == "" || s.Subject == "" {
		return errors.New("an identity with keys of its own needs an issuer and a subject")
	}
	return CheckIssuerKeys(s.IssuerKeys)
}

// CheckIssuerKeys says what is wrong with the text of a JWKS (RFC 7517, section 5). It
// has to hold public keys alone: a private one must not leave its owner.
func CheckIssuerKeys(text string) error {
	const form = `a JWKS is JSON like {"keys":[{"kty":"RSA",…}]}`
	if len(text) > maxIssuerKeys {
		return fmt.Errorf("issuer keys of %d bytes are too long: at most %d", len(text), maxIssuerKeys)
	}
	var set jose.JSONWebKeySet
	// Its error may repeat what it read, which may be a secret.
	if json.Unmarshal([]byte(text), &set) != nil {
		return errors.New("the issuer keys are no JWKS: " + form)
	}
	if len(set.Keys) == 0 {
		return errors.New("the issuer keys hold no key that can be read: " + form)
	}
	for i, key := range set.Keys {
		if !key.Valid() || !key.IsPublic() {
			return fmt.Errorf("key %d of the issuer keys is no public key: nothing was sent", i+1)
		}
	}
	return nil
}

// maxIssuerKeys bounds the text of a JWKS, in bytes; a dozen large keys fit.
const maxIssuerKeys = 64 << 10
