package doctor

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"docker-credential-cgr/token"
)

// shop is a registry with one image, cgr.dev's way: org/python:latest, and the
// public chainguard/python.
type shop struct {
	good       string // secret of the credential that it takes
	mayPull    bool   // its owner, from org
	tokenFault int    // status of the answers for tokens
	catalog    string // names of repositories in JSON; empty if the registry does not list them
}

func (s shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	deny := func(status int, code string) {
		refuse(status, fmt.Sprintf(`{"errors":[{"code":%q,"message":"no"}]}`, code))(w, r)
	}
	given := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if _, password, basic := r.BasicAuth(); basic {
		given = password
	}
	if r.URL.Path == "/token" {
		repository := strings.TrimSuffix(strings.TrimPrefix(r.URL.Query().Get("scope"), "repository:"), ":pull")
		organization, _, _ := strings.Cut(repository, "/")
		switch {
		case s.tokenFault != 0:
			w.WriteHeader(s.tokenFault)
		case repository == "registry:catalog:*" && given == s.good && s.catalog != "":
			refuse(200, `{"token":"known"}`)(w, r)
		case given != "" && given != s.good:
			deny(403, "FORBIDDEN")
		case organization != "org" && organization != "chainguard":
			deny(400, "BAD_REQUEST")
		case organization == "org" && given == "":
			deny(401, "UNAUTHORIZED")
		case organization == "org" && !s.mayPull:
			deny(403, "FORBIDDEN")
		default:
			who := "anonymous"
			if given != "" {
				who = "known"
			}
			refuse(200, fmt.Sprintf(`{"token":%q}`, who))(w, r)
		}
		return
	}
	if r.URL.Path == "/v2/_catalog" {
		refuse(200, `{"repositories":[`+s.catalog+`]}`)(w, r)
		return
	}
	switch repository, tag, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v2/"), "/manifests/"); {
	case given == "anonymous" && tag != "latest":
		deny(403, "FORBIDDEN")
	case repository != "org/python" && repository != "chainguard/python":
		deny(404, "NAME_UNKNOWN")
	case tag != "latest":
		deny(404, "MANIFEST_UNKNOWN")
	default:
		w.Header().Set("Content-Type", "application/vnd.oci.image.index.v1+json")
		w.Header().Set("Docker-Content-Digest", "sha256:"+strings.Repeat("0", 64))
	}
}

