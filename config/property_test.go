package config

import (
	"strings"
	"testing"
)

func TestFlag(t *testing.T) {
	seen := map[string]string{"config": "--config"}
	for _, property := range Properties() {
		flag := Flag(property)
		if other := seen[flag]; other != "" {
			t.Errorf("%s and %s have the same flag %q", property, other, flag)
		}
		seen[flag] = property
	}
	for property, want := range map[string]string{
		"platform.issuer": "issuer", "auth.oidc.issuer": "oidc-issuer", "auth.identity-token": "identity-token",
		"default.org-name": "org-name", "auth.mode": "headless", "keychain": "keychain",
	} {
		if got := Flag(property); got != want {
			t.Errorf("Flag(%q): got %q, want %q", property, got, want)
		}
	}
}

func TestSimilar(t *testing.T) {
	for word, want := range map[string]string{
		"auth.mod":                 "auth.mode",
		"auth.moed":                "auth.mode",
		"defaults.group":           "default.group",
		"platform.isuer":           "platform.issuer",
		"":                         "",
		"colour":                   "",
		"auth":                     "",
		strings.Repeat("a", 1<<20): "",
	} {
		if got := similar(word, Properties()); got != want {
			t.Errorf("similar(%.30q): got %q, want %q", word, got, want)
		}
	}
}

func TestValidUIDP(t *testing.T) {
	for id, want := range map[string]bool{
		testOrg:                               true,
		testIdentity:                          true,
		testIdentity + "/fedcba9876543210":    true,
		"":                                    false,
		"/":                                   false,
		testOrg + "/":                         false,
		testOrg + "//0123456789abcdef":        false,
		testOrg + "0":                         false,
		testOrg[:39] + "g":                    false,
		testIdentity + "\n":                   false,
		testIdentity + "/0123456789abcdef/..": false,
	} {
		if got := ValidUIDP(id); got != want {
			t.Errorf("ValidUIDP(%q): got %v, want %v", id, got, want)
		}
	}
}

// FuzzValidUIDP: what is accepted can stand in a URL's path and in a header as it is.
func FuzzValidUIDP(f *testing.F) {
	for _, id := range []string{testOrg, testIdentity, "", "/", testOrg + "/", testOrg + "/../x", testOrg + "\r\n"} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		if ValidUIDP(id) && (strings.Trim(id, "0123456789abcdef/") != "" || strings.Contains(id, "//") || (len(id)-40)%17 != 0) {
			t.Errorf("ValidUIDP(%q): got true, want false", id)
		}
	})
}
