//go:build e2e && linux

package kubernetes

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"docker-credential-cgr/e2e/leaks"
	"docker-credential-cgr/e2e/testenv"
)

// pauseImage is the image of a pod's sandbox.
const pauseImage = "pause.test.invalid/pause:1"

// staticPods is the folder of the node's static pods.
const staticPods = "static-pods"

// TestKubelet has a real kubelet pull private images: with the token of the pod's service account, and with nothing
// stored on the node.
func TestKubelet(t *testing.T) {
	require(t, "containerd", "ctr", "runc", "unshare")
	c := newCluster(t)
	c.run("login")
	c.namespace("web")
	app := c.identity("app", "web:app")
	c.serviceAccount("web", "app", map[string]string{"cgr.dev/identity": app})
	c.serviceAccount("web", "other", map[string]string{"cgr.dev/identity": app})

	root := c.path("node")
	if err := os.MkdirAll(filepath.Join(root, "var/lib/rancher/k3s"), 0o755); err != nil {
		t.Fatal(err)
	}
	c.platform.WorkloadIdentity("node", "registry.pull")
	c.run("kubernetes", "install-node", "--root", root, "--node-token", c.write("node-token", c.platform.IDToken("node")))
	pause := c.buildPause()
	c.pod("good", "app", c.platform.RegistryHost()+"/example.com/python:latest", pause)
	c.pod("bad", "other", c.platform.RegistryHost()+"/example.com/python:3.13", pause)
	if status, answer := c.requestToken("good"); status != http.StatusForbidden || !strings.Contains(string(answer), "audience") {
		t.Errorf("before the role, a node's request for a token: %d %s", status, answer)
	}
	c.apply(c.run("kubernetes", "provider-config", "--rbac", "-o", "json"))
	testenv.Await(t, "the node may request tokens for the issuer", func() bool {
		status, _ := c.requestToken("good")
		return status == http.StatusCreated
	})

	log := c.startKubelet(root, pause)
	testenv.Await(t, "the pod runs", func() bool { return c.status("good").Phase == "Running" })
	// It has no service account: the node's own ID token is exchanged.
	c.write(staticPods+"/static.json", string(must(json.Marshal(c.newPod("static", "", c.platform.RegistryHost()+"/example.com/python:3.13", pause)))))
	testenv.Await(t, "the static pod runs", func() bool { return c.status("static-"+nodeName).Phase == "Running" })
	if !c.isLastSeen(app) {
		t.Error("the platform has not seen the pod's identity")
	}

	reason := regexp.MustCompile(`(?m)^.*cannot exchange the token of system:serviceaccount:web:other: cannot assume the identity ` + app + `: .*$`)
	var line []byte
	testenv.Await(t, "the kubelet's log has the reason", func() bool {
		text, err := os.ReadFile(log)
		line = reason.Find(text)
		return err == nil && line != nil
	})
	if s := c.status("bad"); s.Phase != "Pending" {
		t.Errorf("the pod of another service account is %s", s.Phase)
	}
	t.Logf("the kubelet's log: %s", line)

	if err := os.Remove(c.path(staticPods + "/static.json")); err != nil {
		t.Fatal(err)
	}
	c.removePods("good", "bad", "static-"+nodeName)
	// Nothing of a token is stored. The kubelet's and containerd's own files are all there is on a node.
	tokens := leaks.Of(c.platform.Issued())
	for _, dir := range []string{c.path("kubelet"), root} {
		if files, err := tokens.InFiles(dir, func(string) bool { return false }); err != nil || len(files) != 0 {
			t.Errorf("the node stores tokens in %v (%v)", files, err)
		}
	}
	if text, err := os.ReadFile(log); err != nil || tokens.In(text) {
		t.Errorf("the kubelet's log has a token (%v)", err)
	}
}

// requestToken requests a token of the service account app for a pod, as the node does.
func (c *cluster) requestToken(pod string) (status int, answer []byte) {
	c.t.Helper()
	var p struct{ Metadata struct{ UID string } }
	c.get("/api/v1/namespaces/web/pods/"+pod, &p)
	return c.request(nodeToken, http.MethodPost, "/api/v1/namespaces/web/serviceaccounts/app/token", object{
		"spec": object{
			"audiences":      []string{c.platform.IssuerHost()},
			"boundObjectRef": object{"apiVersion": "v1", "kind": "Pod", "name": pod, "uid": p.Metadata.UID},
		},
	})
}

type podStatus struct {
	Phase             string
	ContainerStatuses []struct {
		State struct {
			Waiting struct{ Reason, Message string }
		}
	}
}

// status returns the status of a pod; it is zero if there is no pod.
func (c *cluster) status(pod string) podStatus {
	c.t.Helper()
	var p struct{ Status podStatus }
	if status, answer := c.request(adminToken, http.MethodGet, "/api/v1/namespaces/web/pods/"+pod, nil); status == http.StatusOK {
		if err := json.Unmarshal(answer, &p); err != nil {
			c.t.Fatal(err)
		}
	}
	return p.Status
}

// pod creates a pod on the node. It runs a program of the node, because the platform's images have none.
func (c *cluster) pod(name, account, image, program string) {
	c.t.Helper()
	c.create("/api/v1/namespaces/web/pods", c.newPod(name, account, image, program))
}

// newPod returns a pod; account is empty for a static one.
func (c *cluster) newPod(name, account, image, program string) object {
	return object{
		"apiVersion": "v1", "kind": "Pod",
		"metadata": object{"name": name, "namespace": "web"},
		"spec": object{
			"nodeName": nodeName, "serviceAccountName": account, "automountServiceAccountToken": false,
			"hostNetwork": true, "enableServiceLinks": false, "terminationGracePeriodSeconds": 1,
			"containers": []any{object{
				"name": "main", "image": image, "command": []string{"/program/" + filepath.Base(program)},
				"volumeMounts": []any{object{"name": "program", "mountPath": "/program"}},
			}},
			"volumes": []any{object{"name": "program", "hostPath": object{"path": filepath.Dir(program)}}},
		},
	}
}

