package helper

import (
	"strings"
	"testing"

	"docker-credential-cgr/config"
)

func loadConfig(t testing.TB, env map[string]string) config.Config {
	t.Helper()
	cfg, err := config.Load(func(name string) string { return env[name] })
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestAudienceOf(t *testing.T) {
	cfg := loadConfig(t, map[string]string{"HOME": t.TempDir()})
	const api = "https://console-api.enforce.dev"
	tests := []struct{ name, address, want string }{
		{"the registry", "https://cgr.dev", "cgr.dev"},
		{"with a path", "https://cgr.dev/v2/org/image/manifests/latest", "cgr.dev"},
		{"with a query", "https://cgr.dev/token?scope=repository:org/image:pull&service=cgr.dev", "cgr.dev"},
		{"other letter case", "HTTPS://CGR.dev/v2/", "cgr.dev"},
		{"its own port", "https://cgr.dev:443/v2/", "cgr.dev"},
		{"below", "https://apk.cgr.dev/org/x86_64/APKINDEX.tar.gz", "apk.cgr.dev"},
		{"packages", "https://libraries.cgr.dev/python/simple/", "libraries.cgr.dev"},
		{"the API", api + "/iam/v1/groups?name=x", api},
		{"the API's own port", api + ":443/", api},
		{"the registry's MCP server", "https://cgr.dev/mcp", "https://cgr.dev/mcp"},
		{"with a slash", "https://cgr.dev/mcp/", "https://cgr.dev/mcp"},
		{"with a query", "https://cgr.dev/mcp?session=1", "https://cgr.dev/mcp"},
		{"other letter case and port", "https://APK.cgr.dev:443/mcp/x", "https://apk.cgr.dev/mcp"},
		{"versions", "https://versions.cgr.dev/mcp", "https://versions.cgr.dev/mcp"},
		{"skills", "https://skills.cgr.dev/mcp", "https://skills.cgr.dev/mcp"},
		{"the API's MCP server", api + "/mcp", api + "/mcp"},
		{"a host without an MCP server", "https://libraries.cgr.dev/mcp", "libraries.cgr.dev"},
		{"two levels below", "https://x.apk.cgr.dev/mcp", "x.apk.cgr.dev"},
		{"a longer path", "https://cgr.dev/mcpx", "cgr.dev"},
		{"the path of another case", "https://cgr.dev/MCP", "cgr.dev"},
		{"the path below another", "https://cgr.dev/org/mcp", "cgr.dev"},

		{"I17 plain http", "http://cgr.dev/v2/", ""},
		{"I17 another host", "https://index.docker.io/v2/", ""},
		{"I5 ours as the user", "https://cgr.dev@evil.example/", ""},
		{"I5 ours as the user, with a port", "https://cgr.dev:443@evil.example/", ""},
		{"I5 a user at ours", "https://me:secret@cgr.dev/", ""},
		{"I5 ours as the path", "https://evil.example/cgr.dev", ""},
		{"I5 ours as the query", "https://evil.example/?https://cgr.dev/", ""},
		{"I5 ours in front", "https://cgr.dev.evil.example/", ""},
		{"I5 ours behind", "https://xcgr.dev/", ""},
		{"I5 backslash", `https://evil.example\@cgr.dev/`, ""},
		{"I5 backslash behind", `https://cgr.dev\.evil.example/`, ""},
		{"I5 fragment instead of a path", "https://cgr.dev#@evil.example/", ""},
		{"I5 query instead of a path", "https://cgr.dev?@evil.example/", ""},
		{"I5 no scheme", "cgr.dev/v2/", ""},
		{"I5 no host", "https:///cgr.dev/", ""},
		{"I5 scheme twice", "https://https://cgr.dev/", ""},
		{"I5 below the API", "https://x.console-api.enforce.dev/", ""},
		{"I5 the issuer", "https://issuer.enforce.dev/sts/exchange", ""},
		{"I4 final dot", "https://cgr.dev./", ""},
		{"I4 escaped", "https://%63gr.dev/", ""},
		{"I4 full-width dot", "https://cgr\uff0edev/", ""},
		{"I6 another port", "https://cgr.dev:8443/", ""},
		{"I6 another port of the API", api + ":8443/", ""},
		{"I6 no number of the port", "https://cgr.dev:/", ""},
		{"I2 line end in the host", "https://cgr.d\nev/", ""},
		{"I2 line end behind the host", "https://cgr.dev\n/", ""},
		{"empty", "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, ours := audienceOf(cfg, test.address)
			if got != test.want || ours != (test.want != "") {
				t.Errorf("audienceOf(%q): got %q, %v, want %q", test.address, got, ours, test.want)
			}
		})
	}
	t.Run("an API below the registry", func(t *testing.T) {
		cfg := loadConfig(t, map[string]string{"HOME": t.TempDir(), "CHAINGUARD_PLATFORM_API": "https://api.cgr.dev"})
		for address, want := range map[string]string{
			"https://api.cgr.dev/iam/v1/": "https://api.cgr.dev",
			"https://api.cgr.dev/mcp":     "https://api.cgr.dev/mcp",
			"https://x.api.cgr.dev/":      "x.api.cgr.dev",
		} {
			if got, _ := audienceOf(cfg, address); got != want {
				t.Errorf("audienceOf(%q): got %q, want %q", address, got, want)
			}
		}
	})
	t.Run("I6 http on loopback, as configured", func(t *testing.T) {
		cfg := loadConfig(t, map[string]string{
			"HOME": t.TempDir(), "CHAINGUARD_PLATFORM_REGISTRY": "http://127.0.0.1:5000", "CHAINGUARD_PLATFORM_API": "http://localhost:5001",
		})
		for address, want := range map[string]string{
			"http://127.0.0.1:5000/v2/":     "127.0.0.1:5000",
			"http://127.0.0.1:5000/mcp":     "http://127.0.0.1:5000/mcp",
			"http://localhost:5001/iam/v1/": "http://localhost:5001",
			"http://127.0.0.1:5002/mcp":     "",
			"http://apk.127.0.0.1:5000/mcp": "", // not a name
		} {
			if got, _ := audienceOf(cfg, address); got != want {
				t.Errorf("audienceOf(%q): got %q, want %q", address, got, want)
			}
		}
	})
}

