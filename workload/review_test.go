package workload

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"docker-credential-cgr/iam"
)

func TestReviewClaims(t *testing.T) {
	const gitHub, ci = "https://token.actions.githubusercontent.com", "https://ci.example"
	subject := func(issuer, pattern string) iam.ClaimMatch {
		return iam.ClaimMatch{Issuer: issuer, SubjectPattern: pattern}
	}
	const (
		everySubject = "matches every subject"
		noAnchors    = "has no ^ in front and $ behind"
		noEnd        = "has no $ behind"
		noBegin      = "has no ^ in front"
		strangers    = "matches names of other people"
		pulls        = "matches pull requests"
		ids          = "numeric IDs"
		glob         = "has a * that repeats"
	)
	for _, test := range []struct {
		name string
		m    iam.ClaimMatch
		want []string // in order; each a part of one warning
	}{
		{"a value", iam.ClaimMatch{Issuer: ci, Subject: "s"}, nil},
		{"a good pattern", subject(ci, `^\d{4}$`), nil},
		{"good alternatives", subject(ci, `^a$|^b$`), nil},
		{"I76 .*", subject(gitHub, ".*"), []string{everySubject}},
		{"I76 ^.*$", subject(gitHub, "^.*$"), []string{everySubject}},
		{"I76 .+", subject(gitHub, ".+"), []string{everySubject}},
		{"I76 an empty alternative", subject(gitHub, "repo:a/b|"), []string{everySubject}},
		{"I76 unanchored", subject(ci, "job-1"), []string{noAnchors}},
		{"I76 unanchored at its end", subject(ci, "^job-1"), []string{noEnd}},
		{"I76 unanchored at its beginning", subject(ci, "job-1$"), []string{noBegin}},
		{"I76 one alternative unanchored", subject(ci, "^a$|b"), []string{noAnchors}},
		{"I76 anchors of the outer alternatives", subject(ci, "^a|b$"), []string{noAnchors}},
		{"I76 anchors of a line", subject(ci, "(?m)^a$"), []string{noAnchors}},
		{"I76 repo:org/.*:pull_request", subject(gitHub, "^repo:my-org(@[0-9]+)?/.*:pull_request$"), []string{pulls}},
		{"I76 the same without ids", subject(gitHub, "repo:org/.*:pull_request"), []string{noAnchors, pulls, ids}},
		{"I76 repo:my-org*", subject(gitHub, "repo:my-org*"), []string{noAnchors, strangers + ", such as \"repo:my-org-evil/x\"", glob}},
		{"I76 repo:my-org.*", subject(gitHub, "^repo:my-org.*$"), []string{strangers + ", such as \"repo:my-org-evil/x\"", pulls}},
		{"I76 any organization", subject(gitHub, "^repo:.*/app:ref:refs/heads/main$"), []string{strangers + ", such as \"repo:evil/x/app:ref:refs/heads/main\"", ids}},
		{"I76 organizations with a prefix", subject(gitHub, "^repo:my-org-[a-z]+/app:ref:refs/heads/main$"), []string{strangers, ids}},
		{"I76 any repository", subject(gitHub, "^repo:my-org/.*$"), []string{pulls, ids}},
		{"I76 longer repository", subject(gitHub, "^repo:my-org(?:@[0-9]+)?/app.*:ref:refs/heads/main$"), []string{strangers + ", such as \"repo:my-org/app-evil:ref:"}},
		{"I76 anything of a repository", subject(gitHub, "^repo:my-org/app:.*$"), []string{pulls, ids}},
		{"I76 a group of alternatives", subject(gitHub, "^repo:my-org/app:(ref:refs/heads/main|pull_request)$"), []string{pulls, ids}},
		{"I76 a pull request's value", iam.ClaimMatch{Issuer: gitHub, Subject: "repo:my-org/app:pull_request"}, []string{pulls, ids}},
		{"I76 a value without ids", iam.ClaimMatch{Issuer: gitHub, Subject: "repo:my-org/app:ref:refs/heads/main"}, []string{ids + ", such as \"repo:my-org@123/app@456:ref:refs/heads/main\""}},
		{"a value with ids", iam.ClaimMatch{Issuer: gitHub, Subject: "repo:my-org@1/app@2:ref:refs/heads/main"}, nil},
		{"a release branch", subject(gitHub, `^repo:my-org@1/app@2:ref:refs/heads/release.*$`), nil},
		{"I76 service accounts with a prefix", subject(ci, "^system:serviceaccount:prod.*$"), []string{strangers + ", such as \"system:serviceaccount:prod-evil"}},
		{"service accounts of a namespace", subject(ci, "^system:serviceaccount:prod:.*$"), nil},
		{"I76 any branch", subject("https://gitlab.com", "^project_path:g/p:ref_type:branch:ref:.*$"), []string{"matches every branch"}},
		{"any tag", subject("https://gitlab.com", "^project_path:g/p:ref_type:tag:ref:.*$"), nil},
		{"I76 any group", subject("https://gitlab.com", "^project_path:.*:ref_type:branch:ref:main$"), []string{strangers}},
		{"I76 any issuer", iam.ClaimMatch{IssuerPattern: ".*", Subject: "s"}, []string{"matches every issuer"}},
		{"I76 issuer below any host", iam.ClaimMatch{IssuerPattern: `^https://.*\.my\.example$`, Subject: "s"}, []string{"other people's hosts, such as \"https://evil.example/.my.example\""}},
		{"I76 issuer with an open end", iam.ClaimMatch{IssuerPattern: `^https://ci\.my.*$`, Subject: "s"}, []string{"other people's hosts, such as \"https://ci.myevil.example"}},
		{"I76 issuer with dots", iam.ClaimMatch{IssuerPattern: `^https://ci.my\.example$`, Subject: "s"}, []string{"matches any character"}},
		{"I76 issuer unanchored", iam.ClaimMatch{IssuerPattern: `https://ci\.my\.example`, Subject: "s"}, []string{noAnchors}},
		{"a good issuer", iam.ClaimMatch{IssuerPattern: `^https://[^/]+\.my\.example(/.*)?$`, Subject: "s"}, nil},
		{"I76 any audience", iam.ClaimMatch{Issuer: ci, Subject: "s", AudiencePattern: ".*"}, []string{"matches every audience"}},
		{"I76 audience unanchored", iam.ClaimMatch{Issuer: ci, Subject: "s", AudiencePattern: "a"}, []string{noAnchors}},
		{"I76 claim unanchored", iam.ClaimMatch{Issuer: ci, Subject: "s", ClaimPatterns: map[string]string{"b": "x", "a": "^y"}}, []string{`claim "a" pattern "^y" has no $`, noAnchors}},
		{"invalid ones are for Check", iam.ClaimMatch{IssuerPattern: "(", SubjectPattern: "[", AudiencePattern: "*", ClaimPatterns: map[string]string{"a": "("}}, nil},
		{"nothing", iam.ClaimMatch{}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := ReviewClaims(test.m)
			got := slices.Concat(r.Accepts, r.Rejects)
			if accepts := slices.ContainsFunc(test.want, func(w string) bool { return !strings.HasPrefix(w, ids) && w != glob }); accepts != (len(r.Accepts) > 0) {
				t.Errorf("got %q accepted, want some: %v", r.Accepts, accepts)
			}
			if len(got) != len(test.want) {
				t.Fatalf("got %q, want %d: %q", got, len(test.want), test.want)
			}
			for i, want := range test.want {
				if !strings.Contains(got[i], want) {
					t.Errorf("got %q, want %q in it", got[i], want)
				}
			}
		})
	}
}

// Warnings are printable lines for any pattern, and end soon.
func FuzzReviewClaims(f *testing.F) {
	for _, text := range []string{".*", "repo:my-org*", "^repo:(a|b|c)(d|e)?/.*:pull_request$", `^https://.*\.a$`, "((a{10}){10}){10}", "[^\\x00-\\x{10FFFF}]", "(?i)x*", "\u202e.*\x1b", "(a|b|c|d|e|f){9}", `\Qa\E*?`, "^^$$", "()|()"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, m := range []iam.ClaimMatch{
			{Issuer: gitHubIssuer, SubjectPattern: text, AudiencePattern: text, ClaimPatterns: map[string]string{text: text}},
			{IssuerPattern: text, Subject: text},
		} {
			r := ReviewClaims(m)
			for _, warning := range slices.Concat(r.Accepts, r.Rejects) {
				if !utf8.ValidString(warning) || strings.ContainsFunc(warning, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0x202e || r >= 0x80 && r < 0xa0 }) {
					t.Errorf("I47 got %q, want nothing in it that drives a terminal", warning)
				}
			}
		}
	})
}
