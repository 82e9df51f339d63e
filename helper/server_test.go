package helper

import (
	"net/url"
	"strings"
	"testing"

	"docker-credential-cgr/config"
)

func mustURL(t testing.TB, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestRegistryHost(t *testing.T) {
	const ours, foreign = true, false
	tests := []struct {
		name, registry, server string
		ours                   bool
		host                   string
	}{
		{"host", "https://cgr.dev", "cgr.dev", ours, "cgr.dev"},
		{"URL", "https://cgr.dev", "https://cgr.dev", ours, "cgr.dev"},
		{"URL with slash", "https://cgr.dev", "https://cgr.dev/", ours, "cgr.dev"},
		{"URL as Docker has it", "https://cgr.dev", "https://cgr.dev/v2/", ours, "cgr.dev"},
		{"the scheme's port", "https://cgr.dev", "cgr.dev:443", ours, "cgr.dev"},
		{"the scheme's port in a URL", "https://cgr.dev", "https://cgr.dev:443/v1/", ours, "cgr.dev"},
		{"host below", "https://cgr.dev", "apk.cgr.dev", ours, "apk.cgr.dev"},
		{"host far below", "https://cgr.dev", "https://a.b-c.cgr.dev:443/x", ours, "a.b-c.cgr.dev"},
		{"I4 upper case", "https://cgr.dev", "HTTPS://CGR.DEV", ours, "cgr.dev"},
		{"I4 upper case below", "https://cgr.dev", "APK.Cgr.Dev", ours, "apk.cgr.dev"},
		{"I4 percent-encoded dot", "https://cgr.dev", "cgr%2edev", foreign, ""},
		{"I4 percent-encoded line end", "https://cgr.dev", "cgr.dev%0d%0a", foreign, ""},
		{"I4 percent-encoded NUL", "https://cgr.dev", "cgr.dev%00.evil.example", foreign, ""},
		{"I4 final dot", "https://cgr.dev", "cgr.dev.", foreign, ""},
		{"I4 final dot below", "https://cgr.dev", "apk.cgr.dev.", foreign, ""},
		{"I4 full-width dot", "https://cgr.dev", "cgr。dev", foreign, ""},
		{"I4 full-width letters", "https://cgr.dev", "ｃgr.dev", foreign, ""},
		{"I4 Kelvin sign, which lower case makes a k", "https://cgr.kdev", "cgr.\u212adev", foreign, ""},
		{"I4 dotted capital i", "https://cgr.dev", "ap\u0130.cgr.dev", foreign, ""},
		{"I4 punycode look-alike", "https://cgr.dev", "xn--cr-8qa.dev", foreign, ""},
		{"I4 Cyrillic look-alike below", "https://cgr.dev", "арk.cgr.dev", foreign, ""},
		{"I4 no-break space before", "https://cgr.dev", "\u00a0cgr.dev", foreign, ""},
		{"I5 user info", "https://cgr.dev", "cgr.dev@evil.example", foreign, ""},
		{"I5 user info in a URL", "https://cgr.dev", "https://cgr.dev@evil.example/", foreign, ""},
		{"I5 user info before our host", "https://cgr.dev", "https://evil@cgr.dev/", foreign, ""},
		{"I5 our host as a path", "https://cgr.dev", "evil.example/cgr.dev", foreign, ""},
		{"I5 our host as a label", "https://cgr.dev", "cgr.dev.evil.example", foreign, ""},
		{"I5 our host as an end", "https://cgr.dev", "xcgr.dev", foreign, ""},
		{"I5 port and user info", "https://cgr.dev", "cgr.dev:443@evil.example", foreign, ""},
		{"I5 no scheme", "https://cgr.dev", "//cgr.dev", foreign, ""},
		{"I5 empty scheme", "https://cgr.dev", "://cgr.dev", foreign, ""},
		{"I5 three slashes", "https://cgr.dev", "https:///cgr.dev", foreign, ""},
		{"I5 backslash", "https://cgr.dev", `cgr.dev\evil.example`, foreign, ""},
		{"I5 backslash in the path", "https://cgr.dev", `https://cgr.dev/\evil.example`, foreign, ""},
		{"I5 fragment", "https://cgr.dev", "cgr.dev#x", foreign, ""},
		{"I5 fragment before our host", "https://cgr.dev", "evil.example#.cgr.dev", foreign, ""},
		{"I5 query", "https://cgr.dev", "cgr.dev?x", foreign, ""},
		{"I5 query before our host", "https://cgr.dev", "evil.example?.cgr.dev", foreign, ""},
		{"I5 blank before our host", "https://cgr.dev", "evil.example .cgr.dev", foreign, ""},
		{"I5 underscore below", "https://cgr.dev", "a_b.cgr.dev", foreign, ""},
		{"I5 hyphen at a label's end", "https://cgr.dev", "a-.cgr.dev", foreign, ""},
		{"I5 empty label", "https://cgr.dev", ".cgr.dev", foreign, ""},
		{"I5 two dots", "https://cgr.dev", "a..cgr.dev", foreign, ""},
		{"I5 label of 64", "https://cgr.dev", strings.Repeat("a", 64) + ".cgr.dev", foreign, ""},
		{"I5 IPv6 brackets", "https://cgr.dev", "[cgr.dev]", foreign, ""},
		{"I5 other scheme", "https://cgr.dev", "ftp://cgr.dev", foreign, ""},
		{"I5 a second URL in the path", "https://cgr.dev", "https://evil.example/https://cgr.dev", foreign, ""},
		{"I6 other port", "https://cgr.dev", "cgr.dev:8443", foreign, ""},
		{"I6 plain http's port", "https://cgr.dev", "cgr.dev:80", foreign, ""},
		{"I6 empty port", "https://cgr.dev", "cgr.dev:", foreign, ""},
		{"I6 port twice", "https://cgr.dev", "cgr.dev:443:443", foreign, ""},
		{"I6 other port below", "https://cgr.dev", "apk.cgr.dev:8443", foreign, ""},
		{"I6 plain http", "https://cgr.dev", "http://cgr.dev", foreign, ""},
		{"I6 plain http with https's port", "https://cgr.dev", "http://cgr.dev:443", foreign, ""},
		{"I6 loopback registry", "http://127.0.0.1:5000", "127.0.0.1:5000", ours, "127.0.0.1:5000"},
		{"I6 loopback registry, http", "http://127.0.0.1:5000", "http://127.0.0.1:5000/v2/", ours, "127.0.0.1:5000"},
		{"I6 loopback registry, other port", "http://127.0.0.1:5000", "127.0.0.1:5001", foreign, ""},
		{"I6 loopback registry, no port", "http://127.0.0.1:5000", "127.0.0.1", foreign, ""},
		{"I6 below an address", "http://127.0.0.1:5000", "evil.127.0.0.1:5000", foreign, ""},
		{"I6 below an IPv6 address", "http://[::1]:5000", "evil.[::1]:5000", foreign, ""},
		{"I6 IPv6 loopback registry", "http://[::1]:5000", "[::1]:5000", ours, "[::1]:5000"},
		{"I6 plain http's own port", "http://localhost", "http://localhost:80", ours, "localhost"},
		{"I7 path", "https://cgr.dev", "cgr.dev/org/image", ours, "cgr.dev"},
		{"I7 path in a URL", "https://cgr.dev", "https://cgr.dev/org/image", ours, "cgr.dev"},
		{"I7 path below", "https://cgr.dev", "apk.cgr.dev/org", ours, "apk.cgr.dev"},
		{"I7 dots in the path", "https://cgr.dev", "cgr.dev/../evil.example", ours, "cgr.dev"},
		{"Docker Hub", "https://cgr.dev", "https://index.docker.io/v1/", foreign, ""},
		{"only a slash", "https://cgr.dev", "/", foreign, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			host, ours := registryHost(mustURL(t, test.registry), test.server)
			if ours != test.ours || host != test.host {
				t.Errorf("registryHost(%s, %q): got %q, %v, want %q, %v", test.registry, test.server, host, ours, test.host, test.ours)
			}
		})
	}
}

