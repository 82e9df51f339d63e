//go:build e2e && linux

package kubernetes

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"docker-credential-cgr/e2e/fakeplatform"
	"docker-credential-cgr/e2e/program"
	"docker-credential-cgr/e2e/testenv"
)

const (
	secretName   = "cgr-pull"
	jobNamespace = "cgr-refresher" // of the manifest
	jobAccount   = "refresh-cgr-pull"
)

// TestRefreshSecret runs the refresher with the rights of the manifest that the program prints.
func TestRefreshSecret(t *testing.T) {
	require(t, "skopeo")
	c := newCluster(t)
	c.run("login")
	for _, name := range []string{"web", "shop", "denied"} {
		c.namespace(name)
		c.serviceAccount(name, "default", nil)
	}
	targets := []string{"--namespace=web,shop", "--service-account=default"}
	c.apply(c.run(append([]string{"kubernetes", "refresh-manifest", secretName, "--image=registry.example.com/cgr:1", "-o", "json"}, targets...)...))
	identity := c.identity("refresher", jobNamespace+":"+jobAccount)
	pod := c.pretendPod()
	refresh := func(args ...string) (code int, stderr string) {
		cmd := pod.command(t.Context(), append(append([]string{secretName}, args...), "--identity="+identity)...)
		var out bytes.Buffer
		cmd.Stderr = &out
		err := cmd.Run()
		if cmd.ProcessState == nil {
			t.Fatal(err)
		}
		return cmd.ProcessState.ExitCode(), out.String()
	}

	t.Run("creates", func(t *testing.T) {
		c.platform.ResetCounts()
		if code, stderr := refresh(targets...); code != 0 {
			t.Fatalf("exit code %d: %s", code, stderr)
		}
		if n := c.platform.Count("sts.exchange"); n != 1 {
			t.Errorf("got %d exchanges, want 1", n)
		}
		for _, namespace := range []string{"web", "shop"} {
			c.skopeoPulls(c.secret(namespace))
			var account struct{ ImagePullSecrets []struct{ Name string } }
			c.get("/api/v1/namespaces/"+namespace+"/serviceaccounts/default", &account)
			if len(account.ImagePullSecrets) != 1 || account.ImagePullSecrets[0].Name != secretName {
				t.Errorf("%s: the service account has the secrets %v", namespace, account.ImagePullSecrets)
			}
		}
	})
	t.Run("no right in one namespace", func(t *testing.T) {
		code, stderr := refresh("--namespace=denied,web")
		if code != 1 || !strings.Contains(stderr, "error: denied: missing RBAC permission: get secrets") {
			t.Errorf("exit code %d: %s", code, stderr)
		}
	})
	t.Run("another manager, and another login", func(t *testing.T) {
		config := base64.StdEncoding.EncodeToString([]byte(`{"auths":{"registry.example":{"auth":"eDp5"}}}`))
		c.applyAs("other", "shop", object{".dockerconfigjson": config})
		code, stderr := refresh("--namespace=shop")
		if code != 1 || !strings.Contains(stderr, "other") || !strings.Contains(stderr, "--force") {
			t.Errorf("exit code %d: %s", code, stderr)
		}
		if code, stderr := refresh("--namespace=shop", "--force"); code != 0 {
			t.Errorf("--force: exit code %d: %s", code, stderr)
		}
		s := c.secret("shop")
		if !strings.Contains(s.config, `"registry.example":{"auth":"eDp5"}`) {
			t.Errorf("the other login is gone: %d bytes", len(s.config))
		}
		c.skopeoPulls(s)
	})
	t.Run("a secret of another type", func(t *testing.T) {
		c.create("/api/v1/namespaces/web/secrets", object{"metadata": object{"name": "opaque"}, "type": "Opaque"})
		cmd := pod.command(t.Context(), "opaque", "--namespace=web", "--identity="+identity)
		if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "error: web: ") {
			t.Errorf("got %v: %s", err, out)
		}
	})
	t.Run("an immutable secret, and one that is not a Docker config", func(t *testing.T) {
		config := func(text string) object {
			return object{".dockerconfigjson": base64.StdEncoding.EncodeToString([]byte(text))}
		}
		c.mustDelete("/api/v1/namespaces/web/secrets/" + secretName)
		c.create("/api/v1/namespaces/web/secrets", object{"metadata": object{"name": secretName}, "type": "kubernetes.io/dockerconfigjson", "immutable": true, "data": config(`{"auths":{}}`)})
		if code, stderr := refresh("--namespace=web", "--force"); code != 1 || !strings.Contains(stderr, "immutable") {
			t.Errorf("immutable: exit code %d: %s", code, stderr)
		}
		c.mustDelete("/api/v1/namespaces/web/secrets/" + secretName)
		c.create("/api/v1/namespaces/web/secrets", object{"metadata": object{"name": secretName}, "type": "kubernetes.io/dockerconfigjson", "data": config(`{"auths":"x"}`)})
		if code, stderr := refresh("--namespace=web", "--force"); code != 1 || !strings.Contains(stderr, "it was not changed") {
			t.Errorf("no Docker config: exit code %d: %s", code, stderr)
		}
		if s := c.secret("web"); s.config != `{"auths":"x"}` {
			t.Errorf("got the secret %s", s.config)
		}
	})
	t.Run("a namespace that is not there", func(t *testing.T) {
		code, stderr := refresh("--namespace=missing,shop")
		if code != 1 || !strings.Contains(stderr, "error: missing: ") || strings.Contains(stderr, "error: shop") {
			t.Errorf("exit code %d: %s", code, stderr)
		}
		t.Log(stderr)
	})
	t.Run("three lifetimes of a token, and a restart of the API server", func(t *testing.T) {
		c.platform.Change(func(b *fakeplatform.Behavior) { b.AccessLifetime = 8 * time.Second })
		c.mustDelete("/api/v1/namespaces/web/secrets/" + secretName)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		cmd := pod.command(ctx, secretName, "--namespace=web", "--watch", "--identity="+identity)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var last string
		for i := range 6 { // a token is renewed when half of its life is over
			testenv.Await(t, "the secret has a newer token", func() bool {
				s := c.secret("web")
				return s.config != "" && s.config != last
			})
			s := c.secret("web")
			last = s.config
			c.skopeoPulls(s)
			if i == 2 {
				c.restartAPI()
				pod.renew() // as the kubelet does
			}
		}
		cancel()
		_ = cmd.Wait() // it was killed
		if strings.Contains(stderr.String(), "eyJ") {
			t.Error("standard error has a token")
		}
	})
}

