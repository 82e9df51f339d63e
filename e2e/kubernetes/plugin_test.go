//go:build e2e && linux

package kubernetes

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"docker-credential-cgr/e2e/fakeplatform"
)

// caller builds the program that calls credential providers with the kubelet's own code.
func caller(t *testing.T) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "build.sh", cacheDir(t), "caller")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("cannot build the caller: %v\n%s", err, &stderr)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "caller")
}

type credential struct{ Username, Password string }

// TestKubeletPlugin has the kubelet's own code read the configuration, run the program and decode its responses.
func TestKubeletPlugin(t *testing.T) {
	program := caller(t)
	f := newFixture(t)
	const account = "system:serviceaccount:web:app"
	identity := f.platform.WorkloadIdentity(account, "registry.pull")
	other := f.platform.WorkloadIdentity("system:serviceaccount:web:other", "registry.pull")
	root := f.path("node")
	if err := os.MkdirAll(filepath.Join(root, "var/lib/rancher/k3s"), 0o755); err != nil {
		t.Fatal(err)
	}
	// install-node writes the platform's addresses as arguments: the kubelet has none of these variables.
	f.run("kubernetes", "install-node", "--root", root, "--node-token", f.write("node-token", f.platform.IDToken("node")))
	installed := filepath.Join(root, "var/lib/rancher/credentialprovider")

	asks := func(token, image string, args ...string) (found []credential, log string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), program, append([]string{"--image", image,
			"--config", installed + "/config.yaml", "--bin-dir", installed + "/bin"}, args...)...)
		cmd.Env = []string{"PATH=/usr/bin:/bin"}
		cmd.Stdin = strings.NewReader(token)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v\n%s", err, &stderr)
		}
		if err := json.Unmarshal(out, &found); err != nil {
			t.Fatal(err)
		}
		return found, stderr.String()
	}
	image := f.platform.RegistryHost() + "/example.com/python:latest"
	token := f.platform.IDToken(account)

	t.Run("three pods of one service account", func(t *testing.T) {
		f.platform.ResetCounts()
		found, log := asks(token, image, "--annotation", "cgr.dev/identity="+identity, "--times", "3")
		if len(found) != 1 || found[0].Username != "_token" || !canPull(t, f.platform, found[0], "example.com/python") {
			t.Errorf("got %d credentials, want one that pulls; the log: %s", len(found), log)
		}
		if n := f.platform.Count(""); n != 2 { // and canPull's
			t.Errorf("got %d requests, want one: the kubelet caches the response", n-1)
		}
	})
	t.Run("the only identity that matches", func(t *testing.T) {
		if found, log := asks(token, image); len(found) != 1 {
			t.Errorf("got %d credentials, want 1; the log: %s", len(found), log)
		}
	})
	t.Run("a static pod", func(t *testing.T) {
		f.platform.WorkloadIdentity("node", "registry.pull")
		if found, log := asks("", image); len(found) != 1 {
			t.Errorf("got %d credentials, want 1; the log: %s", len(found), log)
		}
	})
	t.Run("another registry", func(t *testing.T) {
		if found, log := asks(token, "docker.io/library/python"); len(found) != 0 {
			t.Errorf("got %d credentials, want none; the log: %s", len(found), log)
		}
	})
	t.Run("a required annotation", func(t *testing.T) {
		f.run("kubernetes", "install-node", "--root", root, "--require-annotation")
		f.platform.ResetCounts()
		if found, log := asks(token, image); len(found) != 0 || f.platform.Count("") != 0 {
			t.Errorf("without it: got %d credentials and %d requests, want none; the log: %s", len(found), f.platform.Count(""), log)
		}
		if found, log := asks("", image); len(found) != 0 || strings.Contains(log, "cgr") {
			t.Errorf("a static pod: got %d credentials, and in the log: %s", len(found), log)
		}
		if found, log := asks(token, image, "--annotation", "cgr.dev/identity="+identity); len(found) != 1 {
			t.Errorf("with it: got %d credentials, want 1; the log: %s", len(found), log)
		}
	})
	t.Run("I79 the identity of another service account", func(t *testing.T) {
		found, log := asks(token, image, "--annotation", "cgr.dev/identity="+other)
		line := regexp.MustCompile(`(?m)^.*cannot exchange the token of ` + account + `: cannot assume the identity ` + other + `: .*$`).FindString(log)
		if len(found) != 0 || line == "" || strings.Contains(log, "eyJ") {
			t.Errorf("got %d credentials, and in the kubelet's log: %s", len(found), log)
		}
	})
}

