package fakeplatform

import (
	"io"
	"maps"
	"net/http"
	"net/url"
	"time"

	iamv1 "chainguard.dev/sdk/proto/platform/iam/v1"
	"github.com/go-jose/go-jose/v4"
)

const (
	githubPath = "/_apis/distributedtask/hubs/Actions/plans/1/jobs/1/idtoken"
	googlePath = "/computeMetadata/v1/instance/service-accounts/default/identity"
	// genericPath is for fake programs of CI systems, such as circleci and buildkite-agent.
	genericPath = "/ci/id-token"
)

// GoogleSubject is the subject of ID tokens of Google's metadata server: the ID of a service account.
const GoogleSubject = "112233445566778899001"

// ciHandler serves the issuer of workload ID tokens and the token services of CI systems.
func (p *Platform) ciHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /.well-known/openid-configuration", discovery(p.WorkloadIssuer(), jose.ES256))
	mux.HandleFunc("GET /jwks", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{p.keys.workload.Public()}})
	})
	mux.HandleFunc("GET "+githubPath, p.serveGitHub)
	mux.HandleFunc("GET "+googlePath, asGoogle(p.serveGoogle))
	// Programs request the root to detect Google Cloud.
	mux.HandleFunc("GET /{$}", asGoogle(func(w http.ResponseWriter, _ *http.Request) { writeText(w, "computeMetadata/\n") }))
	mux.HandleFunc("GET "+genericPath, p.serveGenericIDToken)
	return mux
}

func ciNames(path string) []string {
	switch path {
	case githubPath:
		return []string{"ci.github"}
	case googlePath:
		return []string{"ci.google"}
	case genericPath:
		return []string{"ci.generic"}
	case "/.well-known/openid-configuration":
		return []string{"ci.discovery"}
	case "/jwks":
		return []string{"ci.jwks"}
	}
	return nil
}

// serveGitHub is the token service of GitHub Actions.
func (p *Platform) serveGitHub(w http.ResponseWriter, r *http.Request) {
	bearer, isBearer := cutPrefixFold(r.Header.Get("Authorization"), "bearer ")
	p.mu.Lock()
	subject, known := p.jobs[bearer]
	p.mu.Unlock()
	if !isBearer || !known {
		writeJSON(w, http.StatusUnauthorized, map[string]string{"message": "The job is not authorized"})
		return
	}
	audience := r.URL.Query().Get("audience")
	if audience == "" {
		audience = "https://github.com/my-org" // the owner of the repository
	}
	token := p.IDToken(subject, audience)
	writeJSON(w, http.StatusOK, map[string]any{"count": len(token), "value": token})
}

// asGoogle makes a handler behave like the metadata server, which requires its own header and refuses proxies.
func asGoogle(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Metadata-Flavor", "Google")
		w.Header().Set("Server", "Metadata Server for VM")
		if r.URL.Path != "/" && (r.Header.Get("Metadata-Flavor") != "Google" || r.Header.Get("X-Forwarded-For") != "") {
			http.Error(w, "Missing Metadata-Flavor:Google header.", http.StatusForbidden)
			return
		}
		next(w, r)
	}
}

func (p *Platform) serveGoogle(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("audience") == "" {
		http.Error(w, "non-empty audience parameter required", http.StatusBadRequest)
		return
	}
	claims := map[string]any{"sub": GoogleSubject, "azp": GoogleSubject}
	if q.Get("format") == "full" {
		claims["email"], claims["email_verified"] = "puller@example-project.iam.gserviceaccount.com", true
		claims["google"] = map[string]any{"compute_engine": map[string]any{"project_id": "example-project"}}
	}
	writeText(w, p.IDTokenWith(claims, q.Get("audience")))
}

// serveGenericIDToken returns an ID token with any subject and audience, as text.
func (p *Platform) serveGenericIDToken(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("sub") == "" {
		http.Error(w, "no sub", http.StatusBadRequest)
		return
	}
	writeText(w, p.IDToken(q.Get("sub"), q["audience"]...))
}

