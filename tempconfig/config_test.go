package tempconfig

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestConfig(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("links need a right there")
	}
	service, home, _ := testEnv(t)
	env := map[string]string{"XDG_RUNTIME_DIR": home, "HELM_CONFIG_HOME": filepath.Join(home, "helm")}
	getenv := func(name string) string { return env[name] }
	write(t, filepath.Join(home, ".docker", "config.json"), `{"currentContext":"remote","credHelpers":{"cgr.dev":"cgr","gcr.io":"gcr"}}`)
	write(t, filepath.Join(home, ".docker", "contexts", "meta", "x"), "context")
	write(t, filepath.Join(home, "containers", "auth.json"), `{"auths":{"quay.io":{"auth":"eDp5"}}}`)
	write(t, filepath.Join(home, "helm", "registry", "config.json"), `{"auths":{"charts.example":{"auth":"eDp5"}}}`)
	folder := makeFolder(t, service, getenv)
	c, err := New(folder, "cgr.dev", getenv, home)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"first", "second"} { // as when it is renewed
		if err := c.Write(Login{Username: "org/id", Secret: secret}); err != nil {
			t.Fatal(err)
		}
	}
	const login = `"auth": "b3JnL2lkOnNlY29uZA=="` // org/id:second
	for file, wants := range map[string][]string{
		"config.json": {login, `"remote"`, `"gcr.io": "gcr"`},
		"auth.json":   {login, "quay.io", `"gcr.io": "gcr"`},
		"helm.json":   {login, "charts.example", `"gcr.io": "gcr"`},
	} {
		text, err := os.ReadFile(filepath.Join(folder.Path, file))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range wants {
			if !strings.Contains(string(text), want) || strings.Contains(string(text), `"cgr"`) {
				t.Errorf("%s: got %s, want %s, and no helper of the registry", file, text, want)
			}
		}
		if info, err := os.Stat(filepath.Join(folder.Path, file)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: got %v, %v, want mode 0600", file, info, err)
		}
	}
	if text, err := os.ReadFile(filepath.Join(folder.Path, "contexts", "meta", "x")); err != nil || string(text) != "context" {
		t.Errorf("got %q, %v, want the user's contexts", text, err)
	}
	if err := folder.Remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(home, ".docker", "contexts", "meta", "x")); err != nil {
		t.Errorf("got %v, want the user's contexts left alone", err)
	}
}

// Without a home directory, the configuration that DOCKER_CONFIG names is used.
func TestConfigWithoutHome(t *testing.T) {
	service, dir, getenv := testEnv(t)
	folder := makeFolder(t, service, getenv)
	defer folder.Remove()
	write(t, filepath.Join(dir, "config.json"), `{"auths":{"gcr.io":{"auth":"eDp5"}}}`)
	for dockerConfig, want := range map[string]bool{dir: true, "": false} {
		c, err := New(folder, "cgr.dev", func(name string) string {
			return map[string]string{"DOCKER_CONFIG": dockerConfig, "XDG_RUNTIME_DIR": dir}[name]
		}, "")
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Write(Login{Username: "org/id", Secret: "secret"}); err != nil {
			t.Fatal(err)
		}
		for _, file := range []string{dockerFile, podmanFile, helmFile} {
			text, err := os.ReadFile(filepath.Join(folder.Path, file))
			if err != nil || strings.Contains(string(text), "gcr.io") != want || !strings.Contains(string(text), "cgr.dev") {
				t.Errorf("DOCKER_CONFIG=%q, %s: got %s, %v, want gcr.io: %t", dockerConfig, file, text, err, want)
			}
		}
	}
}

func TestConfigFaults(t *testing.T) {
	service, home, getenv := testEnv(t)
	folder := makeFolder(t, service, getenv)
	defer folder.Remove()
	write(t, filepath.Join(home, ".docker", "config.json"), `{"auths":`)
	if _, err := New(folder, "cgr.dev", getenv, home); err == nil || !strings.Contains(err.Error(), "config.json:1:") {
		t.Errorf("I30 got %v, want the place of the error", err)
	}
	if err := os.RemoveAll(filepath.Join(home, ".docker")); err != nil {
		t.Fatal(err)
	}
	var c *Config
	for _, home := range []string{home, ""} { // no files, no home
		var err error
		if c, err = New(folder, "cgr.dev", getenv, home); err != nil {
			t.Fatal(err)
		}
		if err := c.Write(Login{Username: "org/id", Secret: "secret"}); err != nil {
			t.Error(err)
		}
	}
	if err := c.Write(Login{Username: "a:b", Secret: "secret"}); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("P13 got %v, want an error without the secret", err)
	}
}

func TestRenew(t *testing.T) {
	service, home, getenv := testEnv(t)
	folder := makeFolder(t, service, getenv)
	defer folder.Remove()
	c, err := New(folder, "cgr.dev", getenv, home)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		started := time.Now()
		var at []time.Duration
		done := make(chan struct{})
		go func() {
			defer close(done)
			Renew(ctx, started.Add(50*time.Minute), func(context.Context) (Login, error) {
				at = append(at, time.Since(started))
				if len(at) == 1 {
					return Login{}, errors.New("the issuer cannot be reached")
				}
				return Login{Username: "_token", Secret: "new", Due: time.Now().Add(time.Hour)}, nil
			}, c.Write)
		}()
		time.Sleep(2 * time.Hour)
		stop()
		<-done
		want := []time.Duration{50 * time.Minute, 50*time.Minute + renewalCheck, 110*time.Minute + renewalCheck}
		if !slices.Equal(at, want) {
			t.Errorf("got renewals at %v, want them at %v", at, want)
		}
	})
	if text, err := os.ReadFile(filepath.Join(folder.Path, "config.json")); err != nil || !strings.Contains(string(text), `"X3Rva2VuOm5ldw=="`) {
		t.Errorf("got %s, %v, want the new credential", text, err)
	}
	Renew(t.Context(), time.Time{}, nil, nil) // never due
}