func TestImage(t *testing.T) {
	nobody := sessionState{}
	pair := sessionState{credential: &token.Credential{Username: identity, Secret: "good"}, from: fromEnvironment, owner: "user " + identity}
	stored, ada := pair, pair
	stored.from = fromStore
	ada.credential, ada.from, ada.owner = &token.Credential{Username: token.Username, Secret: "good"}, fromSession, "ada@example.com"
	for _, test := range []struct {
		name, image  string
		shop         shop
		answer       sessionState
		status       Status
		message, fix string
	}{
		{"public", "HOST/chainguard/python", shop{}, nobody, OK, "can be pulled: it is public", ""},
		{"private", "HOST/org/python:latest", shop{good: "good", mayPull: true}, ada, OK, "can be pulled, by ada@example.com", ""},
		{"with a pull token", "HOST/org/python", shop{good: "good", mayPull: true}, pair, OK, "can be pulled, by user " + identity, ""},
		{"P21 none given", "HOST/org/python", shop{}, nobody, Failure, "it is not public, and you are not signed in", "docker-credential-cgr login"},
		{"P21 none given for that tag", "HOST/chainguard/python:3", shop{}, nobody, Failure, "only the tags latest and latest-dev", "docker-credential-cgr login"},
		{"P21 a bad session", "HOST/org/python", shop{good: "other", mayPull: true}, ada, Failure, "rejects the credential of ada@example.com", "docker-credential-cgr login"},
		{"P21 a bad pull token", "HOST/org/python", shop{good: "other", mayPull: true}, pair, Failure, "rejects the credential of user " + identity, "unset CHAINGUARD_IDENTITY_ID CHAINGUARD_TOKEN"},
		{"P21 a bad stored one", "HOST/org/python", shop{good: "other", mayPull: true}, stored, Failure, "rejects the credential", "docker login HOST with a new pull token, or: docker logout HOST; docker-credential-cgr login"},
		{"P21 a bad one for a public image", "HOST/chainguard/python", shop{good: "other", mayPull: true}, ada, Failure, "rejects the credential", "docker-credential-cgr login"},
		{"P21 no role, or no such image", "HOST/org/python", shop{good: "good", mayPull: false}, pair, Failure, "has no role that may pull from org, or there is no such image", "ask an owner of org for the role registry.pull"},
		{"P21 unknown organization", "HOST/gro/python", shop{good: "good", mayPull: true}, pair, Failure, `there is no organization "gro"`, "correct the organization's name"},
		{"P21 unknown image", "HOST/org/pyton", shop{good: "good", mayPull: true}, pair, Failure, `there is no image "pyton" in the organization org`, "correct the image's name"},
		{"P21 unknown image, with a catalog", "HOST/org/pyton", shop{good: "good", mayPull: true, catalog: `"org/go","org/python","other/x"`}, pair, Failure, `the catalog of org has no image "pyton"`, "correct the image's name; similar: python, go; docker-credential-cgr images list --parent org"},
		{"P21 not in the catalog, and denied", "HOST/org/pyton", shop{good: "good", catalog: `"org/python"`}, pair, Failure, `the catalog of org has no image "pyton"`, "similar: python"},
		{"P21 in the catalog, and denied", "HOST/org/python", shop{good: "good", catalog: `"org/python"`}, pair, Failure, "has no role that may pull from org", "registry.pull"},
		{"P21 none of the organization in the catalog", "HOST/org/python", shop{good: "good", catalog: `"other/x"`}, pair, Failure, "has no role that may pull from org", "registry.pull"},
		{"P21 unknown tag", "HOST/org/python:3", shop{good: "good", mayPull: true}, pair, Failure, `has no tag or digest "3"`, "correct the tag"},
		{"not well", "HOST/org/python", shop{tokenFault: 503}, pair, Failure, "it answered 503", "try again later"},
		{"too many", "HOST/org/python", shop{tokenFault: 429}, pair, Failure, "429 Too Many Requests", "try again later"},
		{"I44 a page", "HOST/org/python", shop{tokenFault: 200}, pair, Failure, "a captive portal may have answered", "if the network asks for a sign-in"},

		{"of Docker Hub", "python", shop{}, nobody, Failure, `"python" is an image of docker.io`, "HOST/ORGANIZATION/IMAGE"},
		{"of another registry", "ghcr.io/org/python", shop{}, nobody, Failure, "is an image of ghcr.io", "HOST/ORGANIZATION/IMAGE"},
		{"P2 a look-alike", "HOST.evil.example/org/python", shop{}, nobody, Failure, "is an image of 127.0.0.1:", "HOST/ORGANIZATION/IMAGE"},
		{"without an organization", "HOST/python", shop{}, nobody, Failure, "is not an image of", "HOST/ORGANIZATION/IMAGE:TAG"},
		{"P14 no name at all", "HOST/\x1b[31m", shop{}, nobody, Failure, "is not an image of", "HOST/ORGANIZATION/IMAGE:TAG"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newChecker(t)
			p.Config.Registry = serves(t, test.shop.ServeHTTP)
			fill := func(text string) string { return strings.ReplaceAll(text, "HOST", p.Config.Registry.Host) }
			got := only(t, p.checkImage(t.Context(), fill(test.image), up, test.answer), "image")
			want(t, got, test.status, fill(test.message), fill(test.fix))
		})
	}
}

func TestImageWithoutRegistry(t *testing.T) {
	p := newChecker(t)
	p.Config.Registry = serves(t, shop{}.ServeHTTP)
	results := p.checkImage(t.Context(), "chainguard/python", up, sessionState{})
	want(t, results[0], Warning, `to Docker "chainguard/python" is an image of docker.io`, "write it as "+p.Config.Registry.Host+"/chainguard/python")
	want(t, results[1], OK, "can be pulled", "")
}

func TestImageSkipped(t *testing.T) {
	p := newChecker(t)
	p.Transport = untouched(t)
	image := p.Config.Registry.Host + "/org/python"
	want(t, only(t, p.checkImage(t.Context(), image, networkState{issuer: true}, sessionState{}), "image"), Skipped, "the registry cannot be reached", "")
	want(t, only(t, p.checkImage(t.Context(), image, up, sessionState{unknown: "get fails"}), "image"), Skipped, "get fails", "")
}

// Whatever is given as an image, the results are printable, and a name that is not of
// the registry comes to no request.
func FuzzImage(f *testing.F) {
	for _, image := range []string{"cgr.dev/org/image:tag", "python", "org/image@sha256:00", "cgr.dev@evil/x/y", "CGR.dev:443/a/b", "https://cgr.dev/a/b", "\x1b/\n", ""} {
		f.Add(image)
	}
	f.Fuzz(func(t *testing.T, image string) {
		var p Checker
		p.Config.Registry = parse(t, "https://cgr.dev")
		asked := false
		p.Transport = transportFunc(func(r *http.Request) (*http.Response, error) {
			asked = true
			if r.URL.Host != "cgr.dev" {
				t.Errorf("%q: got a request to %s", image, r.URL)
			}
			return nil, http.ErrHandlerTimeout
		})
		results := p.checkImage(t.Context(), image, up, sessionState{})
		if len(results) == 0 {
			t.Errorf("%q: got no result", image)
		}
		for _, r := range results {
			sound(t, r)
		}
		first, _, _ := strings.Cut(image, "/")
		if foreign := strings.ContainsAny(first, ".:"); foreign && asked && !strings.EqualFold(strings.TrimSuffix(first, ":443"), "cgr.dev") {
			t.Errorf("%q: got a request for an image of another registry", image)
		}
	})
}
