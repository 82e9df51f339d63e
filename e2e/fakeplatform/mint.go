package fakeplatform

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// keys are the signing keys of the platform.
type keys struct {
	issuer   jose.JSONWebKey // access tokens, RS256 like the real issuer
	workload jose.JSONWebKey // ID tokens of the test issuer and of people
	registry jose.JSONWebKey // registry tokens
	pull     *rsa.PrivateKey // pull tokens, which clients sign
}

// loadKeys generates the keys once per process, because RSA keys take long. Platforms with the same keys still refuse each
// other's tokens, because their issuers and audiences differ.
var loadKeys = sync.OnceValues(func() (keys, error) {
	issuer, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return keys{}, err
	}
	pull, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return keys{}, err
	}
	workload, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return keys{}, err
	}
	registry, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return keys{}, err
	}
	return keys{
		issuer:   jose.JSONWebKey{Key: issuer, KeyID: "issuer", Algorithm: string(jose.RS256), Use: "sig"},
		workload: jose.JSONWebKey{Key: workload, KeyID: "workload", Algorithm: string(jose.ES256), Use: "sig"},
		registry: jose.JSONWebKey{Key: registry, KeyID: "registry", Algorithm: string(jose.ES256), Use: "sig"},
		pull:     pull,
	}, nil
})

// sign returns a JWT. It cannot fail with the keys and claims of this package.
func sign(key jose.JSONWebKey, claims map[string]any) string {
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.SignatureAlgorithm(key.Algorithm), Key: key},
		(&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		panic(fmt.Sprintf("fakeplatform: signer for key %s: %v", key.KeyID, err))
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		panic(fmt.Sprintf("fakeplatform: signing with key %s: %v", key.KeyID, err))
	}
	return token
}

// audienceClaim returns a string for one audience and a list for several (RFC 7519 section 4.1.3).
func audienceClaim(audience []string) any {
	if len(audience) == 1 {
		return audience[0]
	}
	return audience
}

// subject is the subject of a token.
type subject struct {
	id    string // UIDP
	email string // only of people
}

// mintAccess returns an access token and its expiry.
func (p *Platform) mintAccess(who subject, audience []string) (string, time.Time) {
	b := p.snapshot()
	now := time.Now().Add(b.ClockSkew)
	expiry := now.Add(orDefault(b.AccessLifetime, time.Hour))
	if b.WrongAudience != "" {
		audience = []string{b.WrongAudience}
	}
	claims := map[string]any{
		"iss": orDefault(b.WrongIssuer, p.Issuer),
		"sub": orDefault(b.WrongSubject, who.id),
		"aud": audienceClaim(audience),
		"iat": now.Unix(),
		"exp": expiry.Unix(),
		// Tokens of the same second differ, so that tests can tell which one was used.
		"jti": randomHex(16),
	}
	if who.email != "" {
		claims["email"] = who.email
		claims["email_verified"] = true
	}
	claims["act"] = map[string]any{"iss": p.Issuer + upstreamPath, "sub": who.id, "aud": p.Issuer}
	if roles := p.capabilityClaim(who.id); len(roles) > 0 {
		claims["capabilities"] = roles
	}
	if b.TokenPadding > 0 {
		claims["groups"] = strings.Repeat("g", b.TokenPadding)
	}
	return p.recordIssued(sign(p.keys.issuer, claims)), expiry
}

// accessClaims are the claims of an access token.
type accessClaims struct {
	jwt.Claims
	Email string `json:"email"`
}

// verifyAccess verifies an access token for an audience.
func (p *Platform) verifyAccess(raw, audience string) (accessClaims, error) {
	var claims accessClaims
	token, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return claims, errors.New("token is not a signed JWT")
	}
	if err := token.Claims(p.keys.issuer.Public().Key, &claims); err != nil {
		return claims, errors.New("token was not signed by this issuer")
	}
	if claims.Expiry == nil {
		return claims, errors.New("token has no expiry")
	}
	err = claims.ValidateWithLeeway(jwt.Expected{
		Issuer: p.Issuer, AnyAudience: jwt.Audience{audience}, Time: p.now(),
	}, 0)
	return claims, err
}

