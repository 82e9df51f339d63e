package iam

import (
	"encoding/json"
	"maps"
	"regexp"
	"strings"
	"testing"
)

func TestClaimMatchCheck(t *testing.T) {
	fine := ClaimMatch{Issuer: "https://a.example", Subject: "s"}
	for name, m := range map[string]ClaimMatch{
		"values":   {Issuer: "https://a.example", Subject: "s", Audience: "a", Claims: map[string]string{"a": "b"}},
		"patterns": {IssuerPattern: `^https://[^/]+\.a\.example$`, SubjectPattern: `^\d{4}$`, AudiencePattern: "^a$", ClaimPatterns: map[string]string{"a": "^b$"}},
	} {
		if err := m.Check(); err != nil {
			t.Errorf("%s: got %v, want it taken", name, err)
		}
	}
	for _, test := range []struct {
		name   string
		change func(*ClaimMatch)
		says   string
	}{
		{"no issuer", func(m *ClaimMatch) { m.Issuer = "" }, "issuer is missing"},
		{"no subject", func(m *ClaimMatch) { m.Subject = "" }, "subject is missing"},
		{"two issuers", func(m *ClaimMatch) { m.IssuerPattern = "^a$" }, "both a value and a pattern"},
		{"two subjects", func(m *ClaimMatch) { m.SubjectPattern = "^a$" }, "both a value and a pattern"},
		{"two audiences", func(m *ClaimMatch) { m.Audience, m.AudiencePattern = "a", "^a$" }, "both a value and a pattern"},
		{"a claim twice", func(m *ClaimMatch) {
			m.Claims, m.ClaimPatterns = map[string]string{"a": "b"}, map[string]string{"a": "^b$"}
		}, `claim "a" has both`},
		{"a claim of no name", func(m *ClaimMatch) { m.Claims = map[string]string{"": "b"} }, "no name"},
		{"a claim of no value", func(m *ClaimMatch) { m.Claims = map[string]string{"a": ""} }, "no value"},
		{"issuer without https", func(m *ClaimMatch) { m.Issuer = "token.actions.githubusercontent.com" }, "no URL"},
		{"line end", func(m *ClaimMatch) { m.Subject = "s\n" }, "control characters"},
		{"10 KB", func(m *ClaimMatch) { m.Subject = strings.Repeat("s", 10<<10) }, "too long"},
		{"I76 open bracket", func(m *ClaimMatch) { m.Subject, m.SubjectPattern = "", "repo:(a" }, `missing closing ): "repo:(a"`},
		{"I76 file pattern", func(m *ClaimMatch) { m.Subject, m.SubjectPattern = "", "*" }, "for anything write .*"},
		{"I76 look-ahead", func(m *ClaimMatch) { m.Subject, m.SubjectPattern = "", "(?!evil)" }, "subject pattern"},
		{"I76 in a claim", func(m *ClaimMatch) { m.ClaimPatterns = map[string]string{"a": "[z"} }, `claim "a" pattern`},
		{"I76 drives a terminal", func(m *ClaimMatch) { m.AudiencePattern = "\u202e(\u009b2J" }, "audience pattern"},
		{"I76 too large", func(m *ClaimMatch) { m.IssuerPattern, m.Issuer = "((a{1000}){1000})", "" }, "issuer pattern"},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := fine
			test.change(&m)
			err := m.Check()
			oneLine(t, err)
			if !strings.Contains(err.Error(), test.says) || len(err.Error()) > 900 {
				t.Errorf("got %q, want %q in it", err, test.says)
			}
		})
	}
}

