package fakeplatform

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"chainguard.dev/sdk/proto/capabilities"
	iamv1 "chainguard.dev/sdk/proto/platform/iam/v1"
	oidcv1 "chainguard.dev/sdk/proto/platform/oidc/v1"
	"chainguard.dev/sdk/uidp"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"docker-credential-cgr/e2e/fakeplatform/provider"
)

// tokenService is the security token service.
type tokenService struct {
	oidcv1.UnimplementedSecurityTokenServiceServer
	p *Platform
}

// Exchange returns an access token for an ID token.
func (s *tokenService) Exchange(ctx context.Context, r *oidcv1.ExchangeRequest) (*oidcv1.RawToken, error) {
	raw, err := bearer(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.checkRequest(r.GetAud(), r.GetScopes(), r.GetCap()); err != nil {
		return nil, err
	}
	var who subject
	switch {
	case r.GetIdentity() != "":
		who, err = s.p.assume(raw, r.GetIdentity())
	case r.GetIdentityProvider() != "":
		who, err = s.p.identify(raw, r.GetIdentityProvider())
	default:
		who, err = s.p.findSubject(raw)
	}
	if err != nil {
		return nil, err
	}
	token, expiry := s.p.mintAccess(who, r.GetAud())
	response := &oidcv1.RawToken{Token: token}
	if !s.p.snapshot().OmitExpiry {
		response.Expiry = timestamppb.New(expiry)
	}
	if who.email != "" {
		// Workloads get no session: they use a new ID token next time.
		response.RefreshToken = s.p.openSession(who, r.GetAud())
	}
	return response, nil
}

// ExchangeRefreshToken returns an access token and the next refresh token for a refresh token.
func (s *tokenService) ExchangeRefreshToken(ctx context.Context, r *oidcv1.ExchangeRefreshTokenRequest) (*oidcv1.TokenPair, error) {
	raw, err := bearer(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.checkRequest(r.GetAud(), r.GetScopes(), r.GetCap()); err != nil {
		return nil, err
	}
	session, err := s.p.redeemRefreshToken(raw, r.GetAud())
	if err != nil {
		return nil, err
	}
	b := s.p.snapshot()
	token, expiry := s.p.mintAccess(session.who, r.GetAud())
	pair := &oidcv1.TokenPair{Token: &oidcv1.RawToken{Token: token}, RefreshToken: &oidcv1.RawToken{}}
	if !b.OmitExpiry {
		pair.Token.Expiry = timestamppb.New(expiry)
	}
	switch {
	case b.OmitRefreshToken:
	case b.NoRotation:
		pair.RefreshToken.Token = raw
	default:
		pair.RefreshToken.Token = s.p.mintRefresh(session)
	}
	return pair, nil
}

func (s *tokenService) checkRequest(audiences, scopes, caps []string) error {
	if err := s.p.checkAudiences(audiences); err != nil {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	for _, scope := range scopes {
		if !uidp.Valid(scope) {
			return status.Errorf(codes.InvalidArgument, "scope %q is not a UIDP", scope)
		}
	}
	for _, name := range caps {
		if c, err := capabilities.Parse(name); err != nil || c == capabilities.Capability_UNKNOWN {
			return status.Errorf(codes.InvalidArgument, "no capability %q", name)
		}
	}
	return nil
}

// redeemRefreshToken marks a refresh token as used and detects reuse.
func (p *Platform) redeemRefreshToken(raw string, audiences []string) (*session, error) {
	b, now := p.snapshot(), p.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	token, ok := p.refresh[raw]
	switch {
	case !ok:
		return nil, status.Error(codes.Unauthenticated, "unknown refresh token")
	case token.session.revoked:
		return nil, status.Error(codes.Unauthenticated, "session was revoked")
	case !now.Before(token.expiry):
		return nil, status.Error(codes.Unauthenticated, "refresh token has expired")
	case b.SessionLifetime != 0 && !now.Before(token.session.end(b)):
		return nil, status.Error(codes.Unauthenticated, "session has ended")
	case token.used && b.Reuse == ReuseRevokes:
		token.session.revoked = true
		return nil, status.Error(codes.Unauthenticated, "refresh token was used before: the session is revoked")
	case token.used && b.Reuse == ReuseRefused:
		return nil, status.Error(codes.Unauthenticated, "refresh token was used before")
	}
	if b.SingleAudience {
		for _, a := range audiences {
			if !slices.Contains(token.session.audiences, a) {
				return nil, status.Errorf(codes.PermissionDenied, "session is not for audience %q", a)
			}
		}
	}
	token.used = !b.NoRotation && !b.OmitRefreshToken
	return token.session, nil
}

// findSubject returns the subject of an ID token if the request names no identity: a person from upstream, or the only
// identity whose claim match accepts the token.
func (p *Platform) findSubject(raw string) (subject, error) {
	claims, err := p.verifyIDToken(raw)
	if err != nil {
		return subject{}, status.Error(codes.Unauthenticated, err.Error())
	}
	if claims.text("iss") == p.Issuer+upstreamPath {
		return p.identify(raw, "")
	}
	p.mu.Lock()
	var found []*iamv1.Identity
	for _, identity := range p.iam.identities {
		if matchClaims(identity.GetClaimMatch(), claims, p.IssuerHost()) == nil {
			found = append(found, identity)
		}
	}
	p.mu.Unlock()
	if len(found) != 1 {
		return subject{}, status.Error(codes.NotFound, "no identity found")
	}
	p.updateLastSeen(found[0])
	return subject{id: found[0].GetId()}, nil
}

// identify returns the person of an ID token from upstream or from the identity provider of an organization.
func (p *Platform) identify(raw, providerID string) (subject, error) {
	issuer, audience := p.Issuer+upstreamPath, p.IssuerHost()
	switch providerID {
	case "":
	case p.IdentityProviderID():
		issuer, audience = p.Provider.Issuer, provider.ClientID
	default:
		return subject{}, status.Errorf(codes.NotFound, "no identity provider %q", providerID)
	}
	claims, err := p.verifyIDToken(raw)
	switch {
	case err != nil:
		return subject{}, status.Error(codes.Unauthenticated, err.Error())
	case claims.text("iss") != issuer:
		return subject{}, status.Error(codes.PermissionDenied, "ID token is not of this identity provider")
	case !claims.has("aud", audience):
		return subject{}, status.Errorf(codes.Unauthenticated, "ID token is not for audience %q", audience)
	case claims.text("email") == "":
		return subject{}, status.Error(codes.InvalidArgument, "ID token has no email")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	who, ok := p.people[claims.text("email")]
	if !ok || !who.registered {
		return subject{}, status.Error(codes.NotFound, "account not found, registration required")
	}
	if providerID != "" && !p.iam.member(who.id, providerID) {
		return subject{}, status.Error(codes.PermissionDenied, "not a member of this organization")
	}
	return who.subject(), nil
}

// assume checks that an ID token may assume an identity.
func (p *Platform) assume(raw, identityID string) (subject, error) {
	p.mu.Lock()
	identity, ok := p.iam.identities[identityID]
	p.mu.Unlock()
	if !ok {
		return subject{}, status.Errorf(codes.NotFound, "no identity %q", identityID)
	}
	if identity.GetStatic() != nil {
		if err := p.verifyStatic(raw, identity); err != nil {
			return subject{}, status.Error(codes.Unauthenticated, err.Error())
		}
	} else {
		claims, err := p.verifyIDToken(raw)
		if err != nil {
			return subject{}, status.Error(codes.Unauthenticated, err.Error())
		}
		if err := matchClaims(identity.GetClaimMatch(), claims, p.IssuerHost()); err != nil {
			return subject{}, status.Error(codes.PermissionDenied, err.Error())
		}
	}
	p.updateLastSeen(identity)
	return subject{id: identityID}, nil
}

// idClaims are the claims of an ID token.
type idClaims map[string]any

func (c idClaims) text(name string) string {
	s, _ := c[name].(string)
	return s
}

// all returns the values of a claim, which may be a list.
func (c idClaims) all(name string) []string {
	switch v := c[name].(type) {
	case nil:
		return nil
	case []any:
		texts := make([]string, len(v))
		for i := range v {
			texts[i] = fmt.Sprint(v[i])
		}
		return texts
	default:
		return []string{fmt.Sprint(v)}
	}
}

func (c idClaims) has(name, want string) bool {
	return slices.Contains(c.all(name), want)
}

// verifyIDToken verifies an ID token of a known issuer.
func (p *Platform) verifyIDToken(raw string) (idClaims, error) {
	token, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.ES256, jose.RS256})
	if err != nil {
		return nil, errors.New("ID token is not a JWT of a known issuer")
	}
	var claims idClaims
	var times jwt.Claims
	if err := token.UnsafeClaimsWithoutVerification(&times); err != nil {
		return nil, errors.New("ID token is not a JWT of a known issuer")
	}
	key, ok := p.issuerKey(times.Issuer)
	if !ok {
		return nil, fmt.Errorf("ID token has the unknown issuer %q", times.Issuer)
	}
	if err := token.Claims(key, &claims, &times); err != nil {
		return nil, errors.New("ID token has an invalid signature")
	}
	if times.Expiry == nil {
		return nil, errors.New("ID token has no expiry")
	}
	if err := times.ValidateWithLeeway(jwt.Expected{Time: p.now()}, 0); err != nil {
		return nil, fmt.Errorf("ID token: %w", err)
	}
	return claims, nil
}

// issuerKey returns the key of a known issuer of ID tokens. The real platform fetches it.
func (p *Platform) issuerKey(issuer string) (key any, known bool) {
	switch issuer {
	case p.Issuer + upstreamPath, p.WorkloadIssuer():
		return p.keys.workload.Public().Key, true
	case p.Provider.Issuer:
		return p.Provider.Key(), true
	}
	return nil, false
}

// matchClaims checks an ID token against the claim match of an identity.
func matchClaims(m *iamv1.Identity_ClaimMatch, claims idClaims, defaultAudience string) error {
	if m == nil {
		return errors.New("identity is not for ID tokens")
	}
	audience := m.GetAudience()
	if audience == "" && m.GetAudiencePattern() == "" {
		audience = defaultAudience
	}
	literals := map[string]string{"iss": m.GetIssuer(), "sub": m.GetSubject(), "aud": audience}
	patterns := map[string]string{"iss": m.GetIssuerPattern(), "sub": m.GetSubjectPattern(), "aud": m.GetAudiencePattern()}
	maps.Copy(literals, m.GetClaims())
	maps.Copy(patterns, m.GetClaimPatterns())
	for name, want := range literals {
		if want != "" && !claims.has(name, want) {
			return fmt.Errorf("claim %s is %q, the identity wants %q", name, claims.all(name), want)
		}
	}
	for name, want := range patterns {
		if want == "" {
			continue
		}
		// The whole value must match; otherwise the pattern would accept other subjects too.
		pattern, err := regexp.Compile("^(?:" + want + ")$")
		if err != nil {
			return fmt.Errorf("pattern for claim %s: %w", name, err)
		}
		if !slices.ContainsFunc(claims.all(name), pattern.MatchString) {
			return fmt.Errorf("claim %s is %q, the identity wants the pattern %q", name, claims.all(name), want)
		}
	}
	return nil
}