// removePods deletes pods and waits until the kubelet has removed their containers.
func (c *cluster) removePods(names ...string) {
	c.t.Helper()
	for _, name := range names {
		c.request(adminToken, http.MethodDelete, "/api/v1/namespaces/web/pods/"+name, nil)
	}
	testenv.Await(c.t, "the pods are gone", func() bool {
		for _, name := range names {
			if status, _ := c.request(adminToken, http.MethodGet, "/api/v1/namespaces/web/pods/"+name, nil); status != http.StatusNotFound {
				return false
			}
		}
		return true
	})
}

// buildPause builds the program of the containers.
func (c *cluster) buildPause() (path string) {
	c.t.Helper()
	path = c.path("program/pause")
	cmd := exec.CommandContext(c.t.Context(), "go", "build", "-o", path, "./pause")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		c.t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// writePauseImage writes an image with one program as an archive.
func (c *cluster) writePauseImage(program string) (path string) {
	c.t.Helper()
	text, err := os.ReadFile(program)
	if err != nil {
		c.t.Fatal(err)
	}
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	if err := w.WriteHeader(&tar.Header{Name: "pause", Mode: 0o755, Size: int64(len(text))}); err != nil {
		c.t.Fatal(err)
	}
	if _, err := w.Write(text); err != nil {
		c.t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		c.t.Fatal(err)
	}
	file := c.write("pause-layer.tar", layer.String())
	content, err := tarball.LayerFromFile(file)
	if err != nil {
		c.t.Fatal(err)
	}
	image, err := mutate.AppendLayers(empty.Image, content)
	if err != nil {
		c.t.Fatal(err)
	}
	image, err = mutate.ConfigFile(image, &v1.ConfigFile{
		OS: "linux", Architecture: "amd64", Config: v1.Config{Entrypoint: []string{"/pause"}},
		RootFS: v1.RootFS{Type: "layers", DiffIDs: must(image.ConfigFile()).RootFS.DiffIDs},
	})
	if err != nil {
		c.t.Fatal(err)
	}
	path = c.path("pause.tar")
	if err := tarball.WriteToFile(path, must(name.NewTag(pauseImage)), image); err != nil {
		c.t.Fatal(err)
	}
	return path
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// startKubelet starts containerd and a kubelet with the credential providers of the node whose files are below root. They
// run in namespaces of their own, so that all their processes and mounts end with the test. It returns the kubelet's log.
func (c *cluster) startKubelet(root, pause string) (log string) {
	c.t.Helper()
	dir := c.path("kubelet")
	socket := c.path("containerd.sock")
	containerd := c.write("containerd.toml", fmt.Sprintf(`version = 2
root = %[1]q
state = %[2]q
[grpc]
  address = %[3]q
[plugins."io.containerd.internal.v1.opt"]
  path = %[4]q
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = %[5]q
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = %[4]q
    conf_dir = %[4]q
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
`, dir+"/containerd", dir+"/state", socket, dir+"/opt", pauseImage))
	kubeconfig := c.write("kubeconfig", fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: %q, certificate-authority: %q}}]
users: [{name: u, user: {token: %q}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
`, c.url, c.ca, nodeToken))
	config := c.write("kubelet.yaml", fmt.Sprintf(`apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: 127.0.0.1
port: %d
healthzPort: 0
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
containerRuntimeEndpoint: "unix://%s"
failCgroupV1: false
cgroupDriver: cgroupfs
cgroupsPerQOS: false
enforceNodeAllocatable: []
failSwapOn: false
localStorageCapacityIsolation: false
makeIPTablesUtilChains: false
evictionHard: {memory.available: "0%%", nodefs.available: "0%%", nodefs.inodesFree: "0%%", imagefs.available: "0%%"}
podLogsDir: %s
volumePluginDir: %s
staticPodPath: %s
fileCheckFrequency: 1s
`, freePort(c.t), socket, dir+"/logs", dir+"/plugins", c.path(staticPods)))
	providers := filepath.Join(root, "var/lib/rancher/credentialprovider")
	script := c.write("node.sh", fmt.Sprintf(`set -e
mount --make-rprivate /
containerd --config %[1]s >%[2]s/containerd.log 2>&1 &
until ctr --address %[3]s version >/dev/null 2>&1; do sleep 0.1; done
ctr --address %[3]s --namespace k8s.io images import --snapshotter native %[4]s >/dev/null
%[5]s --config %[6]s --kubeconfig %[7]s --root-dir %[8]s --cert-dir %[8]s/pki --hostname-override %[9]s --node-ip 127.0.0.1 \
	--image-credential-provider-config %[10]s/config.yaml --image-credential-provider-bin-dir %[10]s/bin --v=2 2>%[2]s/kubelet.log
`, containerd, c.dir, socket, c.writePauseImage(pause), filepath.Join(c.programs, "kubelet"), config, kubeconfig, dir, nodeName, providers))
	for _, dir := range []string{dir, c.path(staticPods)} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			c.t.Fatal(err)
		}
	}
	c.start("node", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", script)
	log = c.path("kubelet.log")
	c.t.Cleanup(func() {
		if c.t.Failed() {
			c.t.Logf("kubelet: %s\ncontainerd: %s", tail(log), tail(c.path("containerd.log")))
		}
	})
	testenv.Await(c.t, "the node is registered", func() bool {
		status, _ := c.request(adminToken, http.MethodGet, "/api/v1/nodes/"+nodeName, nil)
		return status == http.StatusOK
	})
	return log
}
