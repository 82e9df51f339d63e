package iam

import (
	"fmt"
	"regexp"
	"strings"
)

// The issuers of ID tokens of the hosted CI systems.
const (
	gitHubIssuer = "https://token.actions.githubusercontent.com"
	gitLabIssuer = "https://gitlab.com"
)

// GitHubMatch lets in the GitHub Actions jobs of a repository (ORG/REPO) that run for
// a ref in full (refs/heads/main); for any branch or tag where ref is empty or "*", but
// not for pull requests or environments, whose subjects are of another form. Without
// an audience the tokens' has to be the issuer's host.
//
// Subjects are repo:ORG/REPO:ref:REF, and with the numeric ids of both since 15 July
// 2026 for new repositories and those that opted in: repo:ORG@ID/REPO@ID:ref:REF
// (https://docs.github.com/actions/reference/security/oidc). A repository that is given
// without ids is let in either way. With its ids it is pinned: nobody gets in who takes
// over a name that was given up.
func GitHubMatch(repo, ref, audience string) (ClaimMatch, error) {
	org, name, _ := strings.Cut(repo, "/")
	orgPattern, orgPinned := gitHubName(org, "_-")
	namePattern, namePinned := gitHubName(name, "_.-")
	if orgPattern == "" || namePattern == "" {
		return ClaimMatch{}, fmt.Errorf("%s is no GitHub repository: write ORG/REPO, or ORG@ID/REPO@ID with the numeric ids", quote(repo))
	}
	m := ClaimMatch{Issuer: gitHubIssuer, Audience: audience}
	refPattern := "refs/(?:heads|tags)/.+"
	if anyRef := ref == "" || ref == "*"; !anyRef {
		if err := checkGitHubRef(ref); err != nil {
			return ClaimMatch{}, err
		}
		if orgPinned && namePinned {
			m.Subject = "repo:" + repo + ":ref:" + ref
			return m, m.Check()
		}
		refPattern = regexp.QuoteMeta(ref)
	}
	m.SubjectPattern = "^repo:" + orgPattern + "/" + namePattern + ":ref:" + refPattern + "$"
	return m, m.Check()
}

// gitHubName gives the pattern for a name that may have a numeric id behind an @, and
// whether it has one; "" for what is no name.
func gitHubName(text, punctuation string) (pattern string, pinned bool) {
	name, id, pinned := strings.Cut(text, "@")
	switch {
	case name == "", !onlyOf(name, punctuation), pinned && (id == "" || strings.Trim(id, "0123456789") != ""):
		return "", false
	case pinned:
		return regexp.QuoteMeta(text), true
	}
	return regexp.QuoteMeta(name) + "(?:@[0-9]+)?", false
}

func checkGitHubRef(ref string) error {
	if strings.HasPrefix(ref, "refs/pull/") || ref == "pull_request" {
		return fmt.Errorf("%s is a pull request's: nobody may have reviewed what such a job runs; if that is meant, give the subject repo:ORG/REPO:pull_request", quote(ref))
	}
	for _, prefix := range []string{"refs/heads/", "refs/tags/"} {
		if name, ok := strings.CutPrefix(ref, prefix); ok && isRefName(name) {
			return nil
		}
	}
	if isRefName(ref) && !strings.HasPrefix(ref, "refs/") {
		return fmt.Errorf("the ref %s is not in full: write refs/heads/%s for the branch, refs/tags/%s for the tag", quote(ref), ref, ref)
	}
	return fmt.Errorf("%s is no ref: write refs/heads/BRANCH or refs/tags/TAG; a pattern goes into the subject's", quote(ref))
}

