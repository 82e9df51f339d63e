package config

import (
	"net"
	"strings"
	"testing"
)

// environment returns an environment with vars and, unless they have it, a HOME that does
// not exist: without HOME the settings file of the user would be read.
func environment(vars map[string]string) func(string) string {
	return func(name string) string {
		if value, ok := vars[name]; ok || name != "HOME" {
			return value
		}
		return noHome
	}
}

const noHome = "/no/such/home"

func TestVariable(t *testing.T) {
	for property, want := range map[string]string{
		"platform.registry":         "CHAINGUARD_PLATFORM_REGISTRY",
		"auth.auto-login":           "CHAINGUARD_AUTH_AUTO_LOGIN",
		"default.use-refresh-token": "CHAINGUARD_DEFAULT_USE_REFRESH_TOKEN",
		"keychain":                  "CHAINGUARD_KEYCHAIN",
	} {
		if got := Variable(property); got != want {
			t.Errorf("Variable(%q): got %q, want %q", property, got, want)
		}
	}
}

func TestLoadDefaults(t *testing.T) {
	c, err := Load(environment(nil))
	if err != nil {
		t.Fatalf("Load of nothing: got error %v, want none", err)
	}
	for what, pair := range map[string][2]string{
		"issuer":     {c.Issuer.String(), "https://issuer.enforce.dev"},
		"API":        {c.API.String(), "https://console-api.enforce.dev"},
		"registry":   {c.Registry.String(), "https://cgr.dev"},
		"console":    {c.Console.String(), "https://console.chainguard.dev"},
		"keychain":   {string(c.Keychain), "auto"},
		"auto-login": {c.AutoLogin, AutoLoginTTY},
		"mode":       {c.Mode, ModeAuto},
	} {
		if pair[0] != pair[1] {
			t.Errorf("default %s: got %q, want %q", what, pair[0], pair[1])
		}
	}
	if c.Debug {
		t.Error("default debug: got on, want off")
	}
}

func TestLoadReadsEveryVariable(t *testing.T) {
	c, err := Load(environment(map[string]string{
		"CHAINGUARD_PLATFORM_ISSUER":   "https://Issuer.Example:443/",
		"CHAINGUARD_PLATFORM_API":      "https://api.example/base/",
		"CHAINGUARD_PLATFORM_REGISTRY": "http://127.0.0.1:5000/",
		"CHAINGUARD_PLATFORM_CONSOLE":  "http://localhost:80",
		"CHAINGUARD_KEYCHAIN":          "file",
		"CHAINGUARD_AUTH_AUTO_LOGIN":   "never",
		"CHAINGUARD_AUTH_MODE":         "browser",
		"CHAINGUARD_DEBUG":             "1",
		"CHAINGUARD_IDENTITY_ID":       "org/identity",
		"CHAINGUARD_TOKEN":             "secret",
	}))
	if err != nil {
		t.Fatalf("got error %v, want none", err)
	}
	for what, pair := range map[string][2]string{
		"issuer":      {c.Issuer.String(), "https://issuer.example"},
		"API":         {c.API.String(), "https://api.example/base"},
		"registry":    {c.Registry.Host, "127.0.0.1:5000"},
		"console":     {c.Console.String(), "http://localhost"},
		"keychain":    {string(c.Keychain), "file"},
		"auto-login":  {c.AutoLogin, AutoLoginNever},
		"mode":        {c.Mode, ModeBrowser},
		"identity id": {c.IdentityID, "org/identity"},
		"token":       {c.Token, "secret"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: got %q, want %q", what, pair[0], pair[1])
		}
	}
	if !c.Debug {
		t.Error("debug: got off, want on")
	}
}

// A single one of the two variables belongs to another tool.
func TestLoadIgnoresHalfAPair(t *testing.T) {
	for _, name := range []string{"CHAINGUARD_IDENTITY_ID", "CHAINGUARD_TOKEN"} {
		c, err := Load(environment(map[string]string{name: "alone"}))
		if err != nil {
			t.Errorf("%s alone: got error %v, want none", name, err)
		}
		if c.IdentityID != "" || c.Token != "" {
			t.Errorf("%s alone: got pair %q, %q, want none", name, c.IdentityID, c.Token)
		}
	}
}

