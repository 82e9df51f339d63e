package config

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestUpdateKeepsAllElse(t *testing.T) {
	type changes = map[string]string
	tests := []struct {
		name, text string
		changes    changes
		want       string
	}{
		{"a new file", "", changes{"auth.mode": "headless"}, "auth:\n  mode: headless\n"},
		{"two at once", "", changes{"auth.identity": testIdentity, "auth.identity-token-env": "ID_TOKEN"},
			"auth:\n  identity: " + testIdentity + "\n  identity-token-env: ID_TOKEN\n"},
		{"after comments alone", "# mine", changes{"keychain": "file"}, "# mine\nkeychain: file\n"},
		{"a value", "# a\n\nauth:\n\n  # b\n  mode:   auto   # c\n\n\nkeychain: os\n", changes{"auth.mode": "headless"},
			"# a\n\nauth:\n  # b\n  mode: headless # c\nkeychain: os\n"},
		{"a value in double quotes", "keychain: \"o\\x73\" # c\n", changes{"keychain": "file"}, "keychain: file # c\n"},
		{"a value in single quotes", "default: {group: 'it''s', org-name: x}\n", changes{"default.group": "b"}, "default: {group: b, org-name: x}\n"},
		{"a value that is null", "keychain:  # c\nauth:\n  mode: ~\n", changes{"keychain": "file", "auth.mode": "auto"}, "keychain: file # c\nauth:\n  mode: auto\n"},
		{"a value that is empty", "keychain: \"\"\n", changes{"keychain": "file"}, "keychain: file\n"},
		{"a value after other scripts", "default: {group: 'été', org-name: a}\n", changes{"default.org-name": "b"}, "default: {group: 'été', org-name: b}\n"},
		{"a property in a section", "auth:\n    # why\n    mode: auto\nkeychain: os\n", changes{"auth.auto-login": "never"},
			"auth:\n  # why\n  mode: auto\n  auto-login: never\nkeychain: os\n"},
		{"a property in an empty section", "auth:\nkeychain: os\n", changes{"auth.mode": "auto"}, "auth:\n  mode: auto\nkeychain: os\n"},
		{"a property in an empty section at the end", "auth:", changes{"auth.mode": "auto"}, "auth:\n  mode: auto\n"},
		{"a section in a section", "auth:\n  mode: auto\n", changes{"auth.oidc.flow": "device"}, "auth:\n  mode: auto\n  oidc:\n    flow: device\n"},
		{"a property between braces", "auth: {mode: auto}\n", changes{"auth.oidc.flow": "device"}, "auth: {mode: auto, oidc: {flow: device}}\n"},
		{"a property between empty braces", "auth: {}\n", changes{"auth.mode": "auto"}, "auth: {mode: auto}\n"},
		{"chainctl's part", "output:\n  color: {fail: '#f00'}\n", changes{"keychain": "os"}, "output:\n  color: {fail: '#f00'}\nkeychain: os\n"},
		{"CRLF", "auth:\r\n  mode: auto\r\n", changes{"auth.mode": "browser", "keychain": "os"}, "auth:\n  mode: browser\nkeychain: os\n"},
		{"byte order mark", "\ufeffauth: {}\n", changes{"auth.mode": "auto"}, "auth: {mode: auto}\n"},
		{"an id of digits stays text", "", changes{"auth.identity": strings.Repeat("1", 40)}, "auth:\n  identity: \"" + strings.Repeat("1", 40) + "\"\n"},
		{"a name that YAML takes for something else", "", changes{"default.group": "null"}, "default:\n  group: \"null\"\n"},
		{"yes and no", "", changes{"default.use-refresh-token": "false"}, "default:\n  use-refresh-token: false\n"},
		{"the same again", "auth: {mode: 'auto'}", changes{"auth.mode": "auto"}, "auth: {mode: 'auto'}"},
		{"unset", "# a\nauth:\n  # b\n  mode: auto # c\n  oidc:\n    flow: code\n", changes{"auth.mode": ""}, "# a\nauth:\n  # b\n  oidc:\n    flow: code\n"},
		{"unset the last of its sections", "keychain: os\nauth:\n  oidc:\n    flow: code\n# end\n", changes{"auth.oidc.flow": ""}, "keychain: os\n\n# end\n"},
		{"unset the last of all", "keychain: os", changes{"keychain": ""}, ""},
		{"unset between braces", "auth: {mode: auto, oidc: {flow: code}}\n", changes{"auth.oidc.flow": ""}, "auth: {mode: auto}\n"},
		{"unset what is not set", "auth: {mode: auto}\n", changes{"keychain": "", "auth.oidc.flow": ""}, "auth: {mode: auto}\n"},
		{"one for another", "default:\n  org-name: example.com\n", changes{"default.org-name": "", "default.social-login": "github"}, "default:\n  social-login: github\n"},
		{"a value of several lines", "default:\n  group: |\n    a\n", changes{"default.group": "b"}, "default:\n  group: b\n"},
		{"a document with an end", "keychain: os\n...\n", changes{"auth.mode": "auto"}, "keychain: os\nauth:\n  mode: auto\n"},
		{"comments everywhere", "# 1\n\n# 2\nauth: # 3\n  # 4\n  mode: auto # 5\n  # 6\n\n# 7\n", changes{"keychain": "os"}, "# 1\n\n# 2\nauth: # 3\n  # 4\n  mode: auto # 5\n  # 6\nkeychain: os\n\n# 7\n"},
		{"a wrong value is mended", "auth:\n  mode: bowser\n", changes{"auth.mode": "browser"}, "auth:\n  mode: browser\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := settingsFile(t, test.text)
			must(t, Update(path, test.changes))
			got, err := os.ReadFile(path)
			must(t, err)
			if string(got) != test.want {
				t.Errorf("got:\n%q, want:\n%q", got, test.want)
			}
			if _, err := Read(Sources{Getenv: environment(nil), File: path}); err != nil {
				t.Errorf("got error %v, want none", err)
			}
		})
	}
}