// isRefName says whether git would take text as the name of a branch or a tag, by the
// rules of git-check-ref-format that matter here.
func isRefName(text string) bool {
	return text != "" && !strings.ContainsAny(text, " ~^:?*[\\") && !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// GitLabMatch lets in the GitLab CI jobs of a project (GROUP/PROJECT, with subgroups
// GROUP/SUB/PROJECT) on gitlab.com that run for a branch or a tag (refType "branch" or
// "tag"); for any of that type where ref is empty or "*". A "*" in the place of a
// project or a subgroup stands for any one. The tokens' audience has to be the
// issuer's host.
//
// Subjects are project_path:PATH:ref_type:TYPE:ref:REF, with the ref's name alone
// (https://docs.gitlab.com/ci/secrets/id_token_authentication).
func GitLabMatch(projectPath, refType, ref string) (ClaimMatch, error) {
	if refType != "branch" && refType != "tag" {
		return ClaimMatch{}, fmt.Errorf("%s is no type of ref: use branch or tag", quote(refType))
	}
	segments := strings.Split(projectPath, "/")
	wild := false
	patterns := make([]string, len(segments))
	for i, segment := range segments {
		patterns[i] = regexp.QuoteMeta(segment)
		if segment == "*" && i > 0 {
			patterns[i], wild = "[^:/]+", true
		} else if segment == "" || !onlyOf(segment, "_.-") {
			return ClaimMatch{}, fmt.Errorf("%s is no GitLab project: write GROUP/PROJECT; * may stand for a project or a subgroup", quote(projectPath))
		}
	}
	if len(segments) < 2 {
		return ClaimMatch{}, fmt.Errorf("%s is no GitLab project: write GROUP/PROJECT, or GROUP/* for all of the group's", quote(projectPath))
	}
	refPattern := regexp.QuoteMeta(ref)
	switch {
	case ref == "" || ref == "*":
		refPattern, wild = ".+", true
	case !isRefName(ref):
		return ClaimMatch{}, fmt.Errorf("%s is no %s: write its name alone; a pattern goes into the subject's", quote(ref), refType)
	case strings.HasPrefix(ref, "refs/"):
		return ClaimMatch{}, fmt.Errorf("%s is too much: GitLab's subjects have the name of the %s alone, as in main", quote(ref), refType)
	}
	m := ClaimMatch{Issuer: gitLabIssuer}
	if wild {
		m.SubjectPattern = "^project_path:" + strings.Join(patterns, "/") + ":ref_type:" + refType + ":ref:" + refPattern + "$"
	} else {
		m.Subject = "project_path:" + projectPath + ":ref_type:" + refType + ":ref:" + ref
	}
	return m, m.Check()
}

// AWSPrincipal names a role or a user of AWS.
type AWSPrincipal struct {
	Partition string // aws, aws-cn, aws-us-gov; empty for aws
	Account   string // 12 digits
	Name      string // a user's with its path, without a / in front
	ID        string // unique; empty for whoever has the name, now or later
}

// AWSRole lets in whoever has assumed a role, by what the role's GetCallerIdentity
// says (https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html).
func AWSRole(p AWSPrincipal) (AWSIdentity, error) {
	if err := p.check("role", "AROA", "_+=,.@-"); err != nil {
		return AWSIdentity{}, err
	}
	identity := AWSIdentity{
		Account:       p.Account,
		ARNPattern:    "^" + regexp.QuoteMeta(p.arn("sts")+":assumed-role/"+p.Name+"/") + "[^/]+$",
		UserIDPattern: "^AROA[A-Z0-9]+:.+$",
	}
	if p.ID != "" {
		identity.UserIDPattern = "^" + p.ID + ":.+$"
	}
	return identity, nil
}

// AWSUser lets in a user, by what the user's GetCallerIdentity says.
func AWSUser(p AWSPrincipal) (AWSIdentity, error) {
	if err := p.check("user", "AIDA", "_+=,.@-/"); err != nil {
		return AWSIdentity{}, err
	}
	identity := AWSIdentity{Account: p.Account, ARN: p.arn("iam") + ":user/" + p.Name}
	if p.ID != "" {
		identity.UserID = p.ID
	} else {
		identity.UserIDPattern = "^AIDA[A-Z0-9]+$"
	}
	return identity, nil
}

func (p AWSPrincipal) arn(service string) string {
	partition := p.Partition
	if partition == "" {
		partition = "aws"
	}
	return "arn:" + partition + ":" + service + "::" + p.Account
}

func (p AWSPrincipal) check(what, prefix, punctuation string) error {
	switch {
	case len(p.Account) != 12 || strings.Trim(p.Account, "0123456789") != "":
		return fmt.Errorf("%s is no AWS account: it has 12 digits", quote(p.Account))
	case p.Name == "" || len(p.Name) > 576 || !onlyOf(p.Name, punctuation) || strings.HasPrefix(p.Name, "/"):
		return fmt.Errorf("%s is no name of an AWS %s", quote(p.Name), what)
	case p.Partition != "" && p.Partition != "aws" && (!strings.HasPrefix(p.Partition, "aws-") || !onlyOf(p.Partition, "-")):
		return fmt.Errorf("%s is no AWS partition: use aws, aws-cn or aws-us-gov", quote(p.Partition))
	case p.ID != "" && (!strings.HasPrefix(p.ID, prefix) || !onlyOf(p.ID, "")):
		return fmt.Errorf("%s is no id of an AWS %s: it begins with %s", quote(p.ID), what, prefix)
	}
	return nil
}
