package fakeplatform_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"docker-credential-cgr/e2e/fakeplatform"
)

const job = "repo:my-org@123456/repo@654321:ref:refs/heads/main"

// variables makes a map of an environment.
func variables(environ []string) map[string]string {
	values := make(map[string]string)
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		values[name] = value
	}
	return values
}

func TestGitHub(t *testing.T) {
	p := start(t)
	env := variables(p.GitHubEnviron(job))
	address, bearer := env["ACTIONS_ID_TOKEN_REQUEST_URL"], env["ACTIONS_ID_TOKEN_REQUEST_TOKEN"]
	if env["GITHUB_ACTIONS"] != "true" || env["CI"] != "true" || !strings.Contains(address, "?") {
		t.Errorf("got %v", env)
	}
	var token struct{ Value string }
	do(t, http.MethodGet, address+"&audience="+p.IssuerHost(), "bearer "+bearer, nil).decode(t, &token)
	form := url.Values{"aud": {p.RegistryHost()}, "identity": {p.WorkloadIdentity(job, "registry.pull")}}
	if a := exchange(t, p, token.Value, form); a.status != http.StatusOK {
		t.Errorf("the exchange: %d %s", a.status, a.body)
	}
	do(t, http.MethodGet, address, "Bearer "+bearer, nil).decode(t, &token)
	if claims := claimsOf(t, token.Value); claims["aud"] != "https://github.com/my-org" || claims["sub"] != job {
		t.Errorf("without an audience the claims are %v", claims)
	}
	for name, authorization := range map[string]string{
		"none": "", "wrong": "bearer wrong", "no scheme": bearer, "another scheme": "Basic " + bearer,
		"of another platform": "bearer " + variables(start(t).GitHubEnviron(job))["ACTIONS_ID_TOKEN_REQUEST_TOKEN"],
	} {
		if a := do(t, http.MethodGet, address, authorization, nil); a.status != http.StatusUnauthorized {
			t.Errorf("%s: got %d %s, want 401", name, a.status, a.body)
		}
	}
	if p.Count("ci.github") != 7 || p.Count("ci") != 7 || p.Count("issuer") != 1 {
		t.Errorf("got %d of ci.github, %d of ci, %d of issuer", p.Count("ci.github"), p.Count("ci"), p.Count("issuer"))
	}
}

func TestGoogle(t *testing.T) {
	p := start(t)
	host := variables(p.GoogleEnviron())["GCE_METADATA_HOST"]
	get := func(query string, header http.Header) answer {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
			"http://"+host+"/computeMetadata/v1/instance/service-accounts/default/identity"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = header
		return send(t, r)
	}
	google := http.Header{"Metadata-Flavor": {"Google"}}
	a := get("?format=full&audience="+p.IssuerHost(), google)
	if a.status != http.StatusOK || a.header.Get("Metadata-Flavor") != "Google" {
		t.Fatalf("got %d %v", a.status, a.header)
	}
	if claims := claimsOf(t, a.body); claims["sub"] != fakeplatform.GoogleSubject || claims["email"] == nil || claims["google"] == nil {
		t.Errorf("full: got %v", claims)
	}
	if claims := claimsOf(t, get("?audience=x", google).body); claims["aud"] != "x" || claims["email"] != nil {
		t.Errorf("not full: got %v", claims)
	}
	form := url.Values{"aud": {p.API}, "identity": {p.WorkloadIdentity(fakeplatform.GoogleSubject)}}
	if a := exchange(t, p, a.body, form); a.status != http.StatusOK {
		t.Errorf("the exchange: %d %s", a.status, a.body)
	}
	proxied := http.Header{"Metadata-Flavor": {"Google"}, "X-Forwarded-For": {"192.0.2.1"}}
	for name, wrong := range map[string]answer{
		"no header": get("?audience=x", http.Header{}), "proxied": get("?audience=x", proxied),
	} {
		if wrong.status != http.StatusForbidden {
			t.Errorf("%s: got %d, want 403", name, wrong.status)
		}
	}
	if a := get("?format=full", google); a.status != http.StatusBadRequest {
		t.Errorf("no audience: got %d, want 400", a.status)
	}
	if a := do(t, http.MethodGet, "http://"+host+"/", "", nil); a.status != http.StatusOK || a.header.Get("Metadata-Flavor") != "Google" {
		t.Errorf("the root: got %d %v", a.status, a.header)
	}
	if n := p.Count("ci.google"); n != 5 {
		t.Errorf("got %d of ci.google, want 5", n)
	}
}

func TestGenericIDToken(t *testing.T) {
	p := start(t)
	const subject = "org/1/project/2/user/3"
	tests := map[string]struct{ query, want string }{
		"no audience":   {"", p.IssuerHost()},
		"one audience":  {"&audience=a", "a"},
		"two audiences": {"&audience=a&audience=b", "[a b]"},
	}
	for name, test := range tests {
		claims := claimsOf(t, do(t, http.MethodGet, p.IDTokenURL(subject)+test.query, "", nil).body)
		if fmt.Sprint(claims["aud"]) != test.want || claims["sub"] != subject {
			t.Errorf("%s: got %v, want aud %s", name, claims, test.want)
		}
	}
	none := strings.TrimSuffix(p.IDTokenURL(""), "?sub=")
	if a := do(t, http.MethodGet, none, "", nil); a.status != http.StatusBadRequest {
		t.Errorf("no subject: got %d, want 400", a.status)
	}
	if n := p.Count("ci.generic"); n != 4 {
		t.Errorf("got %d of ci.generic, want 4", n)
	}
}

