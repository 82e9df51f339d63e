package provider

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// accessLifetime is how long an access token is valid, which only the user info endpoint accepts.
const accessLifetime = time.Hour

var (
	errUnknown     = errors.New("not known")
	errUnsupported = errors.New("not supported here")
)

// storage stores authorization requests and the people who signed in.
type storage struct {
	clients map[string]*client
	key     *rsa.PrivateKey

	mu       sync.Mutex
	requests map[string]request // by id
	codes    map[string]string  // id of the request by authorization code
	emails   map[string]string  // by subject
	tokens   map[string]string  // subject by id of the access token
	devices  map[string]*device // by device code
}

func newStorage(clients map[string]*client, key *rsa.PrivateKey) *storage {
	return &storage{
		clients:  clients,
		key:      key,
		requests: make(map[string]request),
		codes:    make(map[string]string),
		emails:   make(map[string]string),
		tokens:   make(map[string]string),
		devices:  make(map[string]*device),
	}
}

// request is an authorization request and the person who signed in.
type request struct {
	oidc.AuthRequest
	id       string
	subject  string // empty until somebody signed in
	authTime time.Time
}

func (r request) GetID() string          { return r.id }
func (r request) GetACR() string         { return "" }
func (r request) GetAMR() []string       { return []string{"pwd"} }
func (r request) GetAudience() []string  { return []string{r.ClientID} }
func (r request) GetAuthTime() time.Time { return r.authTime }
func (r request) GetClientID() string    { return r.ClientID }
func (r request) GetNonce() string       { return r.Nonce }
func (r request) GetScopes() []string    { return r.Scopes }
func (r request) GetSubject() string     { return r.subject }
func (r request) Done() bool             { return r.subject != "" }
func (r request) GetCodeChallenge() *oidc.CodeChallenge {
	return &oidc.CodeChallenge{Challenge: r.CodeChallenge, Method: r.CodeChallengeMethod}
}

// subjectOf returns the provider's subject of a person, which the platform does not know.
func subjectOf(email string) string {
	sum := sha256.Sum256([]byte(email))
	return "00u" + hex.EncodeToString(sum[:9])
}

func (s *storage) CreateAuthRequest(_ context.Context, asked *oidc.AuthRequest, _ string) (op.AuthRequest, error) {
	switch {
	case asked.CodeChallengeMethod != oidc.CodeChallengeMethodS256, len(asked.CodeChallenge) != 43:
		return nil, oidc.ErrInvalidRequest().WithDescription("code_challenge with the method S256 is required")
	case asked.State == "":
		return nil, oidc.ErrInvalidRequest().WithDescription("state is required")
	case asked.Nonce == "":
		return nil, oidc.ErrInvalidRequest().WithDescription("nonce is required")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r := request{AuthRequest: *asked, id: rand.Text()}
	s.requests[r.id] = r
	return &r, nil
}

func (s *storage) AuthRequestByID(_ context.Context, id string) (op.AuthRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.requests[id]
	if !ok {
		return nil, errUnknown
	}
	return &r, nil
}

// AuthRequestByCode invalidates the code, even if the request fails (RFC 6749 section 4.1.2).
func (s *storage) AuthRequestByCode(ctx context.Context, code string) (op.AuthRequest, error) {
	s.mu.Lock()
	id, ok := s.codes[code]
	delete(s.codes, code)
	s.mu.Unlock()
	if !ok {
		return nil, errUnknown
	}
	return s.AuthRequestByID(ctx, id)
}

func (s *storage) SaveAuthCode(_ context.Context, id, code string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.codes[code] = id
	return nil
}

func (s *storage) DeleteAuthRequest(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.requests, id)
	return nil
}

// signIn records the person of an authorization request and reports whether the request exists.
func (s *storage) signIn(id, email string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.requests[id]
	if !ok {
		return false
	}
	r.subject, r.authTime = subjectOf(email), time.Now()
	s.requests[id] = r
	s.emails[r.subject] = email
	return true
}

func (s *storage) CreateAccessToken(_ context.Context, r op.TokenRequest) (string, time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := rand.Text()
	s.tokens[id] = r.GetSubject()
	return id, time.Now().Add(accessLifetime), nil
}

func (s *storage) GetClientByClientID(_ context.Context, id string) (op.Client, error) {
	c, ok := s.clients[id]
	if !ok {
		return nil, errUnknown
	}
	return c, nil
}

func (s *storage) AuthorizeClientIDSecret(_ context.Context, id, secret string) error {
	c, ok := s.clients[id]
	if !ok || c.secret == "" || subtle.ConstantTimeCompare([]byte(c.secret), []byte(secret)) == 0 {
		return errUnknown
	}
	return nil
}

func (s *storage) SetUserinfoFromScopes(_ context.Context, info *oidc.UserInfo, subject, _ string, scopes []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	info.Subject = subject
	for _, scope := range scopes {
		if scope == oidc.ScopeEmail {
			info.Email, info.EmailVerified = s.emails[subject], true
		}
	}
	return nil
}

func (s *storage) SetUserinfoFromToken(ctx context.Context, info *oidc.UserInfo, tokenID, subject, _ string) error {
	s.mu.Lock()
	known := s.tokens[tokenID] == subject
	s.mu.Unlock()
	if !known {
		return errUnknown
	}
	return s.SetUserinfoFromScopes(ctx, info, subject, "", []string{oidc.ScopeEmail})
}

// signingKey is the provider's key as the library's type for signing and for publishing.
type signingKey struct{ key any }

func (signingKey) ID() string                                  { return "provider" }
func (signingKey) Use() string                                 { return "sig" }
func (k signingKey) Key() any                                  { return k.key }
func (signingKey) Algorithm() jose.SignatureAlgorithm          { return jose.RS256 }
func (signingKey) SignatureAlgorithm() jose.SignatureAlgorithm { return jose.RS256 }

func (s *storage) SigningKey(context.Context) (op.SigningKey, error) {
	return signingKey{s.key}, nil
}

func (s *storage) KeySet(context.Context) ([]op.Key, error) {
	return []op.Key{signingKey{&s.key.PublicKey}}, nil
}

func (s *storage) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return []jose.SignatureAlgorithm{jose.RS256}, nil
}

func (s *storage) Health(context.Context) error { return nil }

// The following methods belong to grants and endpoints that the provider does not have.

func (s *storage) CreateAccessAndRefreshTokens(context.Context, op.TokenRequest, string) (string, string, time.Time, error) {
	return "", "", time.Time{}, errUnsupported
}

func (s *storage) TokenRequestByRefreshToken(context.Context, string) (op.RefreshTokenRequest, error) {
	return nil, op.ErrInvalidRefreshToken
}

func (s *storage) GetRefreshTokenInfo(context.Context, string, string) (string, string, error) {
	return "", "", op.ErrInvalidRefreshToken
}

func (s *storage) TerminateSession(context.Context, string, string) error { return errUnsupported }

func (s *storage) RevokeToken(context.Context, string, string, string) *oidc.Error {
	return oidc.ErrInvalidRequest().WithParent(errUnsupported)
}

func (s *storage) SetIntrospectionFromToken(context.Context, *oidc.IntrospectionResponse, string, string, string) error {
	return errUnsupported
}

func (s *storage) GetPrivateClaimsFromScopes(context.Context, string, string, []string) (map[string]any, error) {
	return nil, nil
}

func (s *storage) GetKeyByIDAndClientID(context.Context, string, string) (*jose.JSONWebKey, error) {
	return nil, errUnsupported
}

func (s *storage) ValidateJWTProfileScopes(context.Context, string, []string) ([]string, error) {
	return nil, errUnsupported
}
