package pulltoken

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"docker-credential-cgr/iam"
)

// newKey creates the key of a pull token. The platform is known to accept RSA of 4096
// bits. Creating it takes about a second, sometimes several.
func newKey() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 4096) }

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
	subject := fmt.Sprintf("pull-token-%x", random)
	claims := map[string]any{ // RFC 7519, section 4.1
		"iss": iam.PullTokenIssuer, "sub": subject, "aud": []string{audience}, "iat": issued.Unix(), "exp": expires.Unix(),
	}
	// No other algorithm (RFC 8725, section 3.1).
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: public.KeyID}},
		new(jose.SignerOptions).WithType("JWT"))
	if err != nil {
		return "", nil, err
	}
	token, err = jwt.Signed(signer).Claims(claims).Serialize()
	return token, &iam.Static{
		Issuer: iam.PullTokenIssuer, Subject: subject, IssuerKeys: string(keys),
		Expiration: iam.Time{Time: expires.UTC().Truncate(time.Second)},
	}, err
}
