package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReadRefusesFiles(t *testing.T) {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'l'; c++ {
		last := "*" + string(c-1)
		bomb += string(c) + ": &" + string(c) + " [" + strings.Repeat(last+",", 8) + last + "]\n"
	}
	tests := []struct{ name, text, want string }{
		{"I20 unknown key", "auth:\n  mdoe: auto\n", `config.yaml:2: unknown setting "auth.mdoe"; did you mean auth.mode?`},
		{"I20 unknown section", "keychain: file\nauht:\n  mode: auto\n", `config.yaml:3: unknown setting "auht.mode"; did you mean auth.mode?`},
		{"I20 key of nothing known", "colour: red\n", `config.yaml:1: unknown setting "colour"`},
		{"I20 setting in the wrong section", "platform:\n  mode: auto\n", `config.yaml:2: unknown setting "platform.mode"`},
		{"I20 key that is a list", "[a]: b\n", `config.yaml:1: unknown setting ""`},
		{"I20 merge key", "auth: {<<: {mode: auto}}\n", `config.yaml:1: unknown setting "auth.<<.mode"`},
		{"I20 section that is a word", "auth: headless\n", `config.yaml:1: unknown setting "auth"`},
		{"I20 section that is a list", "auth:\n- mode\n", `config.yaml:1: unknown setting "auth"`},
		{"I20 list", "keychain:\n- file\n", "config.yaml:2: keychain: must be one value"},
		{"I20 settings below a setting", "keychain:\n  kind: file\n", `config.yaml:2: unknown setting "keychain.kind"`},
		{"I20 tag", "keychain: !!binary ZmlsZQ==\n", "config.yaml:1: keychain: must be one value"},
		{"I20 alias", "output: &a file\nkeychain: *a\n", "config.yaml:2: keychain: must be one value"},
		{"I20 alias to nothing", "keychain: *eyJhbGciOiJSUzI1NiJ9\n", "config.yaml: has an alias (*)"},
		{"I20 anchors bomb", bomb, `config.yaml:1: unknown setting "a"`},
		{"I20 key twice", "keychain: file\nkeychain: os\n", `config.yaml:2: "keychain" is there twice, first at PATH:1`},
		{"I20 section twice", "auth:\n  mode: auto\nauth:\n  mode: auto\n", `config.yaml:4: "auth.mode" is there twice, first at PATH:2`},
		{"I20 tab", "auth:\n\tmode: auto\n", "config.yaml:2: found character that cannot start any token"},
		{"I20 tab after spaces", "auth:\r\n  \tmode: auto\r\n  bad\r\n", "config.yaml:2: found character that cannot start any token"},
		{"I20 control character", "keychain: file\nauth: {mode: \x1b[2J}\n", "config.yaml:1: control characters are not allowed"},
		{"I20 two documents", "keychain: file\n---\nkeychain: os\n", "config.yaml: has more than one document"},
		{"I20 a list", "- keychain\n", "config.yaml:1: must have settings"},
		{"I20 a word", "\nkeychain\n", "config.yaml:2: must have settings"},
		{"I20 broken on the first line", "a: b: c\n", "config.yaml:1: mapping values are not allowed"},
		{"I20 broken later", "keychain: file\nauth: [\n", "config.yaml:2: did not find"},
		{"I20 not UTF-8", "keychain: f\xefle\n", "config.yaml is not UTF-8 text"},
		{"I20 UTF-16", "\xff\xfek\x00e\x00y\x00", "config.yaml is not UTF-8 text"},
		{"I20 too big", "#" + strings.Repeat("x", maxFile), "config.yaml is over 1048576 bytes"},
		{"I20 nested beyond reason", strings.Repeat("{a: ", 100_000), "config.yaml:"},
		{"S6 client secret", "auth:\n  oidc:\n    client-secret: hunter2\n", "config.yaml:3: auth.oidc.client-secret: a program on users' machines"},
		{"I21 token for a path", "auth:\n  identity-token: " + testJWT + "\n", `config.yaml:2: auth.identity-token="…": looks like a token`},
		{"I21 token for a name", testJWT + ": 1\n", `config.yaml:1: unknown setting "…"`},
		{"secret in a wrong place", "auth:\n  mode: hunter2hunter2hunter2\n", `config.yaml:2: auth.mode="…": must be one of`},
		{"path that is relative", "auth:\n  identity-token: token.jwt\n", `config.yaml:2: auth.identity-token="token.jwt": must be an absolute path`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := settingsFile(t, test.text)
			c, err := Read(Sources{Getenv: environment(nil), File: path})
			want := filepath.Dir(path) + string(filepath.Separator) + strings.ReplaceAll(test.want, "PATH", path)
			if !strings.Contains(withHints(err), want) {
				t.Fatalf("got error %v, want %q", withHints(err), want)
			}
			if strings.ContainsAny(err.Error(), "\x1b\r") || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "eyJ") {
				t.Errorf("got error %q, want neither control characters nor secrets in it", err)
			}
			// The registry is still known.
			if c.Registry == nil || c.Registry.Host != "cgr.dev" {
				t.Errorf("P3 got registry %v, want the default", c.Registry)
			}
			if c.File != path {
				t.Errorf("got file %q, want %q", c.File, path)
			}
		})
	}
}

