package tempconfig

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func TestPackages(t *testing.T) {
	service, home, getenv := testEnv(t)
	netrcName := map[bool]string{false: ".netrc", true: "_netrc"}[runtime.GOOS == "windows"]
	token := Login{Username: "_token", Secret: "secret", IsToken: true}
	pull := Login{Username: "org/id", Secret: "secret"}
	const host = "libraries.cgr.dev"
	for name, test := range map[string]struct {
		file, text string // of the user
		login      Login
		made, want string
	}{
		"npm without a file": {"", "", token, npmFile, "//libraries.cgr.dev/:_authToken=secret\n"},
		"npm, a pull token":  {"", "", pull, npmFile, "//libraries.cgr.dev/:_auth=b3JnL2lkOnNlY3JldA==\n"},
		"npm": {
			".npmrc", "registry=https://libraries.cgr.dev/javascript/\r\n//npm.example/:_authToken=theirs", token, npmFile,
			"registry=https://libraries.cgr.dev/javascript/\n//npm.example/:_authToken=theirs\n//libraries.cgr.dev/:_authToken=secret\n",
		},
		"npm, an older credential": {
			".npmrc", "//libraries.cgr.dev/javascript/:_auth=old\n \"//libraries.cgr.dev/:_password\" = old\n" +
				"//libraries.cgr.dev.example/:_auth=theirs\n//libraries.cgr.dev/:cafile=ca.pem\n", token, npmFile,
			"//libraries.cgr.dev.example/:_auth=theirs\n//libraries.cgr.dev/:cafile=ca.pem\n//libraries.cgr.dev/:_authToken=secret\n",
		},
		"netrc without a file": {"", "", token, netrcFile, "machine libraries.cgr.dev login _token password secret\n"},
		"netrc": {
			netrcName, "machine go.example login a password b\nmacdef x\nls", pull, netrcFile,
			"machine libraries.cgr.dev login org/id password secret\nmachine go.example login a password b\nmacdef x\nls\n\n" +
				"machine libraries.cgr.dev login org/id password secret\n",
		},
		"Bundler without a file": {"", "", token, bundleFile, "---\nBUNDLE_LIBRARIES__CGR__DEV: \"_token:secret\"\n"},
		"Bundler": {
			".bundle/config", "---\nBUNDLE_JOBS: \"2\"\n\n", pull, bundleFile,
			"---\nBUNDLE_JOBS: \"2\"\nBUNDLE_LIBRARIES__CGR__DEV: \"org/id:secret\"\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if test.file != "" {
				write(t, filepath.Join(home, test.file), test.text)
				defer os.Remove(filepath.Join(home, test.file))
			}
			folder := makeFolder(t, service, getenv)
			defer folder.Remove()
			p, err := NewPackages(folder, host, getenv, home)
			if err != nil {
				t.Fatal(err)
			}
			for _, login := range []Login{{Username: "_token", Secret: "first", IsToken: true}, test.login} { // as when it is renewed
				if err := p.Write(login); err != nil {
					t.Fatal(err)
				}
			}
			path := filepath.Join(folder.Path, test.made)
			if got, err := os.ReadFile(path); err != nil || string(got) != test.want {
				t.Errorf("got %q, %v, want %q", got, err, test.want)
			}
			if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
				t.Errorf("got %v, %v, want mode 0600", info, err)
			}
		})
	}
}

func TestPackagesVariables(t *testing.T) {
	service, home, getenv := testEnv(t)
	folder := makeFolder(t, service, getenv)
	defer folder.Remove()
	env := map[string]string{
		"npm_config_userconfig": filepath.Join(home, "own-npmrc"), "NETRC": filepath.Join(home, "own-netrc"),
		"BUNDLE_USER_HOME": filepath.Join(home, "own-bundle"),
	}
	write(t, env["npm_config_userconfig"], "own=npm")
	write(t, env["NETRC"], "machine own login a password b")
	write(t, filepath.Join(env["BUNDLE_USER_HOME"], "config"), "OWN: bundle")
	p, err := NewPackages(folder, "libraries.127.0.0.1:8080", func(name string) string { return env[name] }, "")
	if err != nil || p.Write(Login{Username: "_token", Secret: "secret"}) != nil {
		t.Fatal(err)
	}
	for file, wants := range map[string][]string{
		npmFile:    {"own=npm\n", "//libraries.127.0.0.1:8080/:_auth="},
		netrcFile:  {"machine own ", "machine libraries.127.0.0.1 login"},
		bundleFile: {"OWN: bundle\n"},
	} {
		path := filepath.Join(folder.Path, file)
		text, err := os.ReadFile(path)
		for _, want := range wants {
			if err != nil || !strings.Contains(string(text), want) {
				t.Errorf("%s: got %q, %v, want %q", file, text, err, want)
			}
		}
		if !slices.ContainsFunc(p.Environ(), func(v string) bool { return strings.HasSuffix(v, "="+path) }) {
			t.Errorf("got %q, want %s", p.Environ(), path)
		}
	}
	if text := strings.Join(p.Environ(), " "); strings.Contains(text, "secret") {
		t.Errorf("P13 got %q, want no secret in the environment", text)
	}
}

func TestPackagesFaults(t *testing.T) {
	service, home, getenv := testEnv(t)
	folder := makeFolder(t, service, getenv)
	defer folder.Remove()
	p, err := NewPackages(folder, "libraries.cgr.dev", getenv, home)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"secret\nmachine evil.example", "secret secret", `secret"`, "secret$HOME", "secret\x00", "secreté"} {
		if err := p.Write(Login{Username: "_token", Secret: secret}); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("P13 %q: got %v, want an error without the secret", secret, err)
		}
	}
	if err := os.Mkdir(filepath.Join(home, ".npmrc"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := NewPackages(folder, "libraries.cgr.dev", getenv, home); err == nil || !strings.Contains(err.Error(), ".npmrc") {
		t.Errorf("got %v, want an error that names the file", err)
	}
}

// A credential for the host that the user has is left out, and all other lines stay.
func FuzzNPM(f *testing.F) {
	f.Add("registry=https://registry.npmjs.org/\n//libraries.example/:_authToken=old\n//other/:_auth=x\n")
	f.Add("\"//libraries.example/a/:username\" = me\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		p := &Packages{Host: "libraries.example", npm: text}
		var want []string
		for line := range strings.Lines(text) {
			if !p.isNPMCredential(line) {
				want = append(want, strings.TrimRight(line, "\r\n"))
			}
		}
		want = append(want, "//libraries.example/:_authToken=new", "")
		if got := p.npmText(Login{Username: "_token", Secret: "new", IsToken: true}); got != strings.Join(want, "\n") {
			t.Errorf("%q became %q", text, got)
		}
	})
}