func TestParseClaimPatterns(t *testing.T) {
	for _, test := range []struct {
		texts []string
		want  map[string]string
	}{
		{nil, map[string]string{}},
		{[]string{"a:^b$"}, map[string]string{"a": "^b$"}},
		{[]string{"a:^b$,c_d:^e:f$", "g:h"}, map[string]string{"a": "^b$", "c_d": "^e:f$", "g": "h"}},
		{[]string{`a:^x{1,3}$,b:y,z`}, map[string]string{"a": "^x{1,3}$", "b": "y,z"}},
		{[]string{"a: b"}, map[string]string{"a": " b"}},
	} {
		if got, err := ParseClaimPatterns(test.texts); err != nil || !maps.Equal(got, test.want) {
			t.Errorf("%q: got %q, %v, want %q", test.texts, got, err, test.want)
		}
	}
	for _, texts := range [][]string{{""}, {"a"}, {"a:"}, {":b"}, {"a:b", "a:c"}, {"a:b,a:c"}, {"a:("}, {"https://a.example/team:x"}, {"a b:c"}, {"\x1b[2J:x"}} {
		_, err := ParseClaimPatterns(texts)
		oneLine(t, err)
	}
}

// A pair that is read is a claim and a pattern that compiles, and says the same when it
// is given alone.
func FuzzParseClaimPatterns(f *testing.F) {
	for _, text := range []string{"a:^b$", "a:x{1,3},b:c", "a:b,c:d,e", ",a:b", "a:b,"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		patterns, err := ParseClaimPatterns([]string{text})
		if err != nil {
			oneLine(t, err)
			return
		}
		for claim, pattern := range patterns {
			if _, err := regexp.Compile(pattern); err != nil || claim == "" {
				t.Fatalf("got %q: %q, %v, want a claim and its pattern", claim, pattern, err)
			}
			if again, err := ParseClaimPatterns([]string{claim + ":" + pattern}); err != nil || again[claim] != pattern {
				t.Errorf("got %q, %v, want %q again", again, err, pattern)
			}
		}
	})
}

// lets says whether the service would let in a subject, by the whole value.
func lets(m ClaimMatch, subject string) bool {
	if m.Subject != "" {
		return subject == m.Subject
	}
	return regexp.MustCompile("^(?:" + m.SubjectPattern + ")$").MatchString(subject)
}

func TestGitHubMatch(t *testing.T) {
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
			m, err := GitHubMatch(test.repo, test.ref, "aud")
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
			if warnings := m.Warnings(); len(warnings) > 0 {
				t.Errorf("got the warnings %q, want none", warnings)
			}
		})
	}
	for _, bad := range [][3]string{
		{"", main, ""}, {"my-org", main, ""}, {"my-org/", main, ""}, {"/app", main, ""}, {"a/b/c", main, ""}, {"https://github.com/a/b", main, ""}, {"my-org/*", main, ""}, {"*/app", main, ""},
		{"my.org/app", main, ""}, {"a@/b@", main, ""}, {"a@x/b", main, ""}, {"a@1@2/b", main, ""}, {"a b/c", main, ""}, {"a/b\n", main, ""}, {"я/b", main, ""}, {"a/b:ref", main, ""},
		{"a/b", "main", ""}, {"a/b", "refs/heads/", ""}, {"a/b", "refs/heads/*", ""}, {"a/b", "refs/heads/a b", ""}, {"a/b", "refs/pull/1/merge", ""}, {"a/b", "pull_request", ""}, {"a/b", "refs/heads/a\x1b", ""},
		{"a/b", "refs/heads/a:b", ""}, {"a/b", main, "a\nb"},
	} {
		_, err := GitHubMatch(bad[0], bad[1], bad[2])
		oneLine(t, err)
	}
	if _, err := GitHubMatch("a/b", "main", ""); !strings.Contains(err.Error(), "refs/heads/main") {
		t.Errorf("got %q, want the ref in full", err)
	}
}