// canPull reports whether the registry gives a credential a token for a repository.
func canPull(t *testing.T, p *fakeplatform.Platform, c credential, repository string) bool {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
		"http://"+p.RegistryHost()+"/token?service="+p.RegistryHost()+"&scope=repository:"+repository+":pull", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(c.Username, c.Password)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// TestManyPods starts pods of 200 service accounts at once.
func TestManyPods(t *testing.T) {
	const pods = 200
	const maxMemory = 20 << 10 // KiB a process
	f := newFixture(t)
	link := filepath.Join(bin, "cgr-credential-provider")
	if err := os.Symlink("docker-credential-cgr", link); err != nil {
		t.Fatal(err)
	}
	type pod struct {
		identity, request, out string
		err                    error
		memory                 int64
	}
	all := make([]pod, pods)
	for i := range all {
		account := fmt.Sprintf("system:serviceaccount:web:app-%d", i)
		all[i].identity = f.platform.WorkloadIdentity(account, "registry.pull")
		all[i].request = fmt.Sprintf(`{"apiVersion":"credentialprovider.kubelet.k8s.io/v1","kind":"CredentialProviderRequest",`+
			`"image":"%s/example.com/python","serviceAccountToken":"%s","serviceAccountAnnotations":{"cgr.dev/identity":"%s"}}`,
			f.platform.RegistryHost(), f.platform.IDToken(account), all[i].identity)
	}
	f.platform.ResetCounts()
	var group sync.WaitGroup
	for i := range all {
		group.Go(func() {
			// The kernel counts what the parent of a process has, and this test has more than time.
			memory := f.path(fmt.Sprint("memory-", i))
			cmd := exec.CommandContext(t.Context(), "/usr/bin/time", "-f", "%M", "-o", memory, link)
			cmd.Env = f.platform.Environ() // no HOME, no PATH
			cmd.Stdin = strings.NewReader(all[i].request)
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if err != nil {
				err = fmt.Errorf("%w: %s", err, &stderr)
			}
			if err == nil {
				var text []byte
				text, err = os.ReadFile(memory)
				_, scanErr := fmt.Sscan(string(text), &all[i].memory)
				err = errors.Join(err, scanErr)
			}
			all[i].out, all[i].err = string(out), err
		})
	}
	group.Wait()
	var most int64
	for i := range all {
		most = max(most, all[i].memory)
		var response struct {
			Auth map[string]credential
		}
		if err := json.Unmarshal([]byte(all[i].out), &response); err != nil || all[i].err != nil {
			t.Errorf("pod %d: %v, %v", i, all[i].err, err)
			continue
		}
		if sub := subject(t, response.Auth[f.platform.RegistryHost()].Password); sub != all[i].identity {
			t.Errorf("pod %d got a token of %s, want %s", i, sub, all[i].identity)
		}
	}
	if n := f.platform.Count("sts.exchange"); n != pods {
		t.Errorf("got %d exchanges, want %d", n, pods)
	}
	if most > maxMemory {
		t.Errorf("a process took %d KiB, want at most %d", most, maxMemory)
	}
	t.Logf("I80: %d right answers at once, at most %d KiB a process", pods, most)
	if entries, err := os.ReadDir(f.environ["HOME"]); err != nil || len(entries) != 0 {
		t.Errorf("files in HOME: %v, %v", entries, err)
	}
}

// subject returns the subject of a JWT.
func subject(t *testing.T, jwt string) string {
	t.Helper()
	var claims struct{ Sub string }
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		t.Fatalf("got no JWT of %d bytes", len(jwt))
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	return claims.Sub
}
