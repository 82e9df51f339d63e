package workload

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"unicode"

	"docker-credential-cgr/hint"
	"docker-credential-cgr/iam"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/workload/idtoken"
)

const (
	gitHubIssuer  = "https://token.actions.githubusercontent.com"
	gitHubAddress = "ACTIONS_ID_TOKEN_REQUEST_URL"
	gitHubBearer  = "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
)

// gitHub: a job with the permission id-token: write can request a token of any audience
// (GitHub, "OpenID Connect reference").
var gitHub = System{
	Name:     "GitHub Actions",
	Variable: "GITHUB_ACTIONS",
	Find:     findGitHub,
	Hint: "GitHub gives this job no ID token: add to the workflow: permissions: id-token: write " +
		"(pull requests from forks get none)",
	Secrets:       []string{gitHubAddress, gitHubBearer},
	Mask:          "::add-mask::",
	Issuer:        gitHubIssuer,
	SubjectPrefix: "repo:",
	NamesOwner:    true,
	Templates: []Template{{
		Name:  "github",
		Short: "Create an identity for GitHub Actions",
		Long: `Create an identity for a repository's GitHub Actions jobs on a branch or tag. Jobs for
pull requests are not included.

If a repository was created on or after July 15, 2026, or has opted in, GitHub's subjects
include the numeric IDs of the repository and its owner. Without IDs, the identity
accepts both forms, and also any repository that gets the same names later. With IDs, as
in my-org@123456/my-repo@654321, it accepts only this repository.`,
		Example: `my-workflow --github-repo my-org/my-repo \
    --github-ref refs/heads/main --role registry.pull`,
		Flags: []Flag{
			{"github-repo", "", "`ORG/REPO` on GitHub, or ORG@ID/REPO@ID"},
			{"github-ref", "", "full `REF`, such as refs/heads/main (default: any branch or tag)"},
			{"github-audience", "", "`AUDIENCE` of the ID tokens (default: the host of the platform's issuer)"},
		},
		Fill: func(identity *iam.Identity, flags map[string]string) (string, error) {
			m, err := matchGitHub(flags["github-repo"], flags["github-ref"], flags["github-audience"])
			identity.ClaimMatch = &m
			return gitHubNote(flags["github-repo"]), err
		},
	}},
	Review: reviewGitHub,
	Job: func(j Job) string {
		configure := "      - run: docker-credential-cgr configure-docker --identity {identity}\n"
		if j.CustomAudience {
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
	},
}

func findGitHub(h Host, audience string) (idtoken.Source, bool) {
	const name = "GitHub Actions"
	address, bearer := h.Getenv(gitHubAddress), h.Getenv(gitHubBearer)
	if address == "" || bearer == "" {
		return idtoken.Source{}, false
	}
	return idtoken.Source{Name: name, Token: func(ctx context.Context) (string, error) {
		target, err := gitHubURL(address, audience)
		if err != nil {
			return "", err
		}
		bearer, err := idtoken.Check("the variable "+gitHubBearer, bearer)
		if err != nil {
			return "", err
		}
		var answer struct{ Value string }
		request := platform.Request{Method: http.MethodGet, URL: target.String(), Bearer: bearer}
		err = retry(ctx, name, target.Host, func(ctx context.Context) error {
			_, err := platform.Send(ctx, h.Transport, request, &answer)
			return err
		})
		if err != nil {
			return "", err
		}
		return idtoken.Check(name, answer.Value)
	}}, true
}

// gitHubURL adds an audience to the address that GitHub gave the job. The job's bearer
// token is sent there, so it must be https, or the loopback interface.
func gitHubURL(address, audience string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil || u.User != nil || u.Hostname() == "" || u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Hostname())) {
		return nil, fmt.Errorf("no ID token from GitHub Actions: %s is not an https URL", gitHubAddress)
	}
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += "audience=" + url.QueryEscape(audience)
	return u, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// matchGitHub accepts the jobs of a repository (ORG/REPO) for a full ref