func TestForeignErrorHidesSecrets(t *testing.T) {
	for address, want := range map[string]string{
		"https://me:hunter2@evil.example/p?token=hunter2#hunter2": `"…@evil.example/p…" is not an https address of cgr.dev`,
		"https://evil.example/\x1b[2J":                            `"https://evil.example/`,
		"cgr.dev":                                                 `"cgr.dev" is`,
	} {
		err := &ForeignError{Address: address, Registry: "cgr.dev", API: "console-api.enforce.dev"}
		if got := err.Error(); !strings.Contains(got, want) || strings.Contains(got, "hunter2") || strings.Contains(got, "\x1b") {
			t.Errorf("P13 %q: got %q, want %q", address, got, want)
		}
	}
}

// FuzzAudienceOf checks that an address that is accepted has a host of the platform between
// its scheme and the first character that could end it.
func FuzzAudienceOf(f *testing.F) {
	cfg := loadConfig(f, map[string]string{"HOME": f.TempDir()})
	for _, seed := range []string{"https://cgr.dev/mcp", "https://a.cgr.dev:443/x?y#z", "https://cgr.dev@evil/", "http://cgr.dev", "https://console-api.enforce.dev/mcp"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, address string) {
		audience, ours := audienceOf(cfg, address)
		if !ours {
			return
		}
		rest, isHTTPS := strings.CutPrefix(strings.ToLower(address), "https://")
		if !isHTTPS || audience == "" {
			t.Fatalf("audienceOf(%q): got %q, want https only", address, audience)
		}
		host := rest
		if i := strings.IndexAny(rest, `/?#\@`); i >= 0 {
			host = rest[:i]
		}
		host = strings.TrimSuffix(host, ":443")
		if host != "cgr.dev" && !strings.HasSuffix(host, ".cgr.dev") && host != "console-api.enforce.dev" {
			t.Errorf("audienceOf(%q): got %q for the host %q", address, audience, host)
		}
	})
}
