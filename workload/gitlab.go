package workload

import (
	"fmt"
	"regexp"
	"strings"

	"docker-credential-cgr/hint"
	"docker-credential-cgr/iam"
)

// gitLab: a job has ID tokens in the variables that its id_tokens name
// (https://docs.gitlab.com/ci/secrets/id_token_authentication). Those names are the
// user's, so that none is found.
var gitLab = System{
	Name:          "GitLab CI",
	Variable:      "GITLAB_CI",
	Hint:          "GitLab gives ID tokens in variables: add id_tokens: to the job and name the variable: --identity-token-env NAME",
	Issuer:        gitLabIssuer,
	SubjectPrefix: "project_path:",
	NamesOwner:    true,
	Templates: []Template{{
		Name:  "gitlab",
		Short: "Create an identity for GitLab CI on gitlab.com",
		Long: `Create an identity for the GitLab CI jobs of a project on gitlab.com. For a self-managed
server, use identities create with --identity-issuer set to its URL, and --subject.`,
		Example: `my-pipeline --project-path my-group/my-project \
    --ref-type branch --ref main --role registry.pull`,
		Flags: []Flag{
			{"project-path", "", "`GROUP/PROJECT` on gitlab.com; * matches any project of a group"},
			{"ref-type", "branch", "`TYPE` of the ref: branch or tag"},
			{"ref", "", "`NAME` of the branch or tag, such as main (default: any)"},
		},
		Fill: func(identity *iam.Identity, flags map[string]string) (string, error) {
			m, err := matchGitLab(flags["project-path"], flags["ref-type"], flags["ref"])
			identity.ClaimMatch = &m
			return "", err
		},
	}},
	Review: reviewGitLab,
	Job: func(j Job) string {
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
	},
}

// matchGitLab accepts the jobs of a project (GROUP/PROJECT, or GROUP/SUBGROUP/PROJECT) on
// gitlab.com for a branch or a tag (refType "branch" or "tag"), or for any of that type
// if ref is empty or "*". "*" in place of a subgroup or the project matches any one.
//
// Subjects are project_path:PATH:ref_type:TYPE:ref:REF, with the ref's name alone.
func matchGitLab(projectPath, refType, ref string) (iam.ClaimMatch, error) {
	none := iam.ClaimMatch{}
	if refType != "branch" && refType != "tag" {
		return none, fmt.Errorf("the type of ref %s is neither branch nor tag", quote(refType))
	}
	if !regexp.MustCompile(`^[\w.-]+(/([\w.-]+|\*))+$`).MatchString(projectPath) {
		return none, fmt.Errorf("%s is not a GitLab project, such as GROUP/PROJECT or GROUP/*", quote(projectPath))
	}
	isPattern := strings.Contains(projectPath, "*")
	pathPattern := strings.ReplaceAll(regexp.QuoteMeta(projectPath), `\*`, "[^:/]+")
	refPattern := regexp.QuoteMeta(ref)
	switch {
	case ref == "" || ref == "*":
		refPattern, isPattern = ".+", true
	case !isRefName(ref):
		return none, hint.With(fmt.Errorf("%s is not the name of a %s", quote(ref), refType),
			hint.Text("for a pattern, use --subject-pattern"))
	case strings.HasPrefix(ref, "refs/"):
		return none, fmt.Errorf("%s is a full ref: GitLab's subjects have the name of the %s alone, such as main", quote(ref), refType)
	}
	m := iam.ClaimMatch{Issuer: gitLabIssuer}
	if isPattern {
		m.SubjectPattern = "^project_path:" + pathPattern + ":ref_type:" + refType + ":ref:" + refPattern + "$"
	} else {
		m.Subject = "project_path:" + projectPath + ":ref_type:" + refType + ":ref:" + ref
	}
	return m, m.Check()
}

const gitLabIssuer = "https://gitlab.com"

// reviewGitLab warns of subjects that match every branch of a project.
func reviewGitLab(_ iam.ClaimMatch, subject pattern) (r Review) {
	anyBranch := regexp.MustCompile(`^project_path:.*:ref_type:branch:ref:anyone-s$`)
	if text := subject.find(anyBranch, "anyone-s"); text != "" {
		r.accept("%s matches every branch, such as %s: also those of merge requests that nobody has reviewed, "+
			"and before GitLab 18.2.2 those from forks", subject.name, quote(text))
	}
	return r
}
