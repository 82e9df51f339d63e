package fakeplatform

import (
	"crypto/tls"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"time"

	"docker-credential-cgr/e2e/fakeplatform/page"
	"docker-credential-cgr/e2e/fakeplatform/provider"
)

// Behavior is the behavior of the platform. The zero value is a healthy platform.
type Behavior struct {
	// AccessLifetime is how long an access token is valid; zero means an hour, like the real issuer.
	AccessLifetime time.Duration
	// RefreshLifetime is how long a refresh token is valid; zero means 30 days.
	RefreshLifetime time.Duration
	// IDTokenLifetime is how long an ID token of any issuer is valid; zero means ten minutes. A negative value makes
	// expired tokens.
	IDTokenLifetime time.Duration
	// RegistryTokenLifetime is how long a token from the registry's /token is valid; zero means five minutes.
	RegistryTokenLifetime time.Duration
	// MaxPullTokenLifetime is the longest lifetime of a static identity; zero means 8760h. Some plans allow less.
	MaxPullTokenLifetime time.Duration

	// NoRotation keeps a refresh token valid after use and returns it again.
	NoRotation bool
	// SessionLifetime is how long after the sign-in or exchange a session ends, even if it is refreshed: all its refresh
	// tokens expire then, regardless of RefreshLifetime. Zero means no limit. A change also applies to open sessions, at
	// their next refresh.
	SessionLifetime time.Duration
	// NoRefreshToken returns no refresh token from sign-ins and exchanges of people's ID tokens, even if one was
	// requested. The real issuer does this for organizations whose roles come from their provider's groups.
	NoRefreshToken bool
	// RefreshTokenEvery returns a refresh token only from every Nth sign-in or exchange since Start. Zero means all.
	RefreshTokenEvery int
	// OmitRefreshToken returns no new refresh token from a refresh; the old one stays valid.
	OmitRefreshToken bool
	// Reuse is what happens when a used refresh token is presented again.
	Reuse ReusePolicy
	// SingleAudience refuses to refresh for audiences that were not requested when the session was opened. Older
	// deployments may do this.
	SingleAudience bool
	// OmitExpiry leaves out expiry in the response of an exchange.
	OmitExpiry bool

	// RegistryName is the name by which clients reach the registry, such as cgr.dev. It then has RegistryCertificate. The
	// default of RegistryAddress, where it listens, is then port 443, so that only one platform can run in a network
	// namespace. All are read at the start.
	RegistryName        string
	RegistryCertificate tls.Certificate
	RegistryAddress     string
	// MCPServer answers requests with a valid token at the MCP servers' addresses. Without it, the result is empty.
	MCPServer http.Handler

	// AutoApprove approves every sign-in as Person, without showing a page. A visit to a device's page approves it.
	AutoApprove bool
	// SingleSignOn sets a cookie at sign-in, and approves later sign-ins with this cookie and the same identity provider
	// without showing a form, as the issuer's upstream provider does while its session lasts.
	SingleSignOn bool
	// Person is the email address of the default person; empty means Ada.
	Person string
	// DropCallbackParameters removes the client's own parameters from the redirect URL. Whether the real issuer does this
	// is unknown.
	DropCallbackParameters bool

	// Latency delays requests by name (see Count).
	Latency map[string]time.Duration
	// Gather holds requests by name until this many with the name are open. This shows how many concurrent requests a
	// client sends, regardless of the machine's speed. Then the entry is removed and the requests continue.
	Gather map[string]int
	// ClockSkew is how far the platform's clock is ahead of the machine's. It affects Date, iat and exp.
	ClockSkew time.Duration
	// NullRoles returns the entries of /auth/v1/ok with a null role and with capabilities, as for a token whose
	// capabilities match no known role.
	NullRoles bool
	// CatalogPage is how many repositories a page of the registry's catalog has at most; zero means 1,000.
	CatalogPage int
	// TokenPadding adds this many bytes of claims to access tokens, as for a member of many groups.
	TokenPadding int
	// WrongAudience, WrongIssuer and WrongSubject replace the correct claims of new access tokens.
	WrongAudience, WrongIssuer, WrongSubject string

	// Provider is the faults of the identity provider, except for those that Faults can express.
	Provider provider.Faults

	// Faults are tried in order at every request; the first match responds.
	Faults []Fault
}

