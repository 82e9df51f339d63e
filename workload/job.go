package workload

import (
	"encoding/json"
	"net/url"
	"strings"

	"docker-credential-cgr/iam"
)

// Job is what a job needs to pull with an identity.
type Job struct {
	Identity string // id
	Image    string // to pull
	Audience string // of the ID tokens that this program requests
	// CustomAudience reports whether the identity accepts another audience, which is then
	// in Audience.
	CustomAudience bool
}

// Steps returns what to write into a job that assumes an identity, for users to paste.
func (j Job) Steps(i iam.Identity) string {
	if audience := audienceOf(i); audience != "" {
		j.CustomAudience = audience != j.Audience
		j.Audience = audience
	}
	system := systemOf(i)
	switch {
	case i.ServicePrincipal != nil:
		return "A Chainguard service assumes this identity: there is nothing to put into a job.\n"
	case system.Job != nil:
		return system.Job(j)
	case system.Find != nil && i.ClaimMatch != nil && !j.CustomAudience:
		return j.fill(`In the job, with docker-credential-cgr in PATH, which finds the ID token by itself:

docker-credential-cgr configure-docker --identity {identity}
docker pull {image}
`)
	}
	return j.fill(`In the job, with docker-credential-cgr in PATH. The ID token needs the audience {audience}. Say where it is with
--identity-token PATH or --identity-token-env NAME, or pass it on with --identity-token -:

docker-credential-cgr configure-docker --identity {identity}
docker pull {image}
`)
}

// audienceOf returns the audience that an identity requires of ID tokens, or "" if it is
// the default one.
func audienceOf(i iam.Identity) string {
	switch {
	case i.ClaimMatch != nil && i.ClaimMatch.AudiencePattern != "":
		return "MATCHING_AUDIENCE"
	case i.ClaimMatch != nil:
		return i.ClaimMatch.Audience
	case i.Static != nil && len(i.Static.Audiences) > 0:
		return i.Static.Audiences[0]
	}
	return ""
}

// fill replaces the names in braces in text. {audience} becomes a quoted string, which
// JSON and YAML read alike (YAML 1.2, 7.3.1).
func (j Job) fill(text string) string {
	audience, _ := json.Marshal(j.Audience) // strings cannot fail
	return strings.NewReplacer("{identity}", j.Identity, "{image}", j.Image, "{audience}", string(audience),
		"{audience-in-url}", url.QueryEscape(j.Audience)).Replace(text)
}