// (refs/heads/main), or for any branch or tag if ref is empty or "*". It does not accept
// pull requests or environments, whose subjects have another form.
//
// Subjects are repo:ORG/REPO:ref:REF. Since July 15, 2026, those of new repositories, and
// of repositories that opted in, have the numeric IDs of both:
// repo:ORG@ID/REPO@ID:ref:REF (https://docs.github.com/actions/reference/security/oidc).
// A repository without IDs is accepted in either form. One with IDs is pinned: another
// repository that takes over an abandoned name is not accepted.
func matchGitHub(repo, ref, audience string) (iam.ClaimMatch, error) {
	parts := regexp.MustCompile(`^([\w-]+)(@\d+)?/([\w.-]+)(@\d+)?$`).FindStringSubmatch(repo)
	if parts == nil {
		return iam.ClaimMatch{}, fmt.Errorf("%s is not a GitHub repository, such as ORG/REPO, or ORG@ID/REPO@ID with the numeric IDs",
			quote(repo))
	}
	const anyID = "(?:@[0-9]+)?"
	org := regexp.QuoteMeta(parts[1]) + cmp.Or(parts[2], anyID)
	name := regexp.QuoteMeta(parts[3]) + cmp.Or(parts[4], anyID)
	m := iam.ClaimMatch{Issuer: gitHubIssuer, Audience: audience}
	refPattern := "refs/(?:heads|tags)/.+"
	if ref != "" && ref != "*" {
		if err := checkGitHubRef(ref); err != nil {
			return iam.ClaimMatch{}, err
		}
		if parts[2] != "" && parts[4] != "" {
			m.Subject = "repo:" + repo + ":ref:" + ref
			return m, m.Check()
		}
		refPattern = regexp.QuoteMeta(ref)
	}
	m.SubjectPattern = "^repo:" + org + "/" + name + ":ref:" + refPattern + "$"
	return m, m.Check()
}

func checkGitHubRef(ref string) error {
	for _, prefix := range []string{"refs/heads/", "refs/tags/"} {
		if name, ok := strings.CutPrefix(ref, prefix); ok && isRefName(name) {
			return nil
		}
	}
	return hint.With(fmt.Errorf("%s is not the full ref of a branch or a tag, such as refs/heads/main or refs/tags/v1", quote(ref)),
		hint.Text("for others, such as pull requests, use --subject or --subject-pattern"))
}

// isRefName reports whether Git accepts text as the name of a branch or a tag, by the
// rules of git-check-ref-format that matter here.
func isRefName(text string) bool {
	return text != "" && !strings.ContainsAny(text, " ~^:?*[\\") && !strings.ContainsFunc(text, unicode.IsControl)
}

// gitHubNote explains what a repository's IDs are for, and how to find them. repo has
// been checked, so that it is safe in a command.
func gitHubNote(repo string) string {
	if strings.Contains(repo, "@") {
		return `This identity contains GitHub's numeric IDs: it accepts no other repository that gets these names.
A repository created before July 15, 2026 must opt in to subjects with IDs first.`
	}
	return fmt.Sprintf(`GitHub's subjects may contain numeric IDs (repo:ORG@ID/REPO@ID:…). This identity accepts %[1]s with and without
them, and therefore any repository that gets these names later. To pin it to this repository, create it with
--github-repo set to the output of:
  gh api repos/%[1]s --jq '"\(.owner.login)@\(.owner.id)/\(.name)@\(.id)"'`, repo)
}

// reviewGitHub warns of subjects that match pull requests, and of those that match a
// repository only as long as its subjects have no numeric IDs.
func reviewGitHub(m iam.ClaimMatch, subject pattern) (r Review) {
	pullRequest := regexp.MustCompile(`^repo:[^/:]+/[^:]+:pull_request$`)
	text := subject.find(pullRequest, "", "x", "pull_request", ":pull_request", "x:pull_request", "x/x:pull_request")
	if text != "" {
		r.accept("%s matches pull requests, such as %s: code that nobody has reviewed then has this identity, "+
			"and code from forks if the repository gives their jobs write tokens", subject.name, quote(text))
	}
	if m.Issuer != gitHubIssuer {
		return r
	}
	names, with := regexp.MustCompile(`^repo:([^/:]+)/([^:]+)(.*)$`), ""
	for text := range subject.samples("x") {
		if !names.MatchString(text) {
			continue
		}
		with = names.ReplaceAllString(text, "repo:${1}@123/${2}@456$3")
		if strings.Contains(text, "@") || subject.re.MatchString(with) {
			return r
		}
	}
	if with != "" {
		r.reject("%s does not match repositories created since July 15, 2026, nor others that opted in: "+
			"their subjects have numeric IDs, such as %s; identities created for GitHub with the name of the repository match both forms",
			subject.name, quote(with))
	}
	return r
}
