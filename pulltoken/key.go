package pulltoken

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"docker-credential-cgr/iam"
)

// newKey creates the key of a pull token. The platform is known to accept RSA of 4096
// bits. Creating it takes about a second, sometimes several.
func newKey() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 4096) }

// claims are the claims of a pull token (RFC 7519, section 4.1).
type claims struct {
	Issuer   string   `json:"iss"`
	Subject  string   `json:"sub"`
	Audience []string `json:"aud"`
	IssuedAt int64    `json:"iat"`
	Expiry   int64    `json:"exp"`
}

// sign returns a JWT for an audience, and what an identity needs so that the platform can
// verify it. Once key is gone, no other token can be signed.
func sign(key *rsa.PrivateKey, audience string, issued, expires time.Time) (token string, static *iam.Static, err error) {
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
	random := make([]byte, 20)
	_, _ = rand.Read(random) // never fails
	c := claims{
		Issuer: iam.PullTokenIssuer, Subject: "pull-token-" + hex.EncodeToString(random), Audience: []string{audience},
		IssuedAt: issued.Unix(), Expiry: expires.Unix(),
	}
	// No other algorithm (RFC 8725, section 3.1).
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: public.KeyID}},
		new(jose.SignerOptions).WithType("JWT"))
	if err != nil {
		return "", nil, err
	}
	token, err = jwt.Signed(signer).Claims(c).Serialize()
	if err != nil {
		return "", nil, err
	}
	return token, &iam.Static{
		Issuer: c.Issuer, Subject: c.Subject, IssuerKeys: string(keys),
		Expiration: iam.Time{Time: time.Unix(c.Expiry, 0).UTC()},
	}, nil
}
