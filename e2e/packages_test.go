package e2e

import (
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"docker-credential-cgr/e2e/fakeplatform"
	"docker-credential-cgr/e2e/leaks"
	"docker-credential-cgr/e2e/program"
)

// TestExecPackages installs packages with the real tools under exec, from the libraries' host, with
// the token of a session and with a pull token. No file keeps the secret.
func TestExecPackages(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("tools find a user's files there without HOME")
	}
	binary, err := program.Build(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewTLSServer(nil) // for its certificate: example.com and the hosts below it
	server.Close()
	d := newFixture(t, binary, func(b *fakeplatform.Behavior) {
		b.AutoApprove = true
		b.RegistryName, b.RegistryCertificate, b.RegistryAddress = "example.com", server.TLS.Certificates[0], "127.0.0.1:0"
	})
	proxy := httptest.NewServer(connectTo(d.platform.RegistryAddress, "example.com:443", "libraries.example.com:443"))
	t.Cleanup(proxy.Close)
	work, runtimeDir := filepath.Join(d.home, "work"), filepath.Join(d.home, "run")
	if err := errors.Join(os.Mkdir(work, 0o700), os.Mkdir(runtimeDir, 0o700)); err != nil {
		t.Fatal(err)
	}
	authority := filepath.Join(d.home, "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(authority, text, 0o600); err != nil {
		t.Fatal(err)
	}
	npmrc := "registry=https://libraries.example.com/javascript/\nfetch-retries=0\nupdate-notifier=false\ncafile=" + authority + "\n"
	if err := os.WriteFile(filepath.Join(d.home, ".npmrc"), []byte(npmrc), 0o600); err != nil {
		t.Fatal(err)
	}
	d.environ.Set("XDG_RUNTIME_DIR="+runtimeDir, "HTTPS_PROXY="+proxy.URL, "SSL_CERT_FILE="+authority, "PIP_CERT="+authority,
		"PIP_CONFIG_FILE="+os.DevNull, "PIP_DISABLE_PIP_VERSION_CHECK=1", "PIP_NO_INPUT=1")
	if login := d.start("", nil, "login"); d.ends(login) != 0 {
		t.Fatalf("cannot sign in:\n%s", login.err())
	}
	id, secret := d.platform.PullToken(time.Hour)
	tools := map[string]struct {
		program  string
		args     string
		creates  string // a file in work
		requests string // of the platform
	}{
		"npm": {"npm", "install --no-audit --no-fund hello-cgr", "node_modules/hello-cgr/index.js", "registry.javascript"},
		"pip": {
			"python3 -m pip", "download --no-deps --no-cache-dir --index-url https://libraries.example.com/python/simple/ hello-cgr",
			"hello_cgr-1.0-py3-none-any.whl", "registry.python",
		},
	}
	for name, test := range tools {
		command := func(words string) *exec.Cmd {
			fields := strings.Fields(words)
			cmd := exec.CommandContext(t.Context(), fields[0], fields[1:]...)
			cmd.Dir, cmd.Env = work, d.environ.List()
			return cmd
		}
		missing := command(test.program + " --version").Run()
		for account, environ := range map[string][]string{
			"without exec": nil, "session": nil, "pull token": {"CHAINGUARD_IDENTITY_ID=" + id, "CHAINGUARD_TOKEN=" + secret},
		} {
			t.Run(name+" "+account, func(t *testing.T) {
				if missing != nil {
					t.Skipf("%s is not installed: %v", name, missing)
				}
				made := filepath.Join(work, test.creates)
				if err := errors.Join(os.RemoveAll(work), os.Mkdir(work, 0o700)); err != nil {
					t.Fatal(err)
				}
				cmd := command(test.program + " " + test.args)
				if account != "without exec" {
					cmd = command(binary + " exec --packages " + test.program + " " + test.args)
				}
				cmd.Env = d.environ.With(environ...).List()
				asked := d.platform.Count(test.requests)
				out, err := cmd.CombinedOutput()
				_, statErr := os.Stat(made)
				if installed := err == nil && statErr == nil; installed != (account != "without exec") {
					t.Errorf("got it installed %t: %v, %v\n%s", installed, err, statErr, out)
				}
				if d.platform.Count(test.requests) == asked {
					t.Errorf("got no request %s:\n%s", test.requests, out)
				}
				needles := leaks.Of(append(d.platform.Issued(), secret))
				if needles.In(out) {
					t.Errorf("P13 the output has a secret:\n%s", out)
				}
				found, err := needles.InFiles(d.home, func(path string) bool {
					return strings.Contains(path, "docker-credential-cgr"+string(filepath.Separator))
				})
				if err != nil || len(found) > 0 {
					t.Errorf("P13 secrets are in %q (%v)", found, err)
				}
				if left, _ := filepath.Glob(filepath.Join(runtimeDir, "*", "run-*")); len(left) > 0 {
					t.Errorf("got %q, want the temporary folder removed", left)
				}
				if now, err := os.ReadFile(filepath.Join(d.home, ".npmrc")); err != nil || string(now) != npmrc {
					t.Errorf("got %q, %v, want the user's npmrc as it was", now, err)
				}
			})
		}
	}
}

// connectTo is a proxy that reaches a server under these addresses, and no others.
func connectTo(server string, addresses ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || !slices.Contains(addresses, r.Host) {
			http.Error(w, "not an address of the test", http.StatusBadGateway)
			return
		}
		to, err := net.Dial("tcp", server)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer to.Close()
		w.WriteHeader(http.StatusOK)
		from, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer from.Close()
		go func() {
			_, _ = io.Copy(to, buffered)
			_ = to.Close()
		}()
		_, _ = io.Copy(from, to)
	})
}
