package fakeplatform_test

import (
	"archive/tar"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"docker-credential-cgr/e2e/fakeplatform"
)

func tokenURL(p *fakeplatform.Platform, repositories ...string) string {
	q := url.Values{"service": {p.RegistryHost()}}
	for _, repository := range repositories {
		q.Add("scope", "repository:"+repository+":pull")
	}
	return p.Registry + "/token?" + q.Encode()
}

func basic(user, secret string) string {
	r := &http.Request{Header: http.Header{}}
	r.SetBasicAuth(user, secret)
	return r.Header.Get("Authorization")
}

// registryError is the code and the message of an error of the registry.
func registryError(t *testing.T, a answer) string {
	t.Helper()
	var e struct {
		Errors []struct{ Code, Message string }
	}
	a.decode(t, &e)
	if len(e.Errors) != 1 {
		t.Fatalf("body %s", a.body)
	}
	return e.Errors[0].Code + " " + e.Errors[0].Message
}

func TestRegistryToken(t *testing.T) {
	p := start(t)
	host := p.RegistryHost()
	ada := p.AccessToken(fakeplatform.Ada, host)
	id, secret := p.PullToken(time.Hour)
	oldID, oldSecret := p.PullToken(-time.Minute)
	p.Change(func(b *fakeplatform.Behavior) { b.AccessLifetime = -time.Minute })
	expired := p.AccessToken(fakeplatform.Ada, host)
	p.Change(func(b *fakeplatform.Behavior) { b.AccessLifetime = 0 })

	const public, private, foreign, unknown = "chainguard/python", "example.com/python", "example.net/python", "nobody.example/python"
	const unauthorized, forbidden = "UNAUTHORIZED Authentication required", "FORBIDDEN Forbidden"
	tests := map[string]struct {
		authorization string
		repositories  []string
		status        int
		problem       string
	}{
		"anonymous, public":               {"", []string{public}, 200, ""},
		"anonymous, private":              {"", []string{private}, 401, unauthorized},
		"anonymous, both":                 {"", []string{public, private}, 401, unauthorized},
		"anonymous, unknown organization": {"", []string{unknown}, 400, "BAD_REQUEST unable to resolve"},
		"anonymous, no scope":             {"", nil, 403, forbidden},
		"bearer, private":                 {"Bearer " + ada, []string{private}, 200, ""},
		"bearer, both":                    {"Bearer " + ada, []string{public, private}, 200, ""},
		"bearer, several audiences":       {"Bearer " + p.AccessToken(fakeplatform.Ada, host, p.API), []string{private}, 200, ""},
		"bearer, no scope":                {"Bearer " + ada, nil, 200, ""},
		"bearer, foreign organization":    {"Bearer " + ada, []string{foreign}, 403, forbidden},
		"bearer, unknown organization":    {"Bearer " + ada, []string{unknown}, 400, "BAD_REQUEST unable to resolve"},
		"bearer, no such image":           {"Bearer " + ada, []string{"example.com/none"}, 200, ""}, // said at /v2/
		"bearer for the API":              {"Bearer " + p.AccessToken(fakeplatform.Ada, p.API), []string{private}, 403, forbidden},
		"bearer, expired":                 {"Bearer " + expired, []string{private}, 403, forbidden},
		"bearer, no role":                 {"Bearer " + p.AccessToken(fakeplatform.Nobody, host), []string{private}, 403, forbidden},
		"bearer, another platform's":      {"Bearer " + start(t).AccessToken(fakeplatform.Ada, host), []string{public}, 403, forbidden},
		"bearer, garbage":                 {"Bearer x", []string{public}, 403, forbidden},
		"basic, _token":                   {basic("_token", ada), []string{private}, 200, ""},
		"basic, _token, no scope":         {basic("_token", ada), nil, 200, ""},
		"basic, _token, garbage":          {basic("_token", "x"), nil, 403, forbidden},
		"basic, pull token":               {basic(id, secret), []string{private}, 200, ""},
		"basic, pull token, no scope":     {basic(id, secret), nil, 200, ""},
		"basic, pull token, foreign":      {basic(id, secret), []string{foreign}, 403, forbidden},
		"basic, another one's secret":     {basic(id, oldSecret), []string{private}, 403, forbidden},
		"basic, expired pull token":       {basic(oldID, oldSecret), []string{private}, 403, forbidden},
		"basic, unknown identity":         {basic(id+"0", secret), []string{private}, 403, forbidden},
		"some other scheme":               {"Digest x", []string{public}, 403, forbidden},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			a := do(t, http.MethodGet, tokenURL(p, test.repositories...), test.authorization, nil)
			if a.status != test.status {
				t.Fatalf("answer %d %s, want %d", a.status, a.body, test.status)
			}
			if test.problem != "" {
				if got := registryError(t, a); got != test.problem {
					t.Errorf("error %q, want %q", got, test.problem)
				}
				return
			}
			var token struct{ Token string }
			if a.decode(t, &token); token.Token == "" {
				t.Errorf("answer %s", a.body)
			}
		})
	}
	if a := do(t, http.MethodPost, p.Registry+"/token", "", url.Values{"service": {host}}); a.status != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d %s", a.status, a.body)
	}
}

