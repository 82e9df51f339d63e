package workload

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"docker-credential-cgr/iam"
)

// lets reports whether the service accepts a subject, which must match as a whole.
func lets(m iam.ClaimMatch, subject string) bool {
	if m.Subject != "" {
		return subject == m.Subject
	}
	return regexp.MustCompile("^(?:" + m.SubjectPattern + ")$").MatchString(subject)
}

func TestMatchGitHub(t *testing.T) {
	const main = "refs/heads/main"
	for _, test := range []struct {
		name, repo, ref string
		in, out         []string
	}{
		{"I76 names, either form", "my-org/my.repo", main,
			[]string{"repo:my-org/my.repo:ref:refs/heads/main", "repo:my-org@123456/my.repo@654321:ref:refs/heads/main", "repo:my-org@1/my.repo:ref:refs/heads/main"},
			[]string{"repo:my-org/myxrepo:ref:refs/heads/main", "repo:my-org-evil/my.repo:ref:refs/heads/main", "repo:my-org/my.repo:ref:refs/heads/mainx", "repo:my-org/my.repo:ref:refs/heads/main\n",
				"repo:my-org/my.repo:pull_request", "repo:my-org@/my.repo@:ref:refs/heads/main", "repo:my-org@x/my.repo:ref:refs/heads/main", "repo:my-org/my.repo-evil:ref:refs/heads/main"}},
		{"any ref", "my-org/app", "",
			[]string{"repo:my-org/app:ref:refs/heads/a/b", "repo:my-org/app:ref:refs/tags/v1", "repo:my-org@1/app@2:ref:refs/heads/main"},
			[]string{"repo:my-org/app:pull_request", "repo:my-org/app:ref:refs/pull/1/merge", "repo:my-org/app:environment:prod", "repo:my-org/app:ref:refs/heads/", "repo:x/app:ref:refs/heads/main"}},
		{"any ref by *", "my-org/app", "*", []string{"repo:my-org/app:ref:refs/heads/main"}, []string{"repo:my-org/app:pull_request"}},
		{"pinned, one ref", "my-org@12/app@34", main, []string{"repo:my-org@12/app@34:ref:refs/heads/main"}, []string{"repo:my-org/app:ref:refs/heads/main", "repo:my-org@12/app@35:ref:refs/heads/main"}},
		{"pinned, any ref", "my-org@12/app@34", "", []string{"repo:my-org@12/app@34:ref:refs/tags/v1"}, []string{"repo:my-org/app:ref:refs/tags/v1", "repo:my-org@13/app@34:ref:refs/tags/v1"}},
		{"a managed user's", "jane_corp/app", main, []string{"repo:jane_corp/app:ref:refs/heads/main"}, nil},
		{"odd branch", "my-org/app", "refs/heads/a+b(c).d", []string{"repo:my-org/app:ref:refs/heads/a+b(c).d"}, []string{"repo:my-org/app:ref:refs/heads/aab(c).d"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			m, err := matchGitHub(test.repo, test.ref, "aud")
			if err != nil || m.Issuer != "https://token.actions.githubusercontent.com" || m.Audience != "aud" {
				t.Fatalf("got %+v, %v, want a match of GitHub's", m, err)
			}
			for _, subject := range test.in {
				if !lets(m, subject) {
					t.Errorf("%q is kept out, want it let in: %+v", subject, m)
				}
			}
			for _, subject := range test.out {
				if lets(m, subject) {
					t.Errorf("%q is let in, want it kept out: %+v", subject, m)
				}
			}
			if test.name != "pinned, one ref" && !(strings.HasPrefix(m.SubjectPattern, "^") && strings.HasSuffix(m.SubjectPattern, "$")) {
				t.Errorf("got %q, want it anchored", m.SubjectPattern)
			}
			if r := ReviewClaims(m); len(r.Accepts)+len(r.Rejects) > 0 {
				t.Errorf("got the warnings %q, want none", r)
			}
		})
	}
	for _, bad := range [][3]string{
		{"", main, ""}, {"my-org", main, ""}, {"my-org/", main, ""}, {"/app", main, ""}, {"a/b/c", main, ""}, {"https://github.com/a/b", main, ""}, {"my-org/*", main, ""}, {"*/app", main, ""},
		{"my.org/app", main, ""}, {"a@/b@", main, ""}, {"a@x/b", main, ""}, {"a@1@2/b", main, ""}, {"a b/c", main, ""}, {"a/b\n", main, ""}, {"я/b", main, ""}, {"a/b:ref", main, ""},
		{"a/b", "main", ""}, {"a/b", "refs/heads/", ""}, {"a/b", "refs/heads/*", ""}, {"a/b", "refs/heads/a b", ""}, {"a/b", "refs/pull/1/merge", ""}, {"a/b", "pull_request", ""}, {"a/b", "refs/heads/a\x1b", ""},
		{"a/b", "refs/heads/a:b", ""}, {"a/b", main, "a\nb"},
	} {
		_, err := matchGitHub(bad[0], bad[1], bad[2])
		oneLine(t, err)
	}
	if _, err := matchGitHub("a/b", "main", ""); !strings.Contains(err.Error(), "refs/heads/main") {
		t.Errorf("got %q, want the ref in full", err)
	}
}

