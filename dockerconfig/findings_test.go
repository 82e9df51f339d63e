package dockerconfig

import (
	"os"
	"strings"
	"testing"
)

func TestFindings(t *testing.T) {
	f := load(t, writeFile(t, `{
  "auths": {
    "ghcr.io": {"auth": "eDp5"},
    "cgr.dev": {"auth": "eDp5"},
    "https://cgr.dev/v2/": {"IdentityToken": "x"},
    "cgr.dev/org": {"password": "x"},
    "cgr.dev:443": {},
    "http://cgr.dev": {"auth": ""},
    "cgr.dev.evil.example": {"auth": "eDp5"},
    "apk.cgr.dev": {"auth": "eDp5"}
  },
  "credHelpers": {
    "cgr.dev": "desktop.exe",
    "https://cgr.dev": "cgr",
    "https://cgr.dev/v1/": "desktop",
    "*.cgr.dev": "cgr",
    "CGR.DEV": "cgr",
    "cgr.dev:443": "cgr",
    "cgr.dev/org": "cgr",
    "apk.cgr.dev": "cgr",
    "evil.example/cgr.dev": "cgr"
  },
  "credsStore": "desktop.exe"
}`))
	want := []Finding{
		{Kind: Login, Line: 4, Key: "cgr.dev"},
		{Kind: Login, Line: 5, Key: "https://cgr.dev/v2/"},
		{Kind: Login, Line: 6, Key: "cgr.dev/org"},
		{Kind: OtherHelper, Line: 13, Key: "cgr.dev", Helper: "desktop.exe"},
		{Kind: OtherKey, Line: 14, Key: "https://cgr.dev", Helper: "cgr"},
		{Kind: OtherKey, Line: 15, Key: "https://cgr.dev/v1/", Helper: "desktop"},
		{Kind: OtherKey, Line: 16, Key: "*.cgr.dev", Helper: "cgr"},
		{Kind: OtherKey, Line: 17, Key: "CGR.DEV", Helper: "cgr"},
		{Kind: OtherKey, Line: 18, Key: "cgr.dev:443", Helper: "cgr"},
		{Kind: OtherKey, Line: 19, Key: "cgr.dev/org", Helper: "cgr"},
		{Kind: Store, Line: 23, Key: "credsStore", Helper: "desktop.exe"},
	}
	got := f.Findings(host, helper)
	if len(got) != len(want) {
		t.Fatalf("I29 I37 got %d findings, want %d: %+v", len(got), len(want), got)
	}
	for i, found := range got {
		text := found.Text
		found.Text = ""
		if found != want[i] {
			t.Errorf("I29 I37 got %+v, want %+v", found, want[i])
		}
		if text == "" || strings.Contains(text, "eDp5") || strings.Contains(text, "\n") {
			t.Errorf("got text %q, want one line without a secret", text)
		}
	}
}

func TestFindingsNone(t *testing.T) {
	for _, text := range []string{``, `{}`, `{"auths":{"cgr.dev":{}},"credHelpers":{"cgr.dev":"cgr"}}`, `{"auths":[],"credsStore":""}`, `{"auths":{"cgr.dev":"x"},"credsStore":1}`} {
		if got := load(t, writeFile(t, text)).Findings(host, helper); got != nil {
			t.Errorf("%s: got %+v, want none", text, got)
		}
	}
	f := load(t, writeFile(t, `{"credHelpers":{"cgr.dev\u001b[2J":"x","https://cgr.dev/\u001b[2J":"\u001b[1m"}}`))
	for _, found := range f.Findings(host, helper) {
		if strings.Contains(found.Text, "\x1b") {
			t.Errorf("P14 got %q, want no control character", found.Text)
		}
	}
}

// The first of Podman's files with an entry for the host decides.
func TestShadow(t *testing.T) {
	const (
		ours  = `{"credHelpers":{"cgr.dev":"cgr"}}`
		login = `{"auths":{"cgr.dev":{"auth":"eDp5"}}}`
		both  = `{"auths":{"cgr.dev":{"auth":"eDp5"}},"credHelpers":{"cgr.dev":"cgr"}}`
		other = `{"credHelpers":{"cgr.dev":"desktop"}}`
		none  = `{"auths":{"cgr.dev":{},"quay.io":{"auth":"eDp5"}}}`
	)
	tests := []struct {
		name  string
		files []string
		want  int // index of the file that shadows; -1 for none
		kind  Kind
	}{
		{"a login before", []string{login, ours}, 0, Login},
		{"a login after", []string{ours, login}, -1, ""},
		{"a login in the same file", []string{both}, -1, ""},
		{"another helper before", []string{none, other, ours}, 1, OtherHelper},
		{"another helper, which is preferred to a login in the same file", []string{`{"auths":{"cgr.dev":{"auth":"eDp5"}},"credHelpers":{"cgr.dev":"desktop"}}`, ours}, 0, OtherHelper},
		{"nothing before", []string{``, none, ours}, -1, ""},
		{"nothing at all", []string{``, none}, -1, ""},
		{"a login, and no helper", []string{none, login}, 1, Login},
	}
	for _, test := range tests {
		t.Run("I29 "+test.name, func(t *testing.T) {
			var files []*File
			for _, text := range test.files {
				files = append(files, load(t, writeFile(t, text)))
			}
			path, found, ok := Shadow(files, host, helper)
			if ok != (test.want >= 0) || found.Kind != test.kind || ok && path != files[test.want].Path {
				t.Errorf("got %s, %+v, %v, want file %d with %q", path, found, ok, test.want, test.kind)
			}
		})
	}
}

func TestEnvLogin(t *testing.T) {
	tests := []struct {
		value string
		want  bool
	}{
		{`{"auths":{"cgr.dev":{"auth":"eDp5"}}}`, true},
		{`{"auths":{"https://cgr.dev":{"auth":"eDp5"}}}`, true},
		{`{"auths":{"ghcr.io":{"auth":"eDp5"}}}`, false},
		{`{"auths":{"cgr.dev":{}}}`, false},
		{`{"auths":`, false},
		{``, false},
	}
	for _, test := range tests {
		if got := EnvLogin(test.value, host); got != test.want {
			t.Errorf("I29 %s: got %v, want %v", test.value, got, test.want)
		}
	}
}

func FuzzFindings(f *testing.F) {
	for _, path := range corpus(f) {
		text, err := os.ReadFile(path)
		must(f, err)
		f.Add(string(text))
	}
	f.Add(`{"credHelpers":{"https://cgr.dev":"` + "\u202e" + `"}}`)
	f.Fuzz(func(t *testing.T, text string) {
		d, err := parse([]byte(text))
		if err != nil || d.root == nil {
			return
		}
		for _, found := range d.findings(host, helper) {
			if strings.ContainsFunc(found.Text, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0x202e }) {
				t.Errorf("P14 got %q, want it printable", found.Text)
			}
		}
	})
}