func TestRegistryChallenge(t *testing.T) {
	p := start(t)
	for _, path := range []string{"/v2/", "/v2/example.com/python/manifests/latest"} {
		a := do(t, http.MethodGet, p.Registry+path, "", nil)
		want := fmt.Sprintf("Bearer realm=%q,service=%q", p.Registry+"/token", p.RegistryHost())
		if got := a.header.Get("WWW-Authenticate"); a.status != 401 || !strings.HasPrefix(got, want) {
			t.Errorf("%s: %d, WWW-Authenticate %s", path, a.status, got)
		}
	}
}

func TestRegistryTokenIsForItsRepositoryAlone(t *testing.T) {
	p := start(t)
	tokenFor := func(authorization string, repositories ...string) string {
		var token struct{ Token string }
		do(t, http.MethodGet, tokenURL(p, repositories...), authorization, nil).decode(t, &token)
		return "Bearer " + token.Token
	}
	ada := "Bearer " + p.AccessToken(fakeplatform.Ada, p.RegistryHost())
	const forbidden = "FORBIDDEN caller does not have the required capabilities"
	tests := map[string]struct {
		path, token string
		status      int
		problem     string
	}{
		"its own":            {"example.com/python/manifests/latest", tokenFor(ada, "example.com/python"), 200, ""},
		"two of them":        {"example.com/python/manifests/latest", tokenFor(ada, "chainguard/python", "example.com/python"), 200, ""},
		"another one":        {"example.com/python/manifests/latest", tokenFor(ada, "chainguard/python"), 403, forbidden},
		"no such repository": {"example.com/none/manifests/latest", tokenFor(ada, "example.com/none"), 404, "NAME_UNKNOWN repository name not known to registry"},
		"anonymous, latest":  {"chainguard/python/manifests/latest-dev", tokenFor("", "chainguard/python"), 200, ""},
		"anonymous, version": {"chainguard/python/manifests/3.13", tokenFor("", "chainguard/python"), 403, forbidden},
		"person, version":    {"chainguard/python/manifests/3.13", tokenFor(ada, "chainguard/python"), 200, ""},
		"access token":       {"example.com/python/manifests/latest", ada, 401, "UNAUTHORIZED authentication required"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			a := do(t, http.MethodGet, p.Registry+"/v2/"+test.path, test.token, nil)
			if a.status != test.status || test.problem != "" && registryError(t, a) != test.problem {
				t.Errorf("answer %d %s, want %d %s", a.status, a.body, test.status, test.problem)
			}
		})
	}
	p.Change(func(b *fakeplatform.Behavior) { b.RegistryTokenLifetime = -time.Second })
	if a := do(t, http.MethodGet, p.Registry+"/v2/", tokenFor(ada), nil); a.status != 401 {
		t.Errorf("an expired token: %d", a.status)
	}
}

