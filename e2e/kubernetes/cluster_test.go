//go:build e2e && linux

package kubernetes

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"docker-credential-cgr/e2e/testenv"
)

// The tokens of the API server's static token file.
const (
	adminToken = "admin-token-of-the-test-cluster"
	nodeToken  = "node-token-of-the-test-cluster"
	nodeName   = "node"
)

// clusterIssuer is the issuer of service account tokens. No address belongs to it: the platform gets the keys.
const clusterIssuer = "https://cluster.test.invalid"

// cluster is an API server with etcd. Neither a controller manager nor a scheduler runs.
type cluster struct {
	*fixture
	programs string // folder of the cluster's programs
	url      string
	ca       string // file with the API server's certificate
	client   *http.Client
	apiArgs  []string // the API server and its arguments
	stopAPI  func()
}

// newCluster starts a cluster, or skips the test if its programs are not built.
func newCluster(t *testing.T) *cluster {
	t.Helper()
	dirs, _ := filepath.Glob(filepath.Join(cacheDir(t), "kubernetes-*"))
	var programs string
	for _, dir := range dirs {
		if _, err := os.Stat(filepath.Join(dir, "kubelet")); err == nil {
			programs = dir
		}
	}
	if programs == "" {
		t.Skip("the API server and the kubelet are not built: run make e2e-kubernetes")
	}
	c := &cluster{fixture: newFixture(t), programs: programs}
	c.startAPI()
	return c
}

// startAPI starts etcd and the API server, and waits until it is ready.
func (c *cluster) startAPI() {
	c.t.Helper()
	etcd, peer, port := freePort(c.t), freePort(c.t), freePort(c.t)
	etcdURL, peerURL := fmt.Sprintf("http://127.0.0.1:%d", etcd), fmt.Sprintf("http://127.0.0.1:%d", peer)
	c.start("etcd", filepath.Join(c.programs, "etcd"), "--data-dir", c.path("etcd"), "--unsafe-no-fsync",
		"--listen-client-urls", etcdURL, "--advertise-client-urls", etcdURL,
		"--listen-peer-urls", peerURL, "--initial-advertise-peer-urls", peerURL, "--initial-cluster", "default="+peerURL)

	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		c.t.Fatal(err)
	}
	private := c.write("service-account.key", string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})))
	tokens := c.write("tokens.csv", adminToken+`,admin,1,"system:masters"`+"\n"+
		nodeToken+",system:node:"+nodeName+`,2,"system:nodes"`+"\n")
	c.apiArgs = []string{filepath.Join(c.programs, "kube-apiserver"),
		"--etcd-servers", etcdURL, "--bind-address=127.0.0.1", "--secure-port", fmt.Sprint(port), "--cert-dir", c.path("apiserver"),
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--token-auth-file", tokens,
		"--service-account-key-file", private, "--service-account-signing-key-file", private,
		"--service-account-issuer", clusterIssuer, "--service-account-jwks-uri", clusterIssuer + "/openid/v1/jwks",
		"--service-cluster-ip-range=10.0.0.0/24", "--allow-privileged", "--v=1"}
	c.stopAPI = c.start("kube-apiserver", c.apiArgs...)
	c.url = fmt.Sprintf("https://127.0.0.1:%d", port)
	c.ca = c.path("apiserver/apiserver.crt")
	testenv.Await(c.t, "the API server has a certificate", func() bool {
		text, err := os.ReadFile(c.ca)
		roots := x509.NewCertPool()
		if err != nil || !roots.AppendCertsFromPEM(text) {
			return false
		}
		c.client = &http.Client{Timeout: testenv.Timeout, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
		return true
	})
	c.awaitAPI()
}

func (c *cluster) awaitAPI() {
	c.t.Helper()
	testenv.Await(c.t, "the API server is ready", func() bool {
		status, _ := c.request(adminToken, http.MethodGet, "/readyz", nil)
		return status == http.StatusOK
	})
}

// restartAPI stops the API server and starts it again at the same address.
func (c *cluster) restartAPI() {
	c.t.Helper()
	c.stopAPI()
	c.stopAPI = c.start("kube-apiserver", c.apiArgs...)
	c.awaitAPI()
}

// start starts a program until stop is called or the test ends. Its log is shown if the test fails.
func (c *cluster) start(name string, args ...string) (stop func()) {
	c.t.Helper()
	log := c.path(name + ".log")
	file, err := os.OpenFile(log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		c.t.Fatal(err)
	}
	defer file.Close()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = c.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH") + ":/usr/sbin:/sbin", "HOME=" + c.environ["HOME"]}
	cmd.Stdout, cmd.Stderr = file, file
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		kill := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait() // it was ended
		kill.Stop()
	})
	c.t.Cleanup(func() {
		stop()
		if c.t.Failed() {
			c.t.Logf("%s: %s", name, tail(log))
		}
	})
	return stop
}

func tail(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-3000):])
}