// The issuer of workloads' ID tokens is one that a library can check.
func TestWorkloadIssuer(t *testing.T) {
	p := start(t)
	found, err := oidc.NewProvider(t.Context(), p.WorkloadIssuer())
	if err != nil {
		t.Fatal(err)
	}
	token, err := found.Verifier(&oidc.Config{ClientID: p.IssuerHost()}).Verify(t.Context(), p.IDToken(job))
	if err != nil || token.Subject != job {
		t.Errorf("got %+v, %v", token, err)
	}
	if p.Count("ci.discovery") != 1 || p.Count("ci.jwks") != 1 {
		t.Error("its requests are not counted")
	}
}

func TestIDTokenLifetime(t *testing.T) {
	p := start(t)
	form := url.Values{"aud": {p.RegistryHost()}, "identity": {p.WorkloadIdentity(job)}}
	first := p.IDToken(job)
	p.Change(func(b *fakeplatform.Behavior) { b.IDTokenLifetime = -time.Second })
	wantGatewayError(t, exchange(t, p, p.IDToken(job), form), 401, 16)
	p.Change(func(b *fakeplatform.Behavior) { b.IDTokenLifetime, b.ClockSkew = time.Hour, 11*time.Minute })
	wantGatewayError(t, exchange(t, p, first, form), 401, 16) // a job older than its first token
	if a := exchange(t, p, p.IDToken(job), form); a.status != http.StatusOK {
		t.Errorf("a new one: %d %s", a.status, a.body)
	}
	if claims := claimsOf(t, p.IDToken(job)); claims["exp"].(float64)-claims["iat"].(float64) != 3600 {
		t.Errorf("got %v, want an hour", claims)
	}
}

func TestMatchingIdentity(t *testing.T) {
	p := start(t)
	own := fakeplatform.Match{Subject: job, Audience: "my-audience"}
	tests := map[string]struct {
		match   fakeplatform.Match
		idToken string
		status  int
	}{
		"its audience":         {own, p.IDToken(job, "my-audience"), 200},
		"one of two audiences": {own, p.IDToken(job, "other", "my-audience"), 200},
		"the issuer's host":    {own, p.IDToken(job), 403},
		"another subject":      {own, p.IDToken("other", "my-audience"), 403},
		"the provider's ID token": {
			fakeplatform.Match{Issuer: p.Provider.Issuer, Subject: subjectOf(t, p), Audience: "docker-credential-cgr"},
			providerIDToken(t, p), 200,
		},
		"another issuer": {
			fakeplatform.Match{Issuer: "https://token.actions.githubusercontent.com", Subject: job}, p.IDToken(job), 403,
		},
	}
	for name, test := range tests {
		form := url.Values{"aud": {p.RegistryHost()}, "identity": {p.MatchingIdentity(test.match, "registry.pull")}}
		if a := exchange(t, p, test.idToken, form); a.status != test.status {
			t.Errorf("%s: got %d %s, want %d", name, a.status, a.body, test.status)
		}
	}
}

// subjectOf is Ada's at the identity provider.
func subjectOf(t *testing.T, p *fakeplatform.Platform) string {
	t.Helper()
	return claimsOf(t, providerIDToken(t, p))["sub"].(string)
}

// TestWhoAmIOfAWorkload is the whole answer that a client reads: a workload has no email address.
func TestWhoAmIOfAWorkload(t *testing.T) {
	p := start(t)
	identity := p.WorkloadIdentity(job, "registry.pull")
	var token struct{ Token string }
	exchange(t, p, p.IDToken(job), url.Values{"aud": {p.API}, "identity": {identity}}).decode(t, &token)
	var who struct {
		Issuer, Subject, Email string
		Audience               []string
		Expiry, IssuedAt       time.Time
		Capabilities           []struct {
			Group struct{ ID, Name string }
			Role  struct {
				ID, Name     string
				Capabilities []string
			}
		}
	}
	a := do(t, http.MethodGet, p.API+"/auth/v1/ok", "Bearer "+token.Token, nil)
	a.decode(t, &who)
	if who.Issuer != p.Issuer || who.Subject != identity || who.Email != "" || len(who.Audience) != 1 || who.Audience[0] != p.API {
		t.Errorf("got %s", a.body)
	}
	if who.Expiry.Sub(who.IssuedAt) != time.Hour {
		t.Errorf("got a token from %v to %v, want an hour", who.IssuedAt, who.Expiry)
	}
	if len(who.Capabilities) != 1 || who.Capabilities[0].Group.ID != p.OrganizationID(fakeplatform.Organization) ||
		who.Capabilities[0].Group.Name != fakeplatform.Organization || who.Capabilities[0].Role.Name != "registry.pull" ||
		who.Capabilities[0].Role.ID == "" || len(who.Capabilities[0].Role.Capabilities) == 0 {
		t.Errorf("got %s", a.body)
	}
	if !strings.Contains(a.body, `"email":""`) {
		t.Errorf("a field without value is missing: %s", a.body)
	}
}

func TestOrgCheck(t *testing.T) {
	p := start(t)
	for query, want := range map[string]string{
		"?name=example.com": "true", "?name=example.net": "false", "?name=chainguard": "false", "?name=": "false", "": "false",
	} {
		a := do(t, http.MethodGet, p.Issuer+"/orgcheck"+query, "", nil)
		if a.status != http.StatusOK || strings.TrimSpace(a.body) != want || a.header.Get("Content-Type") != "application/json" {
			t.Errorf("%q: got %d %s, want %s", query, a.status, a.body, want)
		}
	}
}
