package iam

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestParseIdentityFile(t *testing.T) {
	match := Identity{Name: "ci", Description: "Für CI", ClaimMatch: &ClaimMatch{
		Issuer: "https://a.example", SubjectPattern: `^\d{4}$`, Audience: "1234", Claims: map[string]string{"on": "yes"}, ClaimPatterns: map[string]string{"a": "^b$"},
	}}
	end := Time{time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)}
	principal := "CATALOG_SYNCER"
	for _, test := range []struct {
		name, text string
		want       Identity
	}{
		{"JSON", `{"name":"ci","description":"F\u00fcr CI","claimMatch":{"issuer":"https://a.example","subjectPattern":"^\\d{4}$","audience":"1234","claims":{"on":"yes"},"claimPatterns":{"a":"^b$"}}}`, match},
		{"YAML, values as they are written", "name: ci\ndescription: Für CI\nclaimMatch:\n  issuer: https://a.example\n  subjectPattern: ^\\d{4}$\n  audience: 1234\n  claims: {on: yes}\n  claimPatterns:\n    a: ^b$\n", match},
		{"underscores", "name: ci\ndescription: Für CI\nclaim_match:\n  issuer: https://a.example\n  subject_pattern: ^\\d{4}$\n  audience: \"1234\"\n  claims: {on: yes}\n  claim_patterns: {a: ^b$}\n", match},
		{"static", "static: {issuer: https://a.example, subject: 007, audiences: [a, 1], issuerKeys: '{}', expiration: 2026-01-02}",
			Identity{Static: &Static{Issuer: "https://a.example", Subject: "007", Audiences: []string{"a", "1"}, IssuerKeys: "{}", Expiration: end}}},
		{"a time in full", "static: {expiration: 2026-01-02T00:00:00Z}", Identity{Static: &Static{Expiration: end}}},
		{"AWS", "aws_identity: {aws_account: 012345678901, arn: a, user_id_pattern: b}", Identity{AWSIdentity: &AWSIdentity{Account: "012345678901", ARN: "a", UserIDPattern: "b"}}},
		{"service", "servicePrincipal: CATALOG_SYNCER", Identity{ServicePrincipal: &principal}},
		{"nothing in it", "name: a\nclaimMatch: null\nstatic:\n", Identity{Name: "a"}},
		{"BOM, CRLF, comment", "\ufeff# ours\r\nname: a\r\n", Identity{Name: "a"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := ParseIdentityFile([]byte(test.text))
			if err != nil || !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v, %v, want %+v", got, err, test.want)
			}
		})
	}
	t.Run("what the service gave", func(t *testing.T) {
		want := Identity{ID: pullID, Name: "a", CreatedAt: Time{time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)}, ClaimMatch: match.ClaimMatch}
		text, _ := json.MarshalIndent(want, "", "  ")
		if got, err := ParseIdentityFile(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	})
	for _, test := range []struct{ name, text, says string }{
		{"unknown", "name: a\nclaimMatch:\n  subjct: a\n", "line 3: field subjct not found"},
		{"unknown at the top", "nmae: a", "line 1: field nmae not found"},
		{"another case", "Name: a", "line 1: field Name not found"},
		{"twice", "name: a\nname: b\n", "line 2"},
		{"twice in two spellings", "claimMatch: {}\nclaim_match: {}\n", "line 2: mapping key"},
		{"a list for a value", "name: [a]", "line 1: cannot unmarshal !!seq into string"},
		{"a value for a mapping", "claimMatch: a", "line 1: cannot unmarshal !!str"},
		{"a value for a list", "static: {audiences: a}", "line 1: cannot unmarshal !!str"},
		{"no time", "static: {expiration: soon}", "line 1: this is not a time"},
		{"a list of times", "static: {expiration: [2026-01-02]}", "line 1: this is not a time"},
		{"a mapping for a name", "{[a]: b}", "line 1: cannot unmarshal !!seq into string"},
		{"a list", "- name: a", "line 1: cannot unmarshal !!seq"},
		{"text", "hello", "line 1: cannot unmarshal !!str"},
		{"two documents", "name: a\n---\nname: b\n", "more than one document"},
		{"empty", "", "is empty"},
		{"comments", "# nothing\n", "is empty"},
		{"broken", "name: [\n", "not valid YAML or JSON"},
		{"I47 control character", "name: \x1b[2J", "not valid YAML or JSON"},
		{"I47 a name with ESC", "\"a\\e[2J\": b", `field a\x1b[2J not found`},
		{"deep", strings.Repeat("[", 20_000), "not valid YAML or JSON"},
		{"too long", strings.Repeat(" ", maxIdentityFile+1), "too long"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := ParseIdentityFile([]byte(test.text))
			oneLine(t, err)
			if !strings.Contains(err.Error(), test.says) || len(err.Error()) > 900 {
				t.Errorf("got %q, want %q in it", err, test.says)
			}
		})
	}
}

// What has been read is written as JSON and read again the same; what has not been read
// is said in one line.
func FuzzParseIdentityFile(f *testing.F) {
	for _, text := range []string{
		"name: a\nclaimMatch: {issuer: https://a.example, subjectPattern: ^a$}", `{"static":{"expiration":"2026-01-02T03:04:05.6+01:00","audiences":["a",null]}}`,
		"claim_match: {claims: {on: yes, ~: 1}}", "a: &a\n- *a", "? [a]\n: b", "servicePrincipal: ''", "createdAt: 0000-01-01", "{\"name\":\"\\ud83d\"}",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		first, err := ParseIdentityFile(text)
		if err != nil {
			oneLine(t, err)
			return
		}
		written, err := json.Marshal(first)
		if err != nil {
			return // a time that RFC 3339 has no form for
		}
		second, err := ParseIdentityFile(written)
		if err != nil {
			t.Fatalf("%q: %v", written, err)
		}
		if again, err := json.Marshal(second); err != nil || string(again) != string(written) {
			t.Errorf("got %s, %v, want %s", again, err, written)
		}
	})
}
