package fakeplatform

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"time"

	"docker-credential-cgr/e2e/fakeplatform/page"
	"docker-credential-cgr/e2e/fakeplatform/provider"
)

// Behavior is how the platform behaves. Its zero value is a healthy platform.
type Behavior struct {
	// AccessLifetime is the life of an access token; zero means an hour, as the issuer's.
	AccessLifetime time.Duration
	// RefreshLifetime is the life of a refresh token; zero means 30 days.
	RefreshLifetime time.Duration
	// IDTokenLifetime is the life of an ID token, of whatever issuer; zero means ten minutes. Less than zero makes tokens
	// that have expired.
	IDTokenLifetime time.Duration
	// RegistryTokenLifetime is the life of a token of the registry's /token; zero means five minutes.
	RegistryTokenLifetime time.Duration
	// MaxPullTokenLifetime is the most that a static identity may live; zero means 8760h. Some plans have less.
	MaxPullTokenLifetime time.Duration

	// NoRotation leaves a refresh token good after its use, and answers with it again.
	NoRotation bool
	// SessionLifetime ends a session that long after the sign-in or exchange that opened it, however often it is used:
	// every refresh token of the session expires then, whatever RefreshLifetime says. Zero means that a session lasts
	// while it is refreshed. A change applies to living sessions at their next refresh, which fails once that end has
	// passed.
	SessionLifetime time.Duration
	// NoRefreshToken answers sign-ins and exchanges of people's ID tokens without a refresh token, also where one was
	// asked for, as the issuer does for organizations whose roles come from their provider's groups.
	NoRefreshToken bool
	// RefreshTokenEvery answers only every Nth such sign-in or exchange with a refresh token: with 2, the second, the
	// fourth and so on since Start. Zero means all of them.
	RefreshTokenEvery int
	// OmitRefreshToken makes refresh answers carry no new refresh token; the old one stays good.
	OmitRefreshToken bool
	// Reuse is what becomes of a session whose spent refresh token is presented again.
	Reuse ReusePolicy
	// SingleAudience refuses to refresh for another audience than those of the sign-in or the exchange that opened the
	// session, as older deployments may.
	SingleAudience bool
	// OmitExpiry leaves expiry out of the answers of an exchange.
	OmitExpiry bool

	// AutoApprove sends every sign-in straight back as Person, without a page. A device is approved by a visit of its
	// page.
	AutoApprove bool
	// SingleSignOn has a browser in which somebody has signed in, which it shows by a cookie, sent straight back from
	// later visits of the sign-in page, without a form, as the issuer's upstream provider does while its session lasts.
	// A visit for another identity provider asks again.
	SingleSignOn bool
	// Person is the email address of the default person; empty means Ada.
	Person string
	// DropCallbackParameters makes the issuer hand back no parameter of the redirect URL but its own. Whether the real
	// one does is not known.
	DropCallbackParameters bool

	// Latency delays requests by name; see Count for the names.
	Latency map[string]time.Duration
	// Gather holds requests by name until so many of that name are there at once: that shows what a client asks at
	// once, however fast the machine is. Once they were, the entry is gone and nothing is held any more.
	Gather map[string]int
	// ClockSkew is how far the platform's clock is ahead of the machine's: it shows in Date, iat and exp.
	ClockSkew time.Duration
	// NullRoles makes the entries of /auth/v1/ok have the role null and capabilities of their own, as when a token's
	// capabilities match no known role.
	NullRoles bool
	// TokenPadding adds that many bytes of claims to access tokens, as those of somebody in many groups have.
	TokenPadding int
	// WrongAudience, WrongIssuer and WrongSubject are put into new access tokens in place of what was asked for.
	WrongAudience, WrongIssuer, WrongSubject string

	// Provider is what the identity provider gets wrong; answers of another status are among Faults.
	Provider provider.Faults

	// Faults are looked through in order at every request; the first one that matches answers it.
	Faults []Fault
}

// ReusePolicy is what happens when a spent refresh token is presented again. What the real issuer does is not known.
type ReusePolicy int

const (
	// ReuseRevokes refuses it and revokes the whole session, as reuse detection does.
	ReuseRevokes ReusePolicy = iota
	// ReuseRefused refuses it and leaves the session alone.
	ReuseRefused
	// ReuseAccepted refreshes all the same.
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
	// Requests under way still read the old maps and slice.
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

// snapshot is the behavior now, to be read only.
func (p *Platform) snapshot() Behavior {
	p.behaviorMu.Lock()
	defer p.behaviorMu.Unlock()
	return p.behavior
}

// takeFault gives the first fault for a request of these names, and uses it up.
func (p *Platform) takeFault(names []string) (Fault, bool) {
	p.behaviorMu.Lock()
	defer p.behaviorMu.Unlock()
	i := slices.IndexFunc(p.behavior.Faults, func(f Fault) bool {
		return slices.Contains(names, f.On) // all have the name ""
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

// Count says how many requests of a name were seen, over HTTP and before any fault:
//
//   - "" all of them; "issuer", "api", "registry", "provider", "ci" those to one server
//   - "oauth" sign-in pages asked for, "oauth.form" forms posted, "oauth.callback" browsers back from the identity
//     provider, "orgcheck", "discovery", "jwks"
//   - "sts" both of "sts.exchange" and "sts.refresh"; "headless" polls
//   - "api.ok", "api.groups", "api.roles", "api.identities", "api.rolebindings", each also with ".list", ".create",
//     ".update" or ".delete" behind it
//   - "ci.github", "ci.google", "ci.generic" ID tokens asked for, "ci.discovery", "ci.jwks"
//   - those of the identity provider: see provider.Names
//   - "registry.token", "registry.v2" (all below /v2/), "registry.manifest", "registry.blob", "registry.tags",
//     "registry.history"
//
// "signin" is not a request: it counts sign-ins that ended with a token.
func (p *Platform) Count(what string) int {
	p.countMu.Lock()
	defer p.countMu.Unlock()
	return p.counts[what]
}

// ResetCounts sets every count to zero, and every peak to what is under way.
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

// behave puts counting, clock, latency and faults in front of a server.
func (p *Platform) behave(server string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		names := append([]string{"", server}, requestNames(server, r)...)
		p.count(names...)
		defer p.load.enter(names)()
		if !p.gather(r.Context(), names) {
			panic(http.ErrAbortHandler) // to return would be an answer: 200 and nothing
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

// requestNames are the names of a request, beside its server's.
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
	case !strings.HasPrefix(path, "/v2/"):
		return nil
	case historyPath.MatchString(path):
		return []string{"registry.v2", "registry.history"}
	case strings.Contains(path, "/blobs/"):
		return []string{"registry.v2", "registry.blob"}
	case strings.Contains(path, "/manifests/"):
		return []string{"registry.v2", "registry.manifest"}
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
	// The second of each pair is the path of the same call over gRPC.
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
