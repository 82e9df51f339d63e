package config

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"docker-credential-cgr/hint"
	"docker-credential-cgr/state"
)

const (
	testOrg      = "0123456789abcdef0123456789abcdef01234567"
	testIdentity = testOrg + "/0123456789abcdef"
	testJWT      = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// settingsFile writes a settings file and returns its path.
func settingsFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	must(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// withHints returns the text of an error and of its hints.
func withHints(err error) string {
	text := fmt.Sprint(err)
	for _, h := range hint.Of(err) {
		text += "; " + h.Text
	}
	return text
}

func setting(t *testing.T, c Config, property string) Setting {
	t.Helper()
	i := slices.IndexFunc(c.Settings, func(s Setting) bool { return s.Property == property })
	if i < 0 {
		t.Fatalf("no setting %s in %v", property, c.Settings)
	}
	return c.Settings[i]
}

func TestReadUsesTheHighestLayer(t *testing.T) {
	path := settingsFile(t, "# mine\nauth:\n  mode: headless\n")
	tests := []struct {
		name         string
		flag, env    string
		file         string
		want, source string
	}{
		{"nothing", "", "", "", ModeAuto, "default"},
		{"file", "", "", path, ModeHeadless, path + ":3"},
		{"environment before file", "", "browser", path, ModeBrowser, "CHAINGUARD_AUTH_MODE"},
		{"flag before environment", "auto", "browser", path, ModeAuto, "flag --headless"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := Sources{Getenv: environment(map[string]string{"CHAINGUARD_AUTH_MODE": test.env}), File: test.file}
			if test.flag != "" {
				s.Flags = map[string]string{"auth.mode": test.flag}
			}
			c, err := Read(s)
			must(t, err)
			if c.Mode != test.want {
				t.Errorf("got mode %q, want %q", c.Mode, test.want)
			}
			if got, want := setting(t, c, "auth.mode"), (Setting{"auth.mode", test.want, test.source}); got != want {
				t.Errorf("got %v, want %v", got, want)
			}
			if test.file != "" && c.File != test.file {
				t.Errorf("got file %q, want %q", c.File, test.file)
			}
		})
	}
}

// Each property is read from each layer into its own field.
func TestReadReadsEveryProperty(t *testing.T) {
	token, err := filepath.Abs("token.jwt")
	must(t, err)
	values := map[string]string{
		"platform.issuer":           "https://issuer.example",
		"platform.api":              "https://api.example",
		"platform.registry":         "https://registry.example",
		"platform.console":          "https://console.example",
		"keychain":                  "file",
		"auth.auto-login":           "always",
		"auth.mode":                 "headless",
		"auth.identity":             testIdentity,
		"auth.identity-token":       token,
		"auth.identity-token-env":   "ID_TOKEN_1",
		"auth.organizations":        "example.com,acme=" + testIdentity,
		"auth.oidc.issuer":          "https://Tenant.example/",
		"auth.oidc.client-id":       "0oa1b2c3",
		"auth.oidc.flow":            "device",
		"default.group":             "my organization",
		"default.org-name":          "example.com",
		"default.identity-provider": testOrg,
		"default.social-login":      "github",
		"default.use-refresh-token": "false",
		"default.skip-auto-login":   "true",
	}
	field := map[string]func(c Config) string{
		"platform.issuer":           func(c Config) string { return c.Issuer.String() },
		"platform.api":              func(c Config) string { return c.API.String() },
		"platform.registry":         func(c Config) string { return c.Registry.String() },
		"platform.console":          func(c Config) string { return c.Console.String() },
		"keychain":                  func(c Config) string { return c.Keychain },
		"auth.auto-login":           func(c Config) string { return c.AutoLogin },
		"auth.mode":                 func(c Config) string { return c.Mode },
		"auth.identity":             func(c Config) string { return c.Identity },
		"auth.identity-token":       func(c Config) string { return c.IdentityToken },
		"auth.identity-token-env":   func(c Config) string { return c.IdentityTokenEnv },
		"auth.organizations":        func(c Config) string { return c.Organizations.String() },
		"auth.oidc.issuer":          func(c Config) string { return c.OIDC.Issuer },
		"auth.oidc.client-id":       func(c Config) string { return c.OIDC.ClientID },
		"auth.oidc.flow":            func(c Config) string { return c.OIDC.Flow },
		"default.group":             func(c Config) string { return c.Group },
		"default.org-name":          func(c Config) string { return c.OrgName },
		"default.identity-provider": func(c Config) string { return c.IdentityProvider },
		"default.social-login":      func(c Config) string { return c.SocialLogin },
		"default.use-refresh-token": func(c Config) string { return map[bool]string{true: "true", false: "false"}[c.UseRefreshToken] },
		"default.skip-auto-login":   func(c Config) string { return map[bool]string{true: "true", false: "false"}[c.skipAutoLogin] },
	}
	none, err := Read(Sources{Getenv: environment(nil)})
	must(t, err)
	if len(none.Settings) != len(Properties()) || len(none.Settings) != len(values) {
		t.Fatalf("got %d settings, want the %d properties, and a test of each", len(none.Settings), len(Properties()))
	}
	for _, property := range Properties() {
		value := values[property]
		if got := setting(t, none, property); got.Source != "default" || got.Value == value || got.Value != field[property](none) {
			t.Errorf("unset: got %v and field %q, want the default", got, field[property](none))
		}
		path := filepath.Join(t.TempDir(), "config.yaml")
		must(t, Update(path, map[string]string{property: value}))
		for name, s := range map[string]Sources{
			"flag":        {Getenv: environment(nil), Flags: map[string]string{property: value}},
			"environment": {Getenv: environment(map[string]string{Variable(property): value})},
			"file":        {Getenv: environment(nil), File: path},
		} {
			c, err := Read(s)
			if err != nil {
				t.Errorf("%s from %s: got error %v, want none", property, name, err)
				continue
			}
			if got := setting(t, c, property); got.Value != value || got.Source == "default" || field[property](c) != value {
				t.Errorf("%s from %s: got %v and field %q, want %q", property, name, got, field[property](c), value)
			}
		}
	}
}

func TestSkipAutoLogin(t *testing.T) {
	tests := []struct {
		name       string
		env, flags map[string]string
		want       string
		source     string
	}{
		{"alone", map[string]string{"CHAINGUARD_DEFAULT_SKIP_AUTO_LOGIN": "true"}, nil, AutoLoginNever, "CHAINGUARD_DEFAULT_SKIP_AUTO_LOGIN (default.skip-auto-login)"},
		{"false", map[string]string{"CHAINGUARD_DEFAULT_SKIP_AUTO_LOGIN": "false"}, nil, AutoLoginTTY, "default"},
		{"beside auth.auto-login", map[string]string{"CHAINGUARD_DEFAULT_SKIP_AUTO_LOGIN": "1", "CHAINGUARD_AUTH_AUTO_LOGIN": "always"}, nil, AutoLoginAlways, "CHAINGUARD_AUTH_AUTO_LOGIN"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, err := Read(Sources{Getenv: environment(test.env), Flags: test.flags})
			must(t, err)
			want := Setting{"auth.auto-login", test.want, test.source}
			if got := setting(t, c, "auth.auto-login"); got != want || c.AutoLogin != test.want {
				t.Errorf("got %v and %q, want %v", got, c.AutoLogin, want)
			}
		})
	}
}

