package fakeplatform

import (
	"context"
	"encoding/json"
	"net/http"

	"chainguard.dev/sdk/auth/headless"
	authv1 "chainguard.dev/sdk/proto/platform/auth/v1"
	oidcv1 "chainguard.dev/sdk/proto/platform/oidc/v1"
	"github.com/go-jose/go-jose/v4"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"docker-credential-cgr/e2e/fakeplatform/page"
)

// upstreamPath is the path of the issuer of people's ID tokens, which is Auth0 for the real platform.
const upstreamPath = "/upstream"

// issuerHandler serves sign-in, discovery and the security token service.
func (p *Platform) issuerHandler(ctx context.Context) (http.Handler, error) {
	g := newGateway()
	sts := &tokenService{p: p}
	sessions := &headlessService{p: p}
	oidcv1.RegisterSecurityTokenServiceServer(g.grpc, sts)
	authv1.RegisterAuthServer(g.grpc, sessions)
	if err := oidcv1.RegisterSecurityTokenServiceHandlerServer(ctx, g.rest, sts); err != nil {
		return nil, err
	}
	if err := authv1.RegisterAuthHandlerServer(ctx, g.rest, sessions); err != nil {
		return nil, err
	}

	mux := http.NewServeMux()
	mux.HandleFunc("GET /oauth", p.serveOAuth)
	mux.HandleFunc("POST "+page.FormPath, p.serveForm)
	mux.HandleFunc("GET "+brokerPath, p.serveBrokered)
	mux.HandleFunc("GET /orgcheck", p.serveOrgCheck)
	mux.HandleFunc("GET /console", func(w http.ResponseWriter, _ *http.Request) {
		page.Write(w, http.StatusOK, "Console", "<p>This page is empty.</p>")
	})
	mux.Handle("GET /.well-known/openid-configuration", discovery(p.Issuer, jose.RS256))
	mux.HandleFunc("GET /jwks", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, p.publicKeys()) })
	mux.Handle("/", g)
	return mux, nil
}

// serveOrgCheck returns whether a name can be used as idp_id: true only for a verified organization with an identity
// provider.
func (p *Platform) serveOrgCheck(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, http.StatusOK, r.URL.Query().Get("name") == Organization)
}

// discovery serves the OpenID Connect discovery document of an issuer.
func discovery(issuer string, algorithm jose.SignatureAlgorithm) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]any{
			"issuer":                                issuer,
			"authorization_endpoint":                issuer + "/oauth",
			"token_endpoint":                        issuer + "/sts/exchange",
			"jwks_uri":                              issuer + "/jwks",
			"response_types_supported":              []string{"id_token"},
			"subject_types_supported":               []string{"public"},
			"id_token_signing_alg_values_supported": []string{string(algorithm)},
		})
	})
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) // fails only if the client disconnects
}

// openHeadlessSession encrypts an ID token with a headless code's public key, with the vendor's code.
func (p *Platform) openHeadlessSession(code string, who subject) error {
	idToken := p.personIDToken(who)
	client := headless.Code(code)
	sealed, err := client.NewSession([]byte(idToken))
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.headless[code] = sealed
	return nil
}

// PersonIDToken returns an upstream ID token of the person with this email address.
func (p *Platform) PersonIDToken(email string) string { return p.personIDToken(p.mustSubject(email)) }

// personIDToken returns an upstream ID token of a person.
func (p *Platform) personIDToken(who subject) string {
	now := p.now()
	return p.recordIssued(sign(p.keys.workload, map[string]any{
		"iss": p.Issuer + upstreamPath, "sub": who.id, "email": who.email, "aud": p.IssuerHost(),
		"iat": now.Unix(), "exp": now.Add(p.idTokenLifetime()).Unix(), "jti": randomHex(16),
	}))
}

// headlessService answers polls of headless sign-ins.
type headlessService struct {
	authv1.UnimplementedAuthServer
	p *Platform
}

func (h *headlessService) GetHeadlessSession(_ context.Context, r *authv1.GetHeadlessSessionRequest) (*authv1.HeadlessSession, error) {
	h.p.mu.Lock()
	defer h.p.mu.Unlock()
	session, ok := h.p.headless[r.GetCode()]
	if !ok {
		return nil, status.Error(codes.NotFound, "headless session not found")
	}
	return session, nil
}