func TestUpdateRefuses(t *testing.T) {
	type changes = map[string]string
	tests := []struct {
		name, text string
		changes    changes
		want       string
	}{
		{"I20 unknown property", "", changes{"auth.mod": "auto"}, `unknown setting "auth.mod"; did you mean auth.mode?`},
		{"I20 unknown property unset", "", changes{"auth.mod": ""}, `unknown setting "auth.mod"; did you mean auth.mode?`},
		{"I20 a section", "", changes{"auth": "x"}, `unknown setting "auth"`},
		{"chainctl's property", "", changes{"output.silent": "true"}, "output.silent is chainctl's"},
		{"I20 wrong value", "", changes{"keychain": "fiel"}, `keychain="fiel": must be one of auto, os, kernel, file, none`},
		{"one wrong, one right", "", changes{"keychain": "os", "auth.mode": "x"}, `auth.mode="x": must be one of`},
		{"relative path", "", changes{"auth.identity-token": "token"}, `auth.identity-token="token": must be an absolute path`},
		{"I23 contradiction in one go", "", changes{"default.org-name": "a", "default.social-login": "github"}, "config.yaml:3: default.social-login exclude each other"},
		{"I23 contradiction with the file", "default: {org-name: a}\n", changes{"default.identity-provider": testOrg}, "config.yaml:1: default.identity-provider exclude each other"},
		{"I20 broken file", "auth: [\n", changes{"keychain": "os"}, "config.yaml:1: "},
		{"I20 file with an unknown key", "colour: red\n", changes{"keychain": "os"}, `config.yaml:1: unknown setting "colour"`},
		{"value with an anchor", "default: {group: &a x}\noutput: *a\n", changes{"default.group": "b"}, "config.yaml cannot be changed in the way it is written; edit "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := settingsFile(t, test.text)
			err := Update(path, test.changes)
			if err == nil || !strings.Contains(withHints(err), test.want) {
				t.Errorf("got error %v, want %q", withHints(err), test.want)
			}
			if got, err := os.ReadFile(path); err != nil || string(got) != test.text {
				t.Errorf("got %q and %v, want the file as it was", got, err)
			}
			if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); len(left) > 0 {
				t.Errorf("got %v left over", left)
			}
		})
	}
	if err := Update("", nil); err == nil {
		t.Error("I24 no folder: got no error, want one")
	}
}

func TestUpdateCreatesTheFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	path := filepath.Join(dir, "config.yaml")
	must(t, Update(path, map[string]string{"keychain": ""}))
	if _, err := os.Stat(dir); err == nil {
		t.Error("unset made a folder")
	}
	must(t, Update(path, map[string]string{"keychain": "file"}))
	if runtime.GOOS == "windows" {
		return
	}
	for file, want := range map[string]os.FileMode{path: 0o600, dir: 0o700, filepath.Dir(dir): 0o700} {
		info, err := os.Stat(file)
		must(t, err)
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s: got mode %04o, want %04o", file, got, want)
		}
	}
}

func TestUpdateKeepsModeAndLink(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("neither modes nor links for everybody there")
	}
	target := settingsFile(t, "keychain: os\n")
	must(t, os.Chmod(target, 0o640))
	link := filepath.Join(t.TempDir(), "config.yaml")
	must(t, os.Symlink(target, link))
	must(t, Update(link, map[string]string{"keychain": "file"}))
	if got, err := os.Readlink(link); err != nil || got != target {
		t.Errorf("got link to %q, %v, want %q", got, err, target)
	}
	info, err := os.Stat(target)
	must(t, err)
	if got := info.Mode().Perm(); got != 0o640 {
		t.Errorf("got mode %04o, want 0640", got)
	}
	c, err := Read(Sources{Getenv: environment(nil), File: link})
	if err != nil || c.Keychain != KeychainFile {
		t.Errorf("got %q and %v, want file", c.Keychain, err)
	}

	must(t, os.Remove(target))
	if err := Update(link, map[string]string{"keychain": "os"}); err == nil || !strings.Contains(err.Error(), "is a link that cannot be followed") {
		t.Errorf("dangling link: got %v, want it named", err)
	}
}

// Concurrent processes lose no change.
func TestUpdateAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.yaml")
	values := map[string]string{"keychain": "file", "auth.mode": "headless", "auth.auto-login": "never", "default.group": "g",
		"default.org-name": "o", "auth.oidc.flow": "device", "auth.oidc.client-id": "c", "auth.identity": testIdentity}
	var wg sync.WaitGroup
	errs := make(chan error, len(values))
	for name, value := range values {
		wg.Go(func() {
			if err := Update(path, map[string]string{name: value}); err != nil {
				errs <- fmt.Errorf("%s: %w", name, err)
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
	c, err := Read(Sources{Getenv: environment(nil), File: path})
	must(t, err)
	for name, value := range values {
		if got := setting(t, c, name).Value; got != value {
			t.Errorf("%s: got %q, want %q", name, got, value)
		}
	}
}

func TestUpdateTimeout(t *testing.T) {
	path := settingsFile(t, "")
	unlock, err := lock(path, lockTimeout)
	must(t, err)
	if _, err := lock(path, time.Millisecond); err == nil || !strings.Contains(err.Error(), "another process is changing "+path) {
		t.Errorf("the lock is held: got %v, want that said", err)
	}
	unlock()
	unlock, err = lock(path, lockTimeout)
	if err != nil {
		t.Fatalf("the lock is free: got %v, want it", err)
	}
	unlock()
}

// FuzzUpdate changes arbitrary files: all other settings stay, or the file is left as it
// was.
func FuzzUpdate(f *testing.F) {
	for _, text := range []string{"", "# a\nauth:\n  mode: auto # b\n", "auth: {mode: &a auto}\n", "\ufeffkeychain: os\r\n# c\r\n", "default:\n  group: |\n    x\n", "--- # d\nkeychain: os\n...\n"} {
		f.Add(text, "headless")
		f.Add(text, "")
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		if value != "" && value != "headless" {
			return
		}
		got, err := apply("config.yaml", text, map[string]string{"auth.mode": value})
		if err != nil {
			return
		}
		before, errs := parse("config.yaml", text)
		after, errsAfter := parse("config.yaml", got)
		if len(errs)+len(errsAfter) > 0 {
			t.Fatalf("%q became %q: got %v, %v, want texts that can be read", text, got, errs, errsAfter)
		}
		if after["auth.mode"].text != value {
			t.Fatalf("%q became %q: got %q, want %q", text, got, after["auth.mode"].text, value)
		}
		for name, e := range before {
			if name != "auth.mode" && after[name].text != e.text {
				t.Errorf("%q became %q: %s was %q and is %q", text, got, name, e.text, after[name].text)
			}
		}
	})
}