func TestReadRefusesContradictions(t *testing.T) {
	both := "default:\n  org-name: example.com\n  identity-provider: " + testOrg + "\n"
	org := map[string]string{"CHAINGUARD_DEFAULT_ORG_NAME": "env.example"}
	tests := []struct {
		name   string
		s      Sources
		file   string
		errHas []string // nil: no error
		want   string   // org name
	}{
		{"I23 two in the file", Sources{}, both, []string{"config.yaml:2: default.org-name", "config.yaml:3: default.identity-provider"}, ""},
		{"I23 environment and file", Sources{Getenv: environment(org)}, "default:\n  social-login: github\n",
			[]string{"CHAINGUARD_DEFAULT_ORG_NAME", "config.yaml:2: default.social-login"}, ""},
		{"I23 two flags", Sources{Flags: map[string]string{"default.org-name": "a", "default.identity-provider": testOrg}}, "",
			[]string{"flag --org-name", "flag --identity-provider"}, ""},
		{"I23 two identity sources", Sources{Getenv: environment(map[string]string{"CHAINGUARD_AUTH_IDENTITY_TOKEN": "/t", "CHAINGUARD_AUTH_IDENTITY_TOKEN_ENV": "T"})}, "",
			[]string{"CHAINGUARD_AUTH_IDENTITY_TOKEN ", "CHAINGUARD_AUTH_IDENTITY_TOKEN_ENV"}, ""},
		{"I23 a flag replaces the others", Sources{Getenv: environment(org), Flags: map[string]string{"default.social-login": "google"}}, both, nil, ""},
		{"I23 a flag replaces its rival", Sources{Flags: map[string]string{"default.org-name": "flag.example"}}, both, nil, "flag.example"},
		{"I23 an empty flag replaces nothing", Sources{Flags: map[string]string{"default.identity-provider": ""}}, both, nil, "example.com"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.s.File = settingsFile(t, test.file)
			if test.s.Getenv == nil {
				test.s.Getenv = environment(nil)
			}
			c, err := Read(test.s)
			if (err != nil) != (test.errHas != nil) {
				t.Fatalf("got error %v, want one with %q", err, test.errHas)
			}
			for _, want := range test.errHas {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got error %q, want %q in it", err, want)
				}
			}
			if err == nil && (c.OrgName != test.want || c.IdentityProvider != "") {
				t.Errorf("got organization %q and provider %q, want %q and none", c.OrgName, c.IdentityProvider, test.want)
			}
		})
	}
}

