package doctor

import (
	"os"
	"path/filepath"
	"testing"

	"docker-credential-cgr/config"
	"docker-credential-cgr/hint"
)

// read reads settings as the program does.
func read(t *testing.T, p *Checker, file string, values map[string]string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	p.Getenv = getenv(values)
	p.Config, p.ConfigErr = config.Read(config.Sources{Getenv: p.Getenv, File: path})
}

func TestSettings(t *testing.T) {
	for _, test := range []struct {
		name, file   string
		env          map[string]string
		status       Status
		message, fix string
	}{
		{"defaults", "", nil, OK, "all are the defaults", ""},
		{"from the file", "auth:\n  mode: headless\n", nil, OK, "auth.mode is headless (", ""},
		{"from the environment", "", map[string]string{"CHAINGUARD_AUTH_MODE": "browser"}, OK, "auth.mode is browser (CHAINGUARD_AUTH_MODE)", ""},
		{"I20 a typo in a name", "auth:\n  mod: headless\n", nil, Failure, `config.yaml:2: unknown setting "auth.mod"`, "did you mean auth.mode?"},
		{"I20 a name like no other", "zzzzzzzzzz: 1\n", nil, Failure, "unknown setting", "docker-credential-cgr config view"},
		{"I20 tabs", "auth:\n\tmode: x\n", nil, Failure, "config.yaml:2: found character", "correct it"},
		{"a typo in a value", "", map[string]string{"CHAINGUARD_AUTH_MODE": "headles"}, Failure, `CHAINGUARD_AUTH_MODE="headles"`, "unset CHAINGUARD_AUTH_MODE, or correct it"},
		{"I18 a wrong URL", "", map[string]string{"CHAINGUARD_PLATFORM_ISSUER": "http://example.com"}, Failure, "must start with https://", "unset CHAINGUARD_PLATFORM_ISSUER, or correct it"},
		{"a secret with a line end inside", "", map[string]string{"CHAINGUARD_TOKEN": "a\nb"}, Failure, "CHAINGUARD_TOKEN has a control character", "unset CHAINGUARD_TOKEN, or correct it"},
		{"half of a pair", "", map[string]string{"CHAINGUARD_IDENTITY_ID": "a"}, Warning, "CHAINGUARD_IDENTITY_ID is set without CHAINGUARD_TOKEN", "set CHAINGUARD_TOKEN too, or: unset CHAINGUARD_IDENTITY_ID"},
		{"the other half", "", map[string]string{"CHAINGUARD_TOKEN": "a"}, Warning, "CHAINGUARD_TOKEN is set without CHAINGUARD_IDENTITY_ID", "unset CHAINGUARD_TOKEN"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var p Checker
			read(t, &p, test.file, test.env)
			want(t, p.checkSettings()[0], test.status, test.message, test.fix)
		})
	}
	t.Run("a provider without its client", func(t *testing.T) {
		var p Checker
		read(t, &p, "", map[string]string{"CHAINGUARD_AUTH_OIDC_ISSUER": "https://login.example.com"})
		results := p.checkSettings()
		want(t, results[0], Failure, "auth.oidc.issuer is set without auth.oidc.client-id", "config set auth.oidc.client-id ID")
		want(t, results[1], Failure, "auth.oidc.issuer is set without default.identity-provider", "config set default.identity-provider ID")
	})
	t.Run("each error is one", func(t *testing.T) {
		var p Checker
		read(t, &p, "", map[string]string{"CHAINGUARD_AUTH_MODE": "x", "CHAINGUARD_KEYCHAIN": "y"})
		results := p.checkSettings()
		want(t, results[0], Failure, "CHAINGUARD_KEYCHAIN", "unset CHAINGUARD_KEYCHAIN")
		want(t, results[1], Failure, "CHAINGUARD_AUTH_MODE", "unset CHAINGUARD_AUTH_MODE")
	})
}

func TestUnset(t *testing.T) {
	var p Checker
	read(t, &p, "keychain: file\n", nil)
	if got, want := p.unset("keychain"), hint.Do(hint.UnsetSetting, "keychain"); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	read(t, &p, "", map[string]string{"CHAINGUARD_KEYCHAIN": "file"})
	if got, want := p.unset("keychain"), hint.Text("unset CHAINGUARD_KEYCHAIN"); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