// pod is what a process in a pod of the refresher has.
type pod struct {
	c   *cluster
	dir string // of the service account
}

// pretendPod gives the test what a pod of the job has. No kubelet runs it.
func (c *cluster) pretendPod() *pod {
	c.t.Helper()
	p := &pod{c, c.path("serviceaccount")}
	c.write("serviceaccount/namespace", jobNamespace)
	p.renew()
	return p
}

// renew writes new tokens of the service account.
func (p *pod) renew() {
	c := p.c
	c.t.Helper()
	token := func(audiences ...string) string {
		var r struct{ Status struct{ Token string } }
		status, answer := c.request(adminToken, http.MethodPost, "/api/v1/namespaces/"+jobNamespace+"/serviceaccounts/"+jobAccount+"/token",
			object{"spec": object{"audiences": audiences}})
		if err := json.Unmarshal(answer, &r); status != http.StatusCreated || err != nil {
			c.t.Fatalf("no token: %d %s", status, answer)
		}
		return r.Status.Token
	}
	c.write("serviceaccount/token", token())
	c.write("oidc-token", token(c.platform.IssuerHost()))
	c.write("serviceaccount/ca.crt", string(must(os.ReadFile(c.ca))))
}

// command returns the command that a pod of the job runs, with a home that cannot be written.
func (p *pod) command(ctx context.Context, args ...string) *exec.Cmd {
	address := must(url.Parse(p.c.url))
	cmd := exec.CommandContext(ctx, filepath.Join(bin, program.Name), append([]string{"kubernetes", "refresh-secret",
		"--service-account-dir=" + p.dir, "--identity-token=" + p.c.path("oidc-token")}, args...)...)
	cmd.Env = append(p.c.platform.Environ(), "HOME=/proc", "KUBERNETES_SERVICE_HOST="+address.Hostname(), "KUBERNETES_SERVICE_PORT="+address.Port())
	return cmd
}

type pullSecret struct{ config string }

// secret returns a pull secret, or the zero one if there is none.
func (c *cluster) secret(namespace string) (s pullSecret) {
	c.t.Helper()
	var answer struct{ Data map[string][]byte }
	status, text := c.request(adminToken, http.MethodGet, "/api/v1/namespaces/"+namespace+"/secrets/"+secretName, nil)
	if status == http.StatusOK {
		if err := json.Unmarshal(text, &answer); err != nil {
			c.t.Fatal(err)
		}
	}
	return pullSecret{string(answer.Data[".dockerconfigjson"])}
}

// skopeoPulls pulls a private image with a secret and no other credential.
func (c *cluster) skopeoPulls(s pullSecret) {
	c.t.Helper()
	auth := c.write("auth.json", s.config)
	ctx, cancel := context.WithTimeout(c.t.Context(), testenv.Timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "skopeo", "inspect", "--tls-verify=false", "--authfile", auth, "docker://"+c.platform.RegistryHost()+"/example.com/python:latest")
	cmd.Env = c.environ.List()
	if out, err := cmd.CombinedOutput(); err != nil {
		c.t.Errorf("skopeo: %v\n%s", err, out)
	}
}

// applyAs applies the data of a pull secret as another field manager.
func (c *cluster) applyAs(manager, namespace string, data object) {
	c.t.Helper()
	status, answer := c.send(adminToken, http.MethodPatch, "/api/v1/namespaces/"+namespace+"/secrets/"+secretName+"?force=true&fieldManager="+manager,
		"application/apply-patch+yaml", object{
			"apiVersion": "v1", "kind": "Secret", "metadata": object{"name": secretName}, "type": "kubernetes.io/dockerconfigjson", "data": data,
		})
	if status != http.StatusOK {
		c.t.Fatalf("apply: %d %s", status, answer)
	}
}

func (c *cluster) mustDelete(path string) {
	c.t.Helper()
	if status, answer := c.request(adminToken, http.MethodDelete, path, nil); status != http.StatusOK {
		c.t.Fatalf("DELETE %s: %d %s", path, status, answer)
	}
}