func TestReadNamesTheSource(t *testing.T) {
	path := settingsFile(t, "auth:\n  oidc:\n    flow: devise\n  mode: [browser]\n")
	_, err := Read(Sources{
		Getenv: environment(map[string]string{"CHAINGUARD_KEYCHAIN": "vault"}),
		Flags:  map[string]string{"platform.issuer": "http://issuer.example", "platform.api": ""},
		File:   path,
	})
	if err == nil {
		t.Fatal("got no error, want one")
	}
	for _, want := range []string{
		`I18 flag --issuer="http://issuer.example": must start with https://`,
		`I18 flag --api="": must be a full URL`,
		`I20 CHAINGUARD_KEYCHAIN="vault": must be one of auto, os, kernel, file, none`,
		`I20 ` + path + `:3: auth.oidc.flow="devise": must be one of code, device`,
		`I20 ` + path + `:4: auth.mode: must be one value, without an alias (*) or a tag (!)`,
	} {
		if want = want[4:]; !strings.Contains(err.Error(), want) {
			t.Errorf("got %q, want %q in it", err, want)
		}
	}
}

func TestReadRefusesValues(t *testing.T) {
	tests := []struct{ name, property, value string }{
		{"identity that is a name", "auth.identity", "ci"},
		{"identity of 39 digits", "auth.identity", testOrg[1:]},
		{"identity with a short level", "auth.identity", testOrg + "/0123"},
		{"identity in capitals", "auth.identity", strings.ToUpper(testOrg)},
		{"provider that is a name", "default.identity-provider", "example.com"},
		{"I28 organization with a line end", "default.org-name", "example.com\n"},
		{"I28 organization with an escape", "default.org-name", "example\x1b[2J"},
		{"I28 organization of 254 bytes", "default.org-name", strings.Repeat("a", 254)},
		{"I28 organization that is no UTF-8", "default.org-name", "a\xff"},
		{"group with a blank at its end", "default.group", "a "},
		{"unknown provider", "default.social-login", "bitbucket"},
		{"variable with a blank", "auth.identity-token-env", "ID TOKEN"},
		{"variable that begins with a digit", "auth.identity-token-env", "1TOKEN"},
		{"variable with a dollar sign", "auth.identity-token-env", "$TOKEN"},
		{"I21 token for a path", "auth.identity-token", testJWT},
		{"I21 token for a variable", "auth.identity-token-env", testJWT},
		{"I21 token for a client", "auth.oidc.client-id", testJWT},
		{"path that is standard input", "auth.identity-token", "-"},
		{"path with NUL", "auth.identity-token", "/a\x00b"},
		{"I18 provider over plain http", "auth.oidc.issuer", "http://login.example"},
		{"I18 provider with a password", "auth.oidc.issuer", "https://me:hunter2@login.example"},
		{"yes and no", "default.use-refresh-token", "perhaps"},
		{"S6 client secret", "auth.oidc.client-secret", "hunter2"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, err := Read(Sources{Getenv: environment(map[string]string{Variable(test.property): test.value})})
			if err == nil || !strings.Contains(err.Error(), Variable(test.property)) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("got error %v, want one line that names the variable", err)
			}
			path := filepath.Join(t.TempDir(), "config.yaml")
			if errUpdate := Update(path, map[string]string{test.property: test.value}); errUpdate == nil {
				t.Error("Update: got no error, want one")
			} else if err = errUpdate; !strings.Contains(err.Error(), test.property) {
				t.Errorf("Update: got %q, want %s named", err, test.property)
			}
			if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "eyJ") {
				t.Errorf("got error %q, want no secret in it", err)
			}
			if c.Identity+c.IdentityToken+c.IdentityTokenEnv+c.OIDC.Issuer+c.OIDC.ClientID+c.Group+c.OrgName+c.IdentityProvider+c.SocialLogin != "" {
				t.Errorf("got %+v, want the value nowhere", c)
			}
			if files, _ := os.ReadDir(filepath.Dir(path)); len(files) != 0 {
				t.Errorf("got %v, want no file made", files)
			}
		})
	}
}