func TestPull(t *testing.T) {
	p := start(t)
	id, secret := p.PullToken(time.Hour)
	person := &authn.Basic{Username: "_token", Password: p.AccessToken(fakeplatform.Edsger, p.RegistryHost())}
	tests := []struct {
		image string
		auth  authn.Authenticator
		works bool
	}{
		{"chainguard/python:latest", authn.Anonymous, true},
		{"chainguard/python:latest-dev", authn.Anonymous, true},
		{"chainguard/python:3.13", person, true},
		{"example.com/python:latest", person, true},
		{"example.com/python:3.13", person, true},
		{"example.com/python:latest", &authn.Basic{Username: id, Password: secret}, true},
		{"example.com/python:latest", authn.Anonymous, false},
	}
	for _, test := range tests {
		image, err := pull(t, p, test.image, test.auth)
		if !test.works {
			if err == nil {
				t.Errorf("%s can be pulled by %v", test.image, test.auth)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", test.image, err)
			continue
		}
		if got, want := hello(t, image), "Hello from "+test.image+"\n"; got != want {
			t.Errorf("%s: /hello.txt holds %q", test.image, got)
		}
	}
	if p.Count("registry.token") == 0 || p.Count("registry.blob") == 0 || p.Count("registry.manifest") == 0 {
		t.Error("a pull is not counted")
	}
}

func pull(t *testing.T, p *fakeplatform.Platform, image string, auth authn.Authenticator) (v1.Image, error) {
	t.Helper()
	ref, err := name.ParseReference(p.RegistryHost() + "/" + image)
	if err != nil {
		t.Fatal(err)
	}
	return remote.Image(ref, remote.WithAuth(auth), remote.WithContext(t.Context()),
		remote.WithPlatform(v1.Platform{OS: "linux", Architecture: "amd64"}))
}

func hello(t *testing.T, image v1.Image) string {
	t.Helper()
	files := mutate.Extract(image)
	defer func() { _ = files.Close() }()
	r := tar.NewReader(files)
	header, err := r.Next()
	if err != nil || header.Name != "hello.txt" {
		t.Fatalf("first file %v, %v", header, err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestHistory(t *testing.T) {
	p := start(t)
	historyURL := p.Registry + "/v2/example.com/python/_chainguard/history/latest"
	ada := "Bearer " + p.AccessToken(fakeplatform.Ada, p.RegistryHost())
	type history struct {
		History []struct {
			UpdateTimestamp time.Time
			Digest          string
		}
	}
	read := func(query string) history {
		var h history
		do(t, http.MethodGet, historyURL+query, ada, nil).decode(t, &h)
		return h
	}
	digest, err := p.AddImage(t.Context(), "example.com/python", "latest", "moved")
	if err != nil {
		t.Fatal(err)
	}
	h := read("").History
	if len(h) != 5 || h[4].Digest != digest || !h[3].UpdateTimestamp.Before(h[4].UpdateTimestamp) {
		t.Errorf("history %+v, want the digest %s last", h, digest)
	}
	image, err := pull(t, p, "example.com/python:latest", &authn.Bearer{Token: strings.TrimPrefix(ada, "Bearer ")})
	if err == nil {
		t.Errorf("an access token pulled %v without /token", image)
	}

	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	records := fakeplatform.Builds(begin, 1500)
	p.SetHistory("example.com/python", "latest", records)
	if h := read("").History; len(h) != 1000 || h[0].Digest != records[0].Digest {
		t.Errorf("%d records at once", len(h))
	}
	q := url.Values{"start": {begin.Add(1400 * time.Hour).Format(time.RFC3339)}, "end": {begin.Add(1410 * time.Hour).Format(time.RFC3339)}}
	if h := read("?" + q.Encode()).History; len(h) != 11 || h[0].Digest != records[1400].Digest {
		t.Errorf("%d records between start and end", len(h))
	}

	// What is told can be asked for, to the millisecond.
	odd := begin.Add(1234567 * time.Nanosecond)
	p.SetHistory("example.com/python", "latest", []fakeplatform.HistoryRecord{{Updated: odd.Add(time.Hour), Digest: "sha256:xyz"}, {Updated: odd}})
	h = read("").History
	if len(h) != 2 || h[0].Digest != "sha256:xyz" || !h[1].UpdateTimestamp.Equal(begin.Add(time.Millisecond)) {
		t.Errorf("what is out of order and no digest became %+v", h)
	}
	at := h[1].UpdateTimestamp.Format(time.RFC3339Nano)
	if h := read("?" + url.Values{"start": {at}, "end": {at}}.Encode()).History; len(h) != 1 {
		t.Errorf("%d records at %s, want 1", len(h), at)
	}

	for authorization, want := range map[string]int{
		"": 401,
		"Bearer " + p.AccessToken(fakeplatform.Ada, p.API):               403,
		"Bearer " + p.AccessToken(fakeplatform.Nobody, p.RegistryHost()): 403,
	} {
		if a := do(t, http.MethodGet, historyURL, authorization, nil); a.status != want {
			t.Errorf("answer %d %s, want %d", a.status, a.body, want)
		}
	}
}

func TestTags(t *testing.T) {
	p := start(t)
	const list = "/tags/list"
	tagsOf := func(authorization, repository, query string) answer {
		var token struct{ Token string }
		do(t, http.MethodGet, tokenURL(p, repository), authorization, nil).decode(t, &token)
		return do(t, http.MethodGet, p.Registry+"/v2/"+repository+list+query, "Bearer "+token.Token, nil)
	}
	ada := "Bearer " + p.AccessToken(fakeplatform.Ada, p.RegistryHost())
	tests := map[string]struct {
		authorization, repository, query string
		want                             []string
		link                             string
	}{
		"anonymous": {"", "chainguard/python", "", []string{"3.13", "latest", "latest-dev"}, ""},
		"person":    {ada, "example.com/python", "", []string{"3.13", "latest"}, ""},
		"page": {ada, "example.com/python", "?n=1", []string{"3.13"},
			"</v2/example.com/python/tags/list?last=3.13&n=1>; rel=\"next\""},
		"last page": {ada, "example.com/python", "?n=2&last=3.13", []string{"latest"}, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p.ResetCounts()
			a := tagsOf(test.authorization, test.repository, test.query)
			var tags struct {
				Name string
				Tags []string
			}
			if a.decode(t, &tags); tags.Name != test.repository || !slices.Equal(tags.Tags, test.want) {
				t.Errorf("answer %s, want the tags %q of %s", a.body, test.want, test.repository)
			}
			if got := a.header.Get("Link"); got != test.link {
				t.Errorf("got Link %q, want %q", got, test.link)
			}
			if got := p.Count("registry.tags"); got != 1 {
				t.Errorf("%d requests counted, want 1", got)
			}
		})
	}
	for authorization, want := range map[string]int{"": 401, ada: 401} { // an access token is none for /v2/
		if a := do(t, http.MethodGet, p.Registry+"/v2/example.com/python"+list, authorization, nil); a.status != want {
			t.Errorf("answer %d %s, want %d", a.status, a.body, want)
		}
	}
	if a := tagsOf(ada, "example.com/none", ""); a.status != 404 || registryError(t, a) != "NAME_UNKNOWN repository name not known to registry" {
		t.Errorf("no such repository: %d %s", a.status, a.body)
	}
}
