package cli

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"docker-credential-cgr/iam"
	"docker-credential-cgr/platform"
)

// The issuers of ID tokens whose jobs are told apart here, as identities name them.
const (
	gitHubIssuer    = "https://token.actions.githubusercontent.com"
	gitLabIssuer    = "https://gitlab.com"
	circleCIIssuer  = "https://oidc.circleci.com/"
	buildkiteIssuer = "https://agent.buildkite.com"
	bitbucketIssuer = "https://api.bitbucket.org/"
	googleIssuer    = "https://accounts.google.com"
)

// showJob says how a job takes on an identity that was just made, for somebody to
// paste. It is no answer: standard output has the id alone.
func (a *app) showJob(i iam.Identity, group iam.Group, note string) {
	j := job{
		identity: platform.Printable(i.ID),
		image:    a.cfg.Registry.Host + "/" + imageOwner(group) + "/python:latest",
		audience: a.cfg.Issuer.Host,
	}
	if wanted := audienceOf(i); wanted != "" {
		j.audience, j.special = wanted, wanted != j.audience
	}
	fmt.Fprintf(a.Stderr, "\n%s", j.text(i))
	if note != "" {
		fmt.Fprintf(a.Stderr, "\n%s\n", note)
	}
}

// audienceOf is the audience that an identity wants of ID tokens; empty for the usual.
func audienceOf(i iam.Identity) string {
	switch {
	case i.ClaimMatch != nil && i.ClaimMatch.AudiencePattern != "":
		return "AUDIENCE_THAT_FITS"
	case i.ClaimMatch != nil:
		return i.ClaimMatch.Audience
	case i.Static != nil && len(i.Static.Audiences) > 0:
		return i.Static.Audiences[0]
	}
	return ""
}

// imageOwner is the organization's part in the name of an image: a name that came from
// the service stands in a command only where it is one.
func imageOwner(group iam.Group) string {
	isName := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r)
	}
	if group.Name == "" || strings.Contains(group.ID, "/") || strings.ContainsFunc(group.Name, func(r rune) bool { return !isName(r) }) {
		return "ORGANIZATION"
	}
	return group.Name
}

// job is what goes into the definition of a CI job.
type job struct {
	identity, image, audience string
	special                   bool // the audience is not the one that we ask for
}

func (j job) text(i iam.Identity) string {
	subject := ""
	if m := i.ClaimMatch; m != nil {
		subject = strings.TrimPrefix(m.Subject+m.SubjectPattern, "^")
		switch {
		case m.Issuer == gitHubIssuer:
			return j.gitHub()
		case m.Issuer == gitLabIssuer || strings.HasPrefix(subject, "project_path:"):
			return j.gitLab()
		case strings.HasPrefix(m.Issuer, circleCIIssuer):
			return j.circleCI()
		}
	}
	if i.Static != nil {
		subject = i.Static.Subject
	}
	if strings.HasPrefix(subject, "system:serviceaccount:") {
		return j.kubernetes()
	}
	return j.anywhere(i)
}

// fill puts the job's values into a text.
func (j job) fill(text string) string {
	return strings.NewReplacer("{identity}", j.identity, "{image}", j.image, "{audience}", yamlString(j.audience),
		"{audience-in-url}", url.QueryEscape(j.audience)).Replace(text)
}

// yamlString writes text as a string that JSON and YAML read alike (YAML 1.2, 7.3.1).
func yamlString(text string) string {
	quoted, _ := json.Marshal(text) // of a string, which cannot fail
	return string(quoted)
}

func (j job) gitHub() string {
	configure := "      - run: docker-credential-cgr configure-docker --identity {identity}\n"
	if j.special {
		configure = `      - run: |
          curl -fsS -H "Authorization: bearer $ACTIONS_ID_TOKEN_REQUEST_TOKEN" \
            "$ACTIONS_ID_TOKEN_REQUEST_URL&audience={audience-in-url}" | jq -r .value |
            docker-credential-cgr configure-docker --identity {identity} --identity-token -
`
	}
	return j.fill(`In the workflow, with docker-credential-cgr in PATH:

permissions:
  contents: read
  id-token: write # without this, GitHub gives the job no ID token
jobs:
  pull:
    runs-on: ubuntu-latest
    steps:
` + configure + `      - run: docker pull {image}
`)
}

func (j job) gitLab() string {
	return j.fill(`In .gitlab-ci.yml, with docker-credential-cgr in PATH:

pull:
  image: docker:latest
  services:
    - docker:dind
  id_tokens:
    ID_TOKEN:
      aud: {audience}
  script:
    - docker-credential-cgr configure-docker --identity {identity} --identity-token-env ID_TOKEN
    - docker pull {image}
`)
}

func (j job) circleCI() string {
	configure := "docker-credential-cgr configure-docker --identity {identity}"
	if j.special { // as the job's own token has one
		configure += " --identity-token-env CIRCLE_OIDC_TOKEN"
	}
	return j.fill(`In .circleci/config.yml, with docker-credential-cgr in PATH:

version: 2.1
jobs:
  pull:
    machine: true
    steps:
      - run: ` + configure + `
      - run: docker pull {image}
workflows:
  pull:
    jobs: [pull]
`)
}

func (j job) kubernetes() string {
	return j.fill(`In the pod, with docker-credential-cgr and crane in the image:

spec:
  serviceAccountName: SERVICE_ACCOUNT
  containers:
    - name: pull
      image: registry.example.com/builder:latest
      command: ["sh", "-ec"]
      args:
        - |
          docker-credential-cgr configure-docker --no-login
          crane digest {image}
      env:
        - name: CHAINGUARD_AUTH_IDENTITY
          value: {identity}
      volumeMounts:
        - name: id-token
          mountPath: /var/run/chainguard/oidc
          readOnly: true
  volumes:
    - name: id-token
      projected:
        sources:
          - serviceAccountToken:
              path: oidc-token
              audience: {audience}
              expirationSeconds: 600
`)
}

func (j job) anywhere(i iam.Identity) string {
	var where string
	switch {
	case i.ServicePrincipal != nil:
		return "A service of the vendor's takes this identity on; there is nothing to put into a job.\n"
	case i.AWSIdentity != nil:
		return j.fill(`The ID token of AWS is a signed request for GetCallerIdentity, which is not made here. Have it made, and
hand it over, with docker-credential-cgr in PATH:

docker-credential-cgr configure-docker --identity {identity} --identity-token PATH
docker pull {image}
`)
	case i.ClaimMatch != nil && !j.special && findsToken(i.ClaimMatch.Issuer):
		where = "is found by itself there"
	default:
		where = "has to have the audience {audience}; say where it lies with --identity-token PATH or --identity-token-env NAME, or hand it over with --identity-token -"
	}
	return j.fill(`In the job, with docker-credential-cgr in PATH; its ID token ` + where + `:

docker-credential-cgr configure-docker --identity {identity}
docker pull {image}
`)
}

// findsToken says whether the ID tokens of an issuer are found by themselves in its
// jobs, beside those of the systems above.
func findsToken(issuer string) bool {
	return issuer == buildkiteIssuer || issuer == googleIssuer || strings.HasPrefix(issuer, bitbucketIssuer)
}