// An unknown key hides neither the known ones nor an invalid value of the registry.
func TestReadUsesValidSettings(t *testing.T) {
	path := settingsFile(t, "colour: red\nplatform:\n  registry: http://registry.example\n  issuer: https://issuer.example\n")
	c, err := Read(Sources{Getenv: environment(nil), File: path})
	if err == nil || !strings.Contains(err.Error(), "colour") || !strings.Contains(err.Error(), path+":3: platform.registry") {
		t.Errorf("got error %v, want one of both", err)
	}
	if c.Registry != nil {
		t.Errorf("got registry %v, want none", c.Registry)
	}
	if c.Issuer == nil || c.Issuer.Host != "issuer.example" {
		t.Errorf("got issuer %v, want issuer.example", c.Issuer)
	}
}

func TestReadAcceptsFiles(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"empty", "", KeychainAuto},
		{"comments alone", "# nothing yet\n", KeychainAuto},
		{"null", "---\n~\n", KeychainAuto},
		{"empty sections and values", "auth:\nplatform: ~\nkeychain:\ndefault:\n  group: \"\"\n", KeychainAuto},
		{"byte order mark", "\ufeffkeychain: file\n", KeychainFile},
		{"CRLF", "auth:\r\n  mode: browser\r\nkeychain: file\r\n", KeychainFile},
		{"no line end", "keychain: file", KeychainFile},
		{"dotted key", "auth.mode: auto\nkeychain: file\n", KeychainFile},
		{"JSON", `{"keychain": "file", "auth": {"mode": "auto"}}`, KeychainFile},
		{"chainctl's own file", "auth:\n  mode: browser\n  device-flow: x\ndefault:\n  active-within: 24h\n  autoclose: true\n  autoclose-timeout: 10s\n" +
			"  group: \"\"\n  log-level: ERROR\n  skip-auto-login: false\n  skip-version-check: [1]\n  use-refresh-token: true\n" +
			"output:\n  color:\n    fail: '#ff0000'\n  silent: false\nplatform:\n  api: https://console-api.enforce.dev\n  audience: https://console-api.enforce.dev\n", KeychainAuto},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, err := Read(Sources{Getenv: environment(nil), File: settingsFile(t, test.text)})
			must(t, err)
			if c.Keychain != test.want {
				t.Errorf("got keychain %q, want %q", c.Keychain, test.want)
			}
		})
	}
}

// An id of digits alone is a number to YAML.
func TestReadTakesNumbersAsText(t *testing.T) {
	for _, id := range []string{strings.Repeat("1", 40), "1234567890123456789012345678901234567e99", "0" + strings.Repeat("7", 39)} {
		c, err := Read(Sources{Getenv: environment(nil), File: settingsFile(t, "auth:\n  identity: "+id+"\n")})
		must(t, err)
		if c.Identity != id {
			t.Errorf("got %q, want %q", c.Identity, id)
		}
	}
}

func TestReadReportsFewErrors(t *testing.T) {
	path := settingsFile(t, strings.Repeat("k: 1\n", 5000))
	_, err := Read(Sources{Getenv: environment(nil), File: path})
	if err == nil || len(err.Error()) > 2000 || !strings.Contains(err.Error(), "more errors") {
		t.Errorf("got %.3000v, want a short error", err)
	}
}

