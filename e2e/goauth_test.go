package e2e

import (
	"archive/zip"
	"bytes"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"docker-credential-cgr/e2e/program"
	"docker-credential-cgr/e2e/testenv"
)

// TestGoAuth downloads a module with the real go command, from a module proxy that requires a
// credential. The go command asks the program for it, and has it in no file.
func TestGoAuth(t *testing.T) {
	const module, username, secret = "example.com/hello", "org/id", "pull-token-pull-token"
	binary, err := program.Build(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	f, err := w.Create(module + "@v1.0.0/go.mod")
	if err == nil {
		_, err = f.Write([]byte("module " + module + "\n"))
	}
	if err != nil || w.Close() != nil {
		t.Fatal("cannot write the module")
	}
	files := map[string]string{
		"/go/" + module + "/@v/v1.0.0.info": `{"Version":"v1.0.0"}`,
		"/go/" + module + "/@v/v1.0.0.mod":  "module " + module + "\n",
		"/go/" + module + "/@v/v1.0.0.zip":  archive.String(),
	}
	var refused atomic.Int32
	proxy := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, ok := r.BasicAuth(); !ok || user != username || password != secret {
			refused.Add(1)
			http.Error(w, "authentication required", http.StatusUnauthorized)
			return
		}
		text, found := files[r.URL.Path]
		if !found {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(text))
	}))
	defer proxy.Close()
	dir := t.TempDir()
	authority := filepath.Join(dir, "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: proxy.Certificate().Raw})
	if err := os.WriteFile(authority, text, 0o600); err != nil {
		t.Fatal(err)
	}
	download := func(environ ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", module+"@v1.0.0")
		cmd.Dir = dir
		cmd.Env = testenv.Environ{}.With(
			"PATH="+os.Getenv("PATH"), "HOME="+dir, "CHAINGUARD_KEYCHAIN=file", "SSL_CERT_FILE="+authority,
			"GOPATH="+filepath.Join(dir, "go"), "GOCACHE="+filepath.Join(dir, "cache"), "GOFLAGS=-modcacherw", "GONOSUMDB=*", "GOTOOLCHAIN=local",
			"GOPROXY="+proxy.URL+"/go", "CHAINGUARD_PLATFORM_REGISTRY="+proxy.URL,
			"GOAUTH="+binary+" headers -o go").With(environ...).List()
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := download(); err == nil || refused.Load() == 0 {
		t.Fatalf("got %q, want the proxy to refuse a request without a credential", out)
	}
	if out, err := download("CHAINGUARD_IDENTITY_ID="+username, "CHAINGUARD_TOKEN="+secret); err != nil || !strings.Contains(out, `"Version": "v1.0.0"`) {
		t.Errorf("got %q, %v, want the module", out, err)
	}
}