// ReusePolicy is what happens when a used refresh token is presented again. What the real issuer does is unknown.
type ReusePolicy int

const (
	// ReuseRevokes refuses the token and revokes the session (reuse detection).
	ReuseRevokes ReusePolicy = iota
	// ReuseRefused refuses the token and keeps the session.
	ReuseRefused
	// ReuseAccepted accepts the token.
	ReuseAccepted
)

func orDefault[T comparable](value, standard T) T {
	var zero T
	if value == zero {
		return standard
	}
	return value
}

// Change changes the behavior from the next request on.
func (p *Platform) Change(change func(*Behavior)) {
	p.behaviorMu.Lock()
	defer p.behaviorMu.Unlock()
	b := p.behavior
	// Requests in progress still read the old maps and slice.
	b.Latency = maps.Clone(b.Latency)
	if b.Latency == nil {
		b.Latency = make(map[string]time.Duration)
	}
	b.Gather = maps.Clone(b.Gather)
	if b.Gather == nil {
		b.Gather = make(map[string]int)
	}
	b.Faults = slices.Clone(b.Faults)
	change(&b)
	p.behavior = b
}

// snapshot returns the current behavior, which callers must not change.
func (p *Platform) snapshot() Behavior {
	p.behaviorMu.Lock()
	defer p.behaviorMu.Unlock()
	return p.behavior
}

// takeFault returns the first fault that applies to a request with these names, and decrements its Times.
func (p *Platform) takeFault(names []string) (Fault, bool) {
	p.behaviorMu.Lock()
	defer p.behaviorMu.Unlock()
	i := slices.IndexFunc(p.behavior.Faults, func(f Fault) bool {
		return slices.Contains(names, f.On) // all requests have the name ""
	})
	if i < 0 {
		return Fault{}, false
	}
	fault := p.behavior.Faults[i]
	if fault.Times > 0 {
		faults := slices.Clone(p.behavior.Faults)
		if faults[i].Times--; faults[i].Times == 0 {
			faults = slices.Delete(faults, i, i+1)
		}
		p.behavior.Faults = faults
	}
	return fault, true
}

// Count returns how many HTTP requests with a name arrived, including those that a fault answered. The names:
//
//   - "": all requests; "issuer", "api", "registry", "provider", "ci": requests to one server
//
//   - "oauth": the sign-in page, "oauth.form": its form, "oauth.callback": the redirect from the identity provider;
//     "orgcheck", "discovery", "jwks"
//
//   - "sts.exchange", "sts.refresh", "sts": both; "headless": polls of a headless sign-in
//
//   - "api.ok", "api.groups", "api.roles", "api.identities", "api.rolebindings", and each of these with the suffix
//     ".list", ".create", ".update" or ".delete"
//
//   - "ci.github", "ci.google", "ci.generic": ID tokens; "ci.discovery", "ci.jwks"
//
//   - the names of requests to the identity provider: see provider.Names
//
//   - "registry.token", "registry.v2" (all below /v2/), "registry.manifest", "registry.blob", "registry.tags",
//     "registry.history", "registry.catalog", "registry.python"
//
//   - "REPOSITORY for UIDP": tokens that the registry issued for a repository to a caller
//
// "signin" is not a request: it counts successful sign-ins.
func (p *Platform) Count(what string) int {
	p.countMu.Lock()
	defer p.countMu.Unlock()
	return p.counts[what]
}

// ResetCounts sets every count to zero and every peak to the number of open requests.
func (p *Platform) ResetCounts() {
	p.countMu.Lock()
	clear(p.counts)
	p.countMu.Unlock()
	p.load.reset()
}

func (p *Platform) count(names ...string) {
	p.countMu.Lock()
	defer p.countMu.Unlock()
	for _, name := range names {
		p.counts[name]++
	}
}