func TestReadRefusesFolders(t *testing.T) {
	dir := t.TempDir()
	_, err := Read(Sources{Getenv: environment(nil), File: dir})
	if err == nil || !strings.Contains(err.Error(), "flag --config: ") {
		t.Errorf("I20 folder: got %v, want an error", err)
	}
	if err := Update(dir, map[string]string{"keychain": "file"}); err == nil {
		t.Error("I20 Update of a folder: got no error, want one")
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*")); len(files) > 0 {
		t.Errorf("got %v, want nothing made", files)
	}
}

// For any settings file, reading ends, and Update makes its change and no other.
func FuzzFile(f *testing.F) {
	values := []string{"file", "https://issuer.example/x", testIdentity, "example.com", "true", "null", "a: b", "#x", "'", `\`, "*a", "12", "é, {b}", ""}
	for i, seed := range []string{
		"", "# only\n", "keychain: file\n", "auth:\n  mode: auto # why\n\n  # whom\n  identity: x\n", "auth: {mode: auto, oidc: {}}\n",
		"{\"keychain\": \"os\"}", "\ufeffauth:\r\n  mode:\r\n", "auth:\n  oidc:\n    flow: code", "---\nkeychain: 'it''s' # x\n...\n",
		"keychain: \"\\\"\"\n", "default:\n    group: |\n      a\n      b\n", "? auth\n: {mode: x}\n", "auth: &a\n  mode: &b x\noutput: [*a, *b]\n",
		"  keychain: os\n  auth:\n     mode: x\n", "auth:\n# c\n  mode: é\n", "output:\n- a\n- b: [1]\n", "keychain: a\n  b\n", "auth:\r  mode: x\r", "\tx", "a: [", "keychain: !!str x",
	} {
		f.Add(seed, uint(i), values[i%len(values)])
	}
	f.Fuzz(func(t *testing.T, text string, which uint, value string) {
		before, errs := parse("config.yaml", text)
		name := properties[which%uint(len(properties))].name
		after, err := apply("config.yaml", text, map[string]string{name: value})
		if err != nil {
			return
		}
		if errs != nil {
			t.Fatalf("%q has errors %v, but was changed", text, errs)
		}
		got, errs := parse("config.yaml", after)
		if errs != nil {
			t.Fatalf("%q became %q, which has errors %v", text, after, errs)
		}
		if got[name].text != value {
			t.Errorf("%q became %q: got %s=%q, want %q", text, after, name, got[name].text, value)
		}
		for _, other := range Properties() {
			if other != name && got[other].text != before[other].text {
				t.Errorf("%q became %q: got %s=%q, want %q", text, after, other, got[other].text, before[other].text)
			}
		}
		if strings.Count(after, "#") < strings.Count(text, "#")-1 && value != "" {
			t.Errorf("%q became %q: comments are gone", text, after)
		}
		again, err := apply("config.yaml", after, map[string]string{name: value})
		if err != nil || again != after {
			t.Errorf("%q once more: got %q and %v, want no change", after, again, err)
		}
	})
}

// Read must not panic for any values.
func FuzzRead(f *testing.F) {
	f.Add("auth:\n  mode: auto\n", "http://x", "a")
	f.Add("default:\n  org-name: a\n", "", testJWT)
	path := filepath.Join(f.TempDir(), "config.yaml")
	f.Fuzz(func(t *testing.T, text, env, flag string) {
		must(t, os.WriteFile(path, []byte(text), 0o600))
		c, err := Read(Sources{
			Getenv: func(name string) string {
				if name == "CHAINGUARD_CONFIG" {
					return ""
				}
				return env
			},
			Flags: map[string]string{"auth.mode": flag, "auth.identity": flag},
			File:  path,
		})
		if err == nil && (c.Registry == nil || c.Issuer == nil || c.API == nil || c.Console == nil) {
			t.Errorf("got %+v, want an error or all endpoints", c)
		}
		if c.Identity != "" && !ValidUIDP(c.Identity) {
			t.Errorf("got identity %q, want an id", c.Identity)
		}
		if err != nil && strings.Contains(strings.ReplaceAll(err.Error(), "\n", ""), "eyJ") {
			t.Errorf("got error %q, want no token in it", err)
		}
	})
}