func TestReadFindsTheFile(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the folder is named by other variables there")
	}
	home, xdg, other := t.TempDir(), t.TempDir(), settingsFile(t, "keychain: none")
	below := filepath.Join(".config", "docker-credential-cgr", "config.yaml")
	if runtime.GOOS == "darwin" {
		below, xdg = filepath.Join("Library", "Application Support", "docker-credential-cgr", "config.yaml"), ""
	}
	t.Chdir(t.TempDir())
	must(t, os.MkdirAll(filepath.Dir(below), 0o700))
	must(t, os.WriteFile(below, []byte("keychain: kernel"), 0o600)) // planted in the current folder

	tests := []struct {
		name string
		s    Sources
		env  map[string]string
		file string
		err  string
	}{
		{"below HOME", Sources{}, map[string]string{"HOME": home}, filepath.Join(home, below), ""},
		{"I24 relative XDG_CONFIG_HOME", Sources{}, map[string]string{"HOME": home, "XDG_CONFIG_HOME": ".config"}, filepath.Join(home, below), ""},
		{"CHAINGUARD_CONFIG", Sources{}, map[string]string{"HOME": home, "CHAINGUARD_CONFIG": other}, other, ""},
		{"I19 relative CHAINGUARD_CONFIG", Sources{}, map[string]string{"HOME": home, "CHAINGUARD_CONFIG": below}, "", "CHAINGUARD_CONFIG"},
		{"CHAINGUARD_CONFIG that is not there", Sources{}, map[string]string{"CHAINGUARD_CONFIG": "/no/such/file"}, "/no/such/file", "CHAINGUARD_CONFIG: cannot read /no/such/file: "},
		{"--config", Sources{File: other}, map[string]string{"CHAINGUARD_CONFIG": "/no/such/file"}, other, ""},
		{"--config that is not there", Sources{File: "/no/such\nfile"}, nil, "/no/such\nfile", `flag --config: cannot read "/no/such\nfile": `},
	}
	if xdg != "" {
		tests = append(tests, struct {
			name string
			s    Sources
			env  map[string]string
			file string
			err  string
		}{"XDG_CONFIG_HOME", Sources{}, map[string]string{"HOME": home, "XDG_CONFIG_HOME": xdg}, filepath.Join(xdg, "docker-credential-cgr", "config.yaml"), ""})
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.s.Getenv = environment(test.env)
			c, err := Read(test.s)
			if (err != nil) != (test.err != "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Errorf("got error %v, want %q", err, test.err)
			}
			if c.File != test.file {
				t.Errorf("got file %q, want %q", c.File, test.file)
			}
			want := KeychainAuto
			if test.file == other {
				want = KeychainNone
			}
			if c.Keychain != want {
				t.Errorf("got keychain %q, want %q", c.Keychain, want)
			}
		})
	}
}

// A link to a file that does not exist is an error.
func TestReadRefusesDanglingLink(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("not everybody may make links there")
	}
	env := environment(map[string]string{"HOME": t.TempDir()})
	path, _, err := Sources{Getenv: env}.path()
	must(t, err)
	must(t, os.MkdirAll(filepath.Dir(path), 0o700))
	must(t, os.Symlink("nowhere.yaml", path))
	if _, err := Read(Sources{Getenv: env}); err == nil || !strings.Contains(err.Error(), "cannot read "+path) {
		t.Errorf("got %v, want the file named", err)
	}
}

// Without a usable HOME the file is below the home in the user database. Containers set
// HOME=/ for a user without a home.
func TestFileWithoutHOME(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("HOME means nothing there")
	}
	home, err := state.Home(environment(map[string]string{"HOME": ""}))
	for _, vars := range []map[string]string{{"HOME": ""}, {"HOME": "."}, {"HOME": "/"}} {
		got, _, pathErr := Sources{Getenv: environment(vars)}.path()
		must(t, pathErr)
		if err != nil && got != "" || err == nil && !strings.HasPrefix(got, home+string(filepath.Separator)) {
			t.Errorf("I24 %v: got %q, want it below %q (%v)", vars, got, home, err)
		}
	}
}