func TestGitLabMatch(t *testing.T) {
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
			m, err := GitLabMatch(test.path, test.refType, test.ref)
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
			if warnings := m.Warnings(); len(warnings) > 0 {
				t.Errorf("got the warnings %q, want none", warnings)
			}
		})
	}
	for _, bad := range [][3]string{
		{"", "branch", ""}, {"project", "branch", ""}, {"*", "branch", ""}, {"*/project", "branch", ""}, {"group/", "branch", ""}, {"group//a", "branch", ""}, {"gro*/a", "branch", ""},
		{"group/a:b", "branch", ""}, {"group/a", "", ""}, {"group/a", "merge_request", ""}, {"group/a", "branch", "a*"}, {"group/a", "branch", "refs/heads/main"}, {"group/a", "tag", "a\nb"},
	} {
		_, err := GitLabMatch(bad[0], bad[1], bad[2])
		oneLine(t, err)
	}
}

func TestAWS(t *testing.T) {
	role := AWSPrincipal{Account: "123456789012", Name: "my-role"}
	for _, test := range []struct {
		name string
		make func() (AWSIdentity, error)
		want string
	}{
		{"role", func() (AWSIdentity, error) { return AWSRole(role) },
			`{"awsAccount":"123456789012","arnPattern":"^arn:aws:sts::123456789012:assumed-role/my-role/[^/]+$","userIdPattern":"^AROA[A-Z0-9]+:.+$"}`},
		{"role pinned", func() (AWSIdentity, error) {
			return AWSRole(AWSPrincipal{"aws-us-gov", "123456789012", "my.role", "AROAEXAMPLEC2UL7LUB"})
		}, `{"awsAccount":"123456789012","arnPattern":"^arn:aws-us-gov:sts::123456789012:assumed-role/my\\.role/[^/]+$","userIdPattern":"^AROAEXAMPLEC2UL7LUB:.+$"}`},
		{"user", func() (AWSIdentity, error) { return AWSUser(AWSPrincipal{Account: "123456789012", Name: "team/bob"}) },
			`{"awsAccount":"123456789012","arn":"arn:aws:iam::123456789012:user/team/bob","userIdPattern":"^AIDA[A-Z0-9]+$"}`},
		{"user pinned", func() (AWSIdentity, error) {
			return AWSUser(AWSPrincipal{"aws", "123456789012", "bob", "AIDAEXAMPLEC2UL7LUB"})
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
	for name, change := range map[string]func(*AWSPrincipal){
		"short account":       func(p *AWSPrincipal) { p.Account = "12345" },
		"words for account":   func(p *AWSPrincipal) { p.Account = "abcdefghijkl" },
		"no name":             func(p *AWSPrincipal) { p.Name = "" },
		"pattern for name":    func(p *AWSPrincipal) { p.Name = "my-*" },
		"ARN for name":        func(p *AWSPrincipal) { p.Name = "arn:aws:iam::123456789012:role/a" },
		"another partition":   func(p *AWSPrincipal) { p.Partition = "azure" },
		"a colon in it":       func(p *AWSPrincipal) { p.Partition = "aws-:sts" },
		"id of another kind":  func(p *AWSPrincipal) { p.ID = "AKIAEXAMPLE" },
		"I76 pattern for id":  func(p *AWSPrincipal) { p.ID = "AROA.*" },
		"name of a kilobyte":  func(p *AWSPrincipal) { p.Name = strings.Repeat("x", 1<<10) },
		"id with a line end":  func(p *AWSPrincipal) { p.ID = "AROAX\n" },
		"path that is rooted": func(p *AWSPrincipal) { p.Name = "/a" },
	} {
		t.Run(name, func(t *testing.T) {
			p := role
			change(&p)
			_, err := AWSRole(p)
			oneLine(t, err)
			p.ID = strings.Replace(p.ID, "AROA", "AIDA", 1)
			_, err = AWSUser(p)
			oneLine(t, err)
		})
	}
	if _, err := AWSRole(AWSPrincipal{Account: "123456789012", Name: "path/my-role"}); err == nil {
		t.Error("got a role's path taken, which the ARN of an assumed role has not; want an error")
	}
}