// behave adds counting, clock skew, latency and faults to a server.
func (p *Platform) behave(server string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		names := append([]string{"", server}, requestNames(server, r)...)
		p.count(names...)
		defer p.load.enter(names)()
		if !p.gather(r.Context(), names) {
			panic(http.ErrAbortHandler) // a return would send an empty response with status 200
		}

		b := p.snapshot()
		w.Header().Set("Date", time.Now().Add(b.ClockSkew).UTC().Format(http.TimeFormat))
		for _, name := range names {
			if !wait(r.Context(), b.Latency[name]) {
				panic(http.ErrAbortHandler)
			}
		}
		fault, found := p.takeFault(names)
		if !found {
			next.ServeHTTP(w, r)
			return
		}
		if fault.CommitFirst {
			next.ServeHTTP(httptest.NewRecorder(), r)
		}
		fault.serve(w, r)
	})
}

// requestNames returns the names of a request other than its server's.
func requestNames(server string, r *http.Request) []string {
	path := r.URL.Path
	switch server {
	case "issuer":
		return issuerNames(r.Method, path)
	case "api":
		return apiNames(r.Method, path)
	case "provider":
		return provider.Names(r)
	case "ci":
		return ciNames(path)
	}
	switch {
	case path == "/token":
		return []string{"registry.token"}
	case strings.HasPrefix(path, pythonPath):
		return []string{"registry.python"}
	case strings.HasPrefix(path, javascriptPath):
		return []string{"registry.javascript"}
	case !strings.HasPrefix(path, "/v2/"):
		return nil
	case historyPath.MatchString(path):
		return []string{"registry.v2", "registry.history"}
	case strings.Contains(path, "/blobs/"):
		return []string{"registry.v2", "registry.blob"}
	case strings.Contains(path, "/manifests/"):
		return []string{"registry.v2", "registry.manifest"}
	case path == catalogPath:
		return []string{"registry.v2", "registry.catalog"}
	case strings.HasSuffix(path, "/tags/list"):
		return []string{"registry.v2", "registry.tags"}
	}
	return []string{"registry.v2"}
}

func issuerNames(method, path string) []string {
	switch {
	case path == "/oauth" && method == http.MethodGet:
		return []string{"oauth"}
	case path == page.FormPath:
		return []string{"oauth.form"}
	case path == brokerPath:
		return []string{"oauth.callback"}
	case path == "/orgcheck":
		return []string{"orgcheck"}
	case path == "/.well-known/openid-configuration":
		return []string{"discovery"}
	case path == "/jwks":
		return []string{"jwks"}
	// The second path of each pair is that of the gRPC call.
	case path == "/sts/exchange", strings.HasSuffix(path, ".SecurityTokenService/Exchange"):
		return []string{"sts", "sts.exchange"}
	case path == "/sts/exchange_refresh_token", strings.HasSuffix(path, ".SecurityTokenService/ExchangeRefreshToken"):
		return []string{"sts", "sts.refresh"}
	case path == "/sts/headless_sessions", strings.HasSuffix(path, ".Auth/GetHeadlessSession"):
		return []string{"headless"}
	}
	return nil
}

func apiNames(method, path string) []string {
	if path == "/auth/v1/ok" || strings.HasSuffix(path, ".Auth/Validate") {
		return []string{"api.ok"}
	}
	if rest, ok := strings.CutPrefix(path, "/chainguard.platform.iam."); ok { // gRPC
		service, call, _ := strings.Cut(rest, "/")
		name := "api." + strings.ToLower(service)
		return []string{name, name + "." + strings.ToLower(call)}
	}
	rest, ok := strings.CutPrefix(path, "/iam/v1/")
	if !ok {
		return nil
	}
	kind, _, _ := strings.Cut(rest, "/")
	name := "api." + kind
	verbs := map[string]string{
		http.MethodGet: "list", http.MethodPost: "create", http.MethodPut: "update", http.MethodDelete: "delete",
	}
	if verb, ok := verbs[method]; ok {
		return []string{name, name + "." + verb}
	}
	return []string{name}
}