// What is ours is the registry's host or one below it, however others read it.
func FuzzRegistryHost(f *testing.F) {
	registry := mustURL(f, "https://cgr.dev")
	accepted := 0
	for _, seed := range []string{
		"cgr.dev", "https://cgr.dev/v2/", "apk.cgr.dev:443", "cgr.dev@evil", "evil/cgr.dev", "CGR.DEV", "cgr.dev\\evil", "//cgr.dev",
		"cgr.dev:443@evil", "https://a@cgr.dev", "http://cgr.dev", "cgr。dev", "\u212agr.dev", "cgr.dev/%2e%2e/", "a_b.cgr.dev",
	} {
		if _, ours := registryHost(registry, seed); ours {
			accepted++
		}
		f.Add(seed)
	}
	if accepted == 0 {
		f.Fatal("no seed is ours: the property would be of nothing")
	}
	f.Fuzz(func(t *testing.T, server string) {
		host, ours := registryHost(registry, server)
		if !ours {
			if host != "" {
				t.Errorf("%q is not ours, but has the host %q", server, host)
			}
			return
		}
		if host != "cgr.dev" && !strings.HasSuffix(host, ".cgr.dev") {
			t.Errorf("%q: got host %q, want cgr.dev or one below it", server, host)
		}
		if strings.ContainsFunc(host, func(r rune) bool {
			return r != '.' && r != '-' && (r < 'a' || r > 'z') && (r < '0' || r > '9')
		}) {
			t.Errorf("%q: got host %q, want lower-case letters, digits, hyphens and dots", server, host)
		}
		text := server
		if !strings.Contains(server, "://") {
			text = "https://" + server
		}
		if u, err := url.Parse(text); err == nil && strings.ToLower(u.Hostname()) != host {
			t.Errorf("%q: got host %q, where a URL reader finds %q", server, host, u.Hostname())
		}
		if again, ok := registryHost(registry, host); !ok || again != host {
			t.Errorf("%q: its host %q reads as %q, %v", server, host, again, ok)
		}
	})
}

func TestOrganization(t *testing.T) {
	cfg := config.Config{Organizations: config.Organizations{{Name: "example.com"}, {Name: "acme"}}}
	for server, want := range map[string]string{
		"cgr.dev": "", "https://cgr.dev": "", "cgr.dev/": "", "cgr.dev/example.com": "example.com", "cgr.dev/example.com/python": "example.com",
		"https://cgr.dev/v2/acme/python/manifests/latest": "acme", "cgr.dev/acme.example/x": "", "cgr.dev/Acme/x": "", "cgr.dev/v2/": "",
		"cgr.dev/x/acme": "", "cgr.dev//acme": "", "acme": "",
	} {
		if got := organization(cfg, server); got != want {
			t.Errorf("%s: got %q, want %q", server, got, want)
		}
	}
	if got := organization(config.Config{}, "cgr.dev/acme/x"); got != "" {
		t.Errorf("without organizations: got %q", got)
	}
}