var endpointProperties = []string{"platform.issuer", "platform.api", "platform.registry", "platform.console"}

func TestLoadRefusesEndpoints(t *testing.T) {
	tests := []struct{ name, value string }{
		{"I18 plain http", "http://issuer.example"},
		{"I18 plain http, name that begins like loopback", "http://localhost.evil.example"},
		{"I18 plain http, address that begins like loopback", "http://127.0.0.1.evil.example"},
		{"I18 plain http to every interface", "http://0.0.0.0"},
		{"I18 metadata address", "http://169.254.169.254"},
		{"I18 file scheme", "file:///etc/passwd"},
		{"I18 other scheme", "ftp://issuer.example"},
		{"I18 no scheme", "issuer.example"},
		{"I18 no slashes", "https:issuer.example"},
		{"I18 user name", "https://me@issuer.example"},
		{"I18 user name and password", "https://me:hunter2@issuer.example"},
		{"I18 empty user name", "https://@issuer.example"},
		{"I18 fragment", "https://issuer.example/#x"},
		{"I18 empty fragment", "https://issuer.example/#"},
		{"I18 query", "https://issuer.example/?a=b"},
		{"I18 empty query", "https://issuer.example/?"},
		{"I18 empty host", "https://"},
		{"I18 port without a host", "https://:443"},
		{"I18 port that is no number", "https://issuer.example:x"},
		{"I18 colon without a port", "https://issuer.example:"},
		{"I18 blank inside", "https://issuer .example"},
		{"I18 newline at the end", "https://issuer.example\n"},
		{"I18 blank at the end", "https://issuer.example "},
		{"I18 other script", "https://ısssuer.example"},
		{"I18 full-width dot", "https://issuer。example"},
		{"I18 percent-encoded full-width dot", "https://issuer%E3%80%82example"},
		{"I18 quote in the host", `https://issuer".example`},
		{"I18 angle brackets in the host", "https://<issuer>.example"},
		{"I18 comma in the host", "https://issuer.example,evil.example"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, property := range endpointProperties {
				variable := Variable(property)
				c, err := Load(environment(map[string]string{variable: test.value}))
				if err == nil {
					t.Errorf("%s=%q: got no error, want one", variable, test.value)
					continue
				}
				if !strings.Contains(err.Error(), variable) {
					t.Errorf("%s=%q: got error %q, want the variable named", variable, test.value, err)
				}
				if strings.Contains(err.Error(), "hunter2") {
					t.Errorf("%s: got error %q, want no password in it", variable, err)
				}
				if strings.Contains(err.Error(), "\n") {
					t.Errorf("%s: got error %q, want one line", variable, err)
				}
				if got := c.endpointOf(property); got != "" {
					t.Errorf("%s=%q: got %q, want nothing, also not the default", variable, test.value, got)
				}
			}
		})
	}
}

func (c Config) endpointOf(property string) string {
	u := c.Issuer
	switch property {
	case "platform.api":
		u = c.API
	case "platform.registry":
		u = c.Registry
	case "platform.console":
		u = c.Console
	}
	if u == nil {
		return ""
	}
	return u.String()
}

func TestLoadAcceptsLoopback(t *testing.T) {
	for _, value := range []string{"http://localhost:8080", "http://127.0.0.1:1", "http://127.9.9.9", "http://[::1]:5000", "https://10.0.0.1"} {
		if _, err := Load(environment(map[string]string{"CHAINGUARD_PLATFORM_ISSUER": value})); err != nil {
			t.Errorf("I18 issuer %q: got error %v, want none", value, err)
		}
	}
}

func TestLoadRegistryHasNoPath(t *testing.T) {
	c, err := Load(environment(map[string]string{"CHAINGUARD_PLATFORM_REGISTRY": "https://cgr.dev/org"}))
	if err == nil || c.Registry != nil {
		t.Errorf("got registry %v and error %v, want none and an error", c.Registry, err)
	}
}