// writeText writes text with the content type of HTML, as Google does.
func writeText(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/html")
	_, _ = io.WriteString(w, text) // fails only if the client disconnects
}

// GitHubEnviron returns the environment of a new GitHub Actions job that can request ID tokens with this subject.
func (p *Platform) GitHubEnviron(subject string) []string {
	bearer := p.recordIssued(randomHex(24))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.jobs[bearer] = subject
	return []string{
		"CI=true",
		"GITHUB_ACTIONS=true",
		"ACTIONS_ID_TOKEN_REQUEST_URL=" + p.ci + githubPath + "?api-version=2.0",
		"ACTIONS_ID_TOKEN_REQUEST_TOKEN=" + bearer,
	}
}

// GoogleEnviron returns the environment of a machine of Google Cloud. The subject of its ID tokens is GoogleSubject.
func (p *Platform) GoogleEnviron() []string {
	return []string{"GCE_METADATA_HOST=" + hostOf(p.ci)}
}

// IDTokenURL returns the URL from which a fake program of a CI system gets an ID token with this subject, as text. The
// program can append &audience= several times; the default is the issuer's host.
func (p *Platform) IDTokenURL(subject string) string {
	return p.ci + genericPath + "?" + url.Values{"sub": {subject}}.Encode()
}

// WorkloadIssuer returns the URL of the issuer of workload ID tokens, which has its own discovery document and keys.
func (p *Platform) WorkloadIssuer() string {
	return p.ci
}

// IDToken returns an ID token of a workload, issued by WorkloadIssuer. The default audience is the issuer's host.
func (p *Platform) IDToken(subject string, audience ...string) string {
	return p.IDTokenWith(map[string]any{"sub": subject}, audience...)
}

// IDTokenWith is IDToken with additional claims, which take precedence over the default ones.
func (p *Platform) IDTokenWith(claims map[string]any, audience ...string) string {
	if len(audience) == 0 {
		audience = []string{p.IssuerHost()}
	}
	now := p.now()
	all := map[string]any{
		"iss": p.WorkloadIssuer(), "aud": audienceClaim(audience),
		"iat": now.Unix(), "exp": now.Add(p.idTokenLifetime()).Unix(), "jti": randomHex(16),
	}
	maps.Copy(all, claims)
	return p.recordIssued(sign(p.keys.workload, all))
}

func (p *Platform) idTokenLifetime() time.Duration {
	return orDefault(p.snapshot().IDTokenLifetime, 10*time.Minute)
}

// Match is the claims that an ID token needs to assume an identity.
type Match struct {
	Issuer   string // empty means WorkloadIssuer
	Subject  string
	Audience string // empty means the issuer's host
	Name     string // of the identity; empty means workload
}

// MatchingIdentity creates an identity in Organization for ID tokens with these claims and returns its UIDP.
func (p *Platform) MatchingIdentity(m Match, roles ...string) string {
	match := &iamv1.Identity_ClaimMatch{
		Iss: &iamv1.Identity_ClaimMatch_Issuer{Issuer: orDefault(m.Issuer, p.WorkloadIssuer())},
		Sub: &iamv1.Identity_ClaimMatch_Subject{Subject: m.Subject},
	}
	if m.Audience != "" {
		match.Aud = &iamv1.Identity_ClaimMatch_Audience{Audience: m.Audience}
	}
	return p.addIdentity(&iamv1.Identity{
		Name: orDefault(m.Name, "workload"), Description: "Workload " + m.Subject,
		Relationship: &iamv1.Identity_ClaimMatch_{ClaimMatch: match},
	}, roles...)
}

// WorkloadIdentity is MatchingIdentity with only a subject.
func (p *Platform) WorkloadIdentity(subject string, roles ...string) string {
	return p.MatchingIdentity(Match{Subject: subject}, roles...)
}