// freePort returns a port that nothing listens on.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// request sends an API request and returns the status and the body. The status is 0 if there is no answer.
func (c *cluster) request(token, method, path string, body any) (status int, answer []byte) {
	c.t.Helper()
	return c.send(token, method, path, "application/json", body)
}

func (c *cluster) send(token, method, path, contentType string, body any) (status int, answer []byte) {
	c.t.Helper()
	var text bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&text).Encode(body); err != nil {
			c.t.Fatal(err)
		}
	}
	r, err := http.NewRequestWithContext(context.Background(), method, c.url+path, &text)
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", contentType)
	response, err := c.client.Do(r)
	if err != nil {
		return 0, nil
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(response.Body)
	if err != nil {
		return 0, nil
	}
	return response.StatusCode, answer
}

type object = map[string]any

// create creates an object as the cluster's administrator.
func (c *cluster) create(path string, body any) {
	c.t.Helper()
	if status, answer := c.request(adminToken, http.MethodPost, path, body); status != http.StatusCreated {
		c.t.Fatalf("POST %s: %d %s", path, status, answer)
	}
}

// get reads an object as the cluster's administrator.
func (c *cluster) get(path string, into any) {
	c.t.Helper()
	status, answer := c.request(adminToken, http.MethodGet, path, nil)
	if err := json.Unmarshal(answer, into); status != http.StatusOK || err != nil {
		c.t.Fatalf("GET %s: %d %v %s", path, status, err, answer)
	}
}

func (c *cluster) namespace(name string) {
	c.t.Helper()
	c.create("/api/v1/namespaces", object{"metadata": object{"name": name}})
}

func (c *cluster) serviceAccount(namespace, name string, annotations map[string]string) {
	c.t.Helper()
	c.create("/api/v1/namespaces/"+namespace+"/serviceaccounts", object{"metadata": object{"name": name, "annotations": annotations}})
}

// apply creates the objects of a manifest in JSON: one, or a List.
func (c *cluster) apply(manifest string) {
	c.t.Helper()
	var list struct {
		Kind     string
		Items    []json.RawMessage
		Metadata struct{ Namespace string }
	}
	if err := json.Unmarshal([]byte(manifest), &list); err != nil {
		c.t.Fatalf("%v in %s", err, manifest)
	}
	if list.Kind == "List" {
		for _, item := range list.Items {
			c.apply(string(item))
		}
		return
	}
	namespaced := map[string]string{
		"ServiceAccount": "/api/v1/namespaces/%s/serviceaccounts",
		"Role":           "/apis/rbac.authorization.k8s.io/v1/namespaces/%s/roles",
		"RoleBinding":    "/apis/rbac.authorization.k8s.io/v1/namespaces/%s/rolebindings",
		"CronJob":        "/apis/batch/v1/namespaces/%s/cronjobs",
		"Deployment":     "/apis/apps/v1/namespaces/%s/deployments",
		"DaemonSet":      "/apis/apps/v1/namespaces/%s/daemonsets",
	}
	path, ok := namespaced[list.Kind]
	if ok {
		path = fmt.Sprintf(path, list.Metadata.Namespace)
	} else {
		path = "/apis/rbac.authorization.k8s.io/v1/" + strings.ToLower(list.Kind) + "s"
	}
	if list.Kind == "Namespace" {
		path = "/api/v1/namespaces"
	}
	c.create(path, json.RawMessage(manifest))
}

// identity creates an identity for a service account as users do, with the cluster's keys, and returns its ID.
func (c *cluster) identity(name, account string) (id string) {
	c.t.Helper()
	status, keys := c.request(adminToken, http.MethodGet, "/openid/v1/jwks", nil)
	if status != http.StatusOK {
		c.t.Fatalf("no keys: %d %s", status, keys)
	}
	var created struct{ ID string }
	out := c.run("identities", "create", name, "--parent=example.com", "--role=registry.pull", "--identity-issuer="+clusterIssuer,
		"--subject=system:serviceaccount:"+account, "--issuer-keys="+string(keys), "--yes", "-o", "json")
	if err := json.Unmarshal([]byte(out), &created); err != nil || created.ID == "" {
		c.t.Fatalf("%v in %s", err, out)
	}
	return created.ID
}

// isLastSeen reports whether the platform has seen an identity.
func (c *cluster) isLastSeen(id string) bool {
	c.t.Helper()
	var i struct{ LastSeen *time.Time }
	out := c.run("identities", "describe", id, "-o", "json")
	if err := json.Unmarshal([]byte(out), &i); err != nil {
		c.t.Fatalf("%v in %s", err, out)
	}
	return i.LastSeen != nil
}

func require(t *testing.T, programs ...string) {
	t.Helper()
	for _, name := range programs {
		if _, err := exec.LookPath(name); err != nil {
			t.Fatalf("%s is not installed: run sh e2e/install.sh", name)
		}
	}
}