func TestLoadRefusesWords(t *testing.T) {
	for variable, value := range map[string]string{
		"CHAINGUARD_KEYCHAIN":        "vault",
		"CHAINGUARD_AUTH_AUTO_LOGIN": "TTY",
		"CHAINGUARD_AUTH_MODE":       "browser ",
		"CHAINGUARD_DEBUG":           "maybe",
	} {
		_, err := Load(environment(map[string]string{variable: value}))
		if err == nil || !strings.Contains(err.Error(), variable) {
			t.Errorf("%s=%q: got error %v, want one that names the variable", variable, value, err)
		}
	}
}

// An invalid setting hides neither the valid ones nor the other invalid ones.
func TestLoadReportsAllErrors(t *testing.T) {
	c, err := Load(environment(map[string]string{
		"CHAINGUARD_PLATFORM_ISSUER":   "http://issuer.example",
		"CHAINGUARD_KEYCHAIN":          "vault",
		"CHAINGUARD_PLATFORM_REGISTRY": "https://registry.example",
	}))
	if err == nil {
		t.Fatal("got no error, want one")
	}
	for _, variable := range []string{"CHAINGUARD_PLATFORM_ISSUER", "CHAINGUARD_KEYCHAIN"} {
		if !strings.Contains(err.Error(), variable) {
			t.Errorf("got error %q, want %s named", err, variable)
		}
	}
	if c.Registry == nil || c.Registry.Host != "registry.example" {
		t.Errorf("got registry %v, want registry.example", c.Registry)
	}
}

// All programs read an accepted endpoint as the same URL, and a bearer token can be sent
// to it.
func FuzzParseEndpoint(f *testing.F) {
	accepted := 0
	for _, seed := range []string{
		"https://cgr.dev", "https://CGR.dev:443/", "http://localhost:80/x/", "http://[::1]:1", "https://a@b", "https://h/%2F",
		"https://h%C3%A9.dev", "https://h:", "https://h/a?b#c", "http://127.0.0.1.evil", "https://h\x00", "https://[::1%25lo]/",
	} {
		if u, _ := parseEndpoint(seed, "https://cgr.dev"); u != nil {
			accepted++
		}
		f.Add(seed)
	}
	if accepted == 0 {
		f.Fatal("no seed is accepted")
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := parseEndpoint(text, "https://cgr.dev")
		if (u == nil) == (err == nil) {
			t.Fatalf("parseEndpoint(%q): got %v and error %v, want exactly one", text, u, err)
		}
		if u == nil {
			return
		}
		again, err := parseEndpoint(u.String(), "https://cgr.dev")
		if err != nil || again.String() != u.String() {
			t.Errorf("parseEndpoint(%q) returned %q, which is parsed as %v (%v)", text, u, again, err)
		}
		if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			t.Errorf("parseEndpoint(%q): got %#v, want neither user, query nor fragment", text, u)
		}
		if u.Host != strings.ToLower(u.Host) || strings.ContainsFunc(u.Host, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			t.Errorf("parseEndpoint(%q): got host %q, want lower-case ASCII", text, u.Host)
		}
		switch ip := net.ParseIP(u.Hostname()); {
		case u.Scheme == "https":
		case u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()):
		default:
			t.Errorf("parseEndpoint(%q): got %q, want https, or http on the loopback interface", text, u)
		}
	})
}

func TestLoadPair(t *testing.T) {
	tests := []struct {
		name, identity, token   string
		wantIdentity, wantToken string
		wantErr                 string
	}{
		{"both", "id", "token", "id", "token", ""},
		{"I22 line end", "id\n", "token\r\n", "id", "token", ""},
		{"one alone", "", "token", "", "", ""},
		{"I22 control character", "id", "to\nken", "", "", "CHAINGUARD_TOKEN has a control character"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, err := Load(func(name string) string {
				return map[string]string{"CHAINGUARD_IDENTITY_ID": test.identity, "CHAINGUARD_TOKEN": test.token}[name]
			})
			if (err != nil) != (test.wantErr != "") || err != nil && !strings.Contains(err.Error(), test.wantErr) {
				t.Errorf("got %v, want an error with %q", err, test.wantErr)
			}
			if c.IdentityID != test.wantIdentity || c.Token != test.wantToken {
				t.Errorf("got %q, %q, want %q, %q", c.IdentityID, c.Token, test.wantIdentity, test.wantToken)
			}
		})
	}
}