// AccessToken returns an access token of the issuer for a person (email address) or an identity (UIDP).
func (p *Platform) AccessToken(who string, audience ...string) string {
	token, _ := p.mintAccess(p.mustSubject(who), audience)
	return token
}

// RefreshToken opens a session for a person (email address) or an identity (UIDP) and returns its refresh token. The
// default audiences are the registry's and the API's.
func (p *Platform) RefreshToken(who string, audience ...string) string {
	if len(audience) == 0 {
		audience = []string{p.RegistryHost(), p.API}
	}
	return p.mintRefresh(p.newSession(p.mustSubject(who), audience))
}

func (p *Platform) mustSubject(who string) subject {
	p.mu.Lock()
	defer p.mu.Unlock()
	if known, ok := p.people[who]; ok {
		return known.subject()
	}
	if !strings.Contains(who, "@") {
		return subject{id: who}
	}
	panic(fmt.Sprintf("fakeplatform: unknown person %s", who))
}

// session is the session of a sign-in or an exchange.
type session struct {
	who       subject
	audiences []string
	started   time.Time
	revoked   bool
}

// refreshToken is a refresh token of a session.
type refreshToken struct {
	session *session
	expiry  time.Time
	used    bool
}

// end returns when the session ends, or the zero time if it has no limit.
func (s *session) end(b Behavior) time.Time {
	if b.SessionLifetime == 0 {
		return time.Time{}
	}
	return s.started.Add(b.SessionLifetime)
}

func (p *Platform) newSession(who subject, audiences []string) *session {
	return &session{who: who, audiences: slices.Clone(audiences), started: p.now()}
}

// openSession returns the refresh token of a sign-in or an exchange, or "" if the issuer returns none.
func (p *Platform) openSession(who subject, audiences []string) string {
	b := p.snapshot()
	p.mu.Lock()
	p.sessions++
	none := b.NoRefreshToken || b.RefreshTokenEvery > 0 && p.sessions%b.RefreshTokenEvery != 0
	p.mu.Unlock()
	if none {
		return ""
	}
	return p.mintRefresh(p.newSession(who, audiences))
}

func (p *Platform) mintRefresh(s *session) string {
	b := p.snapshot()
	expiry := s.end(b)
	if expiry.IsZero() {
		expiry = p.now().Add(orDefault(b.RefreshLifetime, 30*24*time.Hour))
	}
	raw := newRefreshToken(expiry)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refresh[raw] = &refreshToken{session: s, expiry: expiry}
	return p.recordIssued(raw)
}

// newRefreshToken returns a JSON object with exp and a random value, in standard base64. It always contains a plus, a
// slash and padding, so that a client with the wrong alphabet always fails.
func newRefreshToken(expiry time.Time) string {
	for {
		nonce := make([]byte, 40)
		_, _ = rand.Read(nonce) // never fails, since Go 1.24
		for i := range nonce {
			// ~ and ? become plus and slash, and JSON does not escape them.
			nonce[i] = "abcdefghijklmnopqrstuvwxyz~?~?~?"[nonce[i]%32]
		}
		text, err := json.Marshal(map[string]any{
			"exp": expiry.Unix(), "nonce": string(nonce), "token": randomHex(24) + strings.Repeat("x", int(nonce[0]%3)),
		})
		if err != nil {
			panic(err) // a map of plain values
		}
		token := base64.StdEncoding.EncodeToString(text)
		if strings.Contains(token, "+") && strings.Contains(token, "/") && strings.HasSuffix(token, "=") {
			return token
		}
	}
}

// RevokeSessions revokes all sessions and their refresh tokens.
func (p *Platform) RevokeSessions() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, token := range p.refresh {
		token.session.revoked = true
	}
}

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // never fails, since Go 1.24
	return hex.EncodeToString(b)
}
