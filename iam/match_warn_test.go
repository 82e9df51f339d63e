package iam

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestWarnings(t *testing.T) {
	const gitHub, ci = "https://token.actions.githubusercontent.com", "https://ci.example"
	subject := func(issuer, pattern string) ClaimMatch {
		return ClaimMatch{Issuer: issuer, SubjectPattern: pattern}
	}
	const (
		everySubject = "fits every subject"
		noAnchors    = "has no ^ in front and $ behind"
		noEnd        = "has no $ behind"
		noBegin      = "has no ^ in front"
		strangers    = "organizations of other people"
		repositories = "repositories with longer names"
		longer       = "longer names"
		pulls        = "fits pull requests"
		ids          = "numeric ids"
		glob         = "has a * that repeats"
	)
	for _, test := range []struct {
		name string
		m    ClaimMatch
		want []string // in order; each a part of one warning
	}{
		{"a value", ClaimMatch{Issuer: ci, Subject: "s"}, nil},
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
		{"I76 repo:my-org*", subject(gitHub, "repo:my-org*"), []string{noAnchors, strangers + " too, such as \"repo:my-org-evil/x\"", glob}},
		{"I76 repo:my-org.*", subject(gitHub, "^repo:my-org.*$"), []string{strangers + " too, such as \"repo:my-org-evil/x\"", pulls}},
		{"I76 any organization", subject(gitHub, "^repo:.*/app:ref:refs/heads/main$"), []string{strangers + " too, such as \"repo:evil/x/app:ref:refs/heads/main\"", ids}},
		{"I76 organizations with a prefix", subject(gitHub, "^repo:my-org-[a-z]+/app:ref:refs/heads/main$"), []string{strangers, ids}},
		{"I76 any repository", subject(gitHub, "^repo:my-org/.*$"), []string{pulls, ids}},
		{"I76 longer repository", subject(gitHub, "^repo:my-org(?:@[0-9]+)?/app.*:ref:refs/heads/main$"), []string{repositories + " too, such as \"repo:my-org@1/app-evil:ref:"}},
		{"I76 anything of a repository", subject(gitHub, "^repo:my-org/app:.*$"), []string{pulls, ids}},
		{"I76 a group of alternatives", subject(gitHub, "^repo:my-org/app:(ref:refs/heads/main|pull_request)$"), []string{pulls, ids}},
		{"I76 a pull request's value", ClaimMatch{Issuer: gitHub, Subject: "repo:my-org/app:pull_request"}, []string{pulls, ids}},
		{"I76 a value without ids", ClaimMatch{Issuer: gitHub, Subject: "repo:my-org/app:ref:refs/heads/main"}, []string{ids + ", as in \"repo:my-org@123/app@456:ref:refs/heads/main\""}},
		{"a value with ids", ClaimMatch{Issuer: gitHub, Subject: "repo:my-org@1/app@2:ref:refs/heads/main"}, nil},
		{"a release branch", subject(gitHub, `^repo:my-org@1/app@2:ref:refs/heads/release.*$`), nil},
		{"I76 service accounts with a prefix", subject(ci, "^system:serviceaccount:prod.*$"), []string{longer + " too, such as \"system:serviceaccount:prod-evil"}},
		{"service accounts of a namespace", subject(ci, "^system:serviceaccount:prod:.*$"), nil},
		{"I76 any branch", subject("https://gitlab.com", "^project_path:g/p:ref_type:branch:ref:.*$"), []string{"fits every branch"}},
		{"any tag", subject("https://gitlab.com", "^project_path:g/p:ref_type:tag:ref:.*$"), nil},
		{"I76 any group", subject("https://gitlab.com", "^project_path:.*:ref_type:branch:ref:main$"), []string{strangers}},
		{"I76 any issuer", ClaimMatch{IssuerPattern: ".*", Subject: "s"}, []string{"fits every issuer"}},
		{"I76 issuer below any host", ClaimMatch{IssuerPattern: `^https://.*\.my\.example$`, Subject: "s"}, []string{"other people's hosts, such as \"https://evil.example/.my.example\""}},
		{"I76 issuer with an open end", ClaimMatch{IssuerPattern: `^https://ci\.my.*$`, Subject: "s"}, []string{"other people's hosts, such as \"https://ci.myevil.example"}},
		{"I76 issuer with dots", ClaimMatch{IssuerPattern: `^https://ci.my\.example$`, Subject: "s"}, []string{"stands for any character"}},
		{"I76 issuer unanchored", ClaimMatch{IssuerPattern: `https://ci\.my\.example`, Subject: "s"}, []string{noAnchors}},
		{"a good issuer", ClaimMatch{IssuerPattern: `^https://[^/]+\.my\.example(/.*)?$`, Subject: "s"}, nil},
		{"I76 any audience", ClaimMatch{Issuer: ci, Subject: "s", AudiencePattern: ".*"}, []string{"fits every audience"}},
		{"I76 audience unanchored", ClaimMatch{Issuer: ci, Subject: "s", AudiencePattern: "a"}, []string{noAnchors}},
		{"I76 claim unanchored", ClaimMatch{Issuer: ci, Subject: "s", ClaimPatterns: map[string]string{"b": "x", "a": "^y"}}, []string{`claim "a" pattern "^y" has no $`, noAnchors}},
		{"broken ones are for Check", ClaimMatch{IssuerPattern: "(", SubjectPattern: "[", AudiencePattern: "*", ClaimPatterns: map[string]string{"a": "("}}, nil},
		{"nothing", ClaimMatch{}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := test.m.Warnings()
			if letsIn := slices.ContainsFunc(test.want, func(w string) bool { return !strings.HasPrefix(w, ids) && w != glob }); letsIn != (len(test.m.LetsIn()) > 0) {
				t.Errorf("got %q of whom it lets in, want some: %v", test.m.LetsIn(), letsIn)
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
func FuzzWarnings(f *testing.F) {
	for _, text := range []string{".*", "repo:my-org*", "^repo:(a|b|c)(d|e)?/.*:pull_request$", `^https://.*\.a$`, "((a{10}){10}){10}", "[^\\x00-\\x{10FFFF}]", "(?i)x*", "\u202e.*\x1b", "(a|b|c|d|e|f){9}", `\Qa\E*?`, "^^$$", "()|()"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, m := range []ClaimMatch{
			{Issuer: gitHubIssuer, SubjectPattern: text, AudiencePattern: text, ClaimPatterns: map[string]string{text: text}},
			{IssuerPattern: text, Subject: text},
		} {
			for _, warning := range m.Warnings() {
				if !utf8.ValidString(warning) || strings.ContainsFunc(warning, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0x202e || r >= 0x80 && r < 0xa0 }) {
					t.Errorf("I47 got %q, want nothing in it that drives a terminal", warning)
				}
			}
		}
	})
}

// An example fits, whatever is filled in, where the expression says nothing of what
// stands around a place.
func FuzzExamples(f *testing.F) {
	for _, text := range []string{".*", "^a(b|c)?[d-f]{2,3}x+$", "[^a]*", "(?i)AbC", `\d+\w`, "a{0}", "01{0}0", "(?s).{3,}"} {
		f.Add(text, "-evil/x")
	}
	f.Fuzz(func(t *testing.T, text, fill string) {
		if len(text) > 200 || len(fill) > 20 || !utf8.ValidString(fill) || strings.Contains(fill, "\n") {
			return
		}
		re, err := regexp.Compile("(?s)" + text)
		tree, wrong := syntax.Parse("(?s)"+text, syntax.Perl)
		if err != nil || wrong != nil || strings.ContainsAny(text, "^$bBAzm") {
			return // these look around
		}
		all := examples(tree, fill)
		if len(all) > maxExamples {
			t.Errorf("got %d examples, want %d at most", len(all), maxExamples)
		}
		for _, example := range all {
			if !re.MatchString(example) {
				t.Errorf("%q does not fit %q", example, text)
			}
		}
	})
}
