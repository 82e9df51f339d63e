package iam

import (
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
		{"issuer without https", func(m *ClaimMatch) { m.Issuer = "token.actions.githubusercontent.com" }, "not a URL"},
		{"line end", func(m *ClaimMatch) { m.Subject = "s\n" }, "control characters"},
		{"10 KB", func(m *ClaimMatch) { m.Subject = strings.Repeat("s", 10<<10) }, "too long"},
		{"I76 open bracket", func(m *ClaimMatch) { m.Subject, m.SubjectPattern = "", "repo:(a" }, "missing closing ): `repo:(a`"},
		{"I76 file pattern", func(m *ClaimMatch) { m.Subject, m.SubjectPattern = "", "*" }, "for anything, write .*"},
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