func TestMatchGitLab(t *testing.T) {
	for _, test := range []struct {
		path, refType, ref string
		in, out            []string
	}{
		{"group/project", "branch", "main", []string{"project_path:group/project:ref_type:branch:ref:main"},
			[]string{"project_path:group/project:ref_type:tag:ref:main", "project_path:group/project:ref_type:branch:ref:main2", "project_path:group/project-evil:ref_type:branch:ref:main"}},
		{"group/sub/project", "tag", "", []string{"project_path:group/sub/project:ref_type:tag:ref:v1.2", "project_path:group/sub/project:ref_type:tag:ref:a/b"},
			[]string{"project_path:group/sub/project:ref_type:branch:ref:v1", "project_path:group/subx/project:ref_type:tag:ref:v1"}},
		{"group/*", "branch", "main", []string{"project_path:group/a:ref_type:branch:ref:main"},
			[]string{"project_path:group/a/b:ref_type:branch:ref:main", "project_path:group-evil/a:ref_type:branch:ref:main", "project_path:group/a:ref_type:branch:ref:x:ref_type:branch:ref:main"}},
		{"group/*/*", "tag", "*", []string{"project_path:group/a/b:ref_type:tag:ref:v1"}, []string{"project_path:group/a:ref_type:tag:ref:v1"}},
	} {
		t.Run(test.path, func(t *testing.T) {
			m, err := matchGitLab(test.path, test.refType, test.ref)
			if err != nil || m.Issuer != "https://gitlab.com" || m.Audience != "" {
				t.Fatalf("got %+v, %v, want a match of GitLab's", m, err)
			}
			for _, subject := range test.in {
				if !lets(m, subject) {
					t.Errorf("%q is kept out, want it let in: %+v", subject, m)
				}
			}
			for _, subject := range test.out {
				if lets(m, subject) {
					t.Errorf("%q is let in, want it kept out: %+v", subject, m)
				}
			}
			if r := ReviewClaims(m); len(r.Accepts)+len(r.Rejects) > 0 {
				t.Errorf("got the warnings %q, want none", r)
			}
		})
	}
	for _, bad := range [][3]string{
		{"", "branch", ""}, {"project", "branch", ""}, {"*", "branch", ""}, {"*/project", "branch", ""}, {"group/", "branch", ""}, {"group//a", "branch", ""}, {"gro*/a", "branch", ""},
		{"group/a:b", "branch", ""}, {"group/a", "", ""}, {"group/a", "merge_request", ""}, {"group/a", "branch", "a*"}, {"group/a", "branch", "refs/heads/main"}, {"group/a", "tag", "a\nb"},
	} {
		_, err := matchGitLab(bad[0], bad[1], bad[2])
		oneLine(t, err)
	}
}

func TestAWS(t *testing.T) {
	role := awsPrincipal{account: "123456789012", name: "my-role"}
	for _, test := range []struct {
		name string
		make func() (iam.AWSIdentity, error)
		want string
	}{
		{"role", func() (iam.AWSIdentity, error) { return matchAWSRole(role) },
			`{"awsAccount":"123456789012","arnPattern":"^arn:aws:sts::123456789012:assumed-role/my-role/[^/]+$","userIdPattern":"^AROA[A-Z0-9]+:.+$"}`},
		{"role pinned", func() (iam.AWSIdentity, error) {
			return matchAWSRole(awsPrincipal{"aws-us-gov", "123456789012", "my.role", "AROAEXAMPLEC2UL7LUB"})
		}, `{"awsAccount":"123456789012","arnPattern":"^arn:aws-us-gov:sts::123456789012:assumed-role/my\\.role/[^/]+$","userIdPattern":"^AROAEXAMPLEC2UL7LUB:.+$"}`},
		{"user", func() (iam.AWSIdentity, error) {
			return matchAWSUser(awsPrincipal{account: "123456789012", name: "team/bob"})
		},
			`{"awsAccount":"123456789012","arn":"arn:aws:iam::123456789012:user/team/bob","userIdPattern":"^AIDA[A-Z0-9]+$"}`},
		{"user pinned", func() (iam.AWSIdentity, error) {
			return matchAWSUser(awsPrincipal{"aws", "123456789012", "bob", "AIDAEXAMPLEC2UL7LUB"})
		}, `{"awsAccount":"123456789012","arn":"arn:aws:iam::123456789012:user/bob","userId":"AIDAEXAMPLEC2UL7LUB"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			identity, err := test.make()
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := json.Marshal(identity); string(got) != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
	for name, change := range map[string]func(*awsPrincipal){
		"short account":       func(p *awsPrincipal) { p.account = "12345" },
		"words for account":   func(p *awsPrincipal) { p.account = "abcdefghijkl" },
		"no name":             func(p *awsPrincipal) { p.name = "" },
		"pattern for name":    func(p *awsPrincipal) { p.name = "my-*" },
		"ARN for name":        func(p *awsPrincipal) { p.name = "arn:aws:iam::123456789012:role/a" },
		"another partition":   func(p *awsPrincipal) { p.partition = "azure" },
		"a colon in it":       func(p *awsPrincipal) { p.partition = "aws-:sts" },
		"id of another kind":  func(p *awsPrincipal) { p.id = "AKIAEXAMPLE" },
		"I76 pattern for id":  func(p *awsPrincipal) { p.id = "AROA.*" },
		"name of a kilobyte":  func(p *awsPrincipal) { p.name = strings.Repeat("x", 1<<10) },
		"id with a line end":  func(p *awsPrincipal) { p.id = "AROAX\n" },
		"path that is rooted": func(p *awsPrincipal) { p.name = "/a" },
	} {
		t.Run(name, func(t *testing.T) {
			p := role
			change(&p)
			_, err := matchAWSRole(p)
			oneLine(t, err)
			p.id = strings.Replace(p.id, "AROA", "AIDA", 1)
			_, err = matchAWSUser(p)
			oneLine(t, err)
		})
	}
	if _, err := matchAWSRole(awsPrincipal{account: "123456789012", name: "path/my-role"}); err == nil {
		t.Error("got a role's path taken, which the ARN of an assumed role has not; want an error")
	}
}
