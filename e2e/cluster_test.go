package e2e

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
)

// fakeCluster is an API server that stores secrets, for scripts. It merges what is applied,
// without a manager for each field: the rules of a real one are tested in package kubernetes.
type fakeCluster struct {
	names    []string // of the namespaces that every selector matches
	mu       sync.Mutex
	requests int
	secrets  map[string]map[string]any // by path
	refused  map[string]bool           // namespaces
}

// beCluster runs a command of a script:
//
//	cluster start         starts an API server, and makes the script a pod of it, with the folder pod
//	cluster opaque NS     puts a secret of the type Opaque into a namespace
//	cluster refuse NS     lets nobody read the secrets of a namespace
//	cluster config NS     writes the Docker config in a namespace's secret to the file config.json
func beCluster(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: cluster COMMAND [NAMESPACE]")
	}
	if args[0] == "start" {
		startCluster(ts)
		return
	}
	found, _ := clusters.Load(ts)
	c := found.(*fakeCluster)
	c.mu.Lock()
	defer c.mu.Unlock()
	path := "/api/v1/namespaces/" + args[1] + "/secrets/cgr-pull"
	switch args[0] {
	case "opaque":
		c.secrets[path] = map[string]any{"type": "Opaque"}
	case "refuse":
		c.refused[args[1]] = true
	case "config":
		text, err := json.Marshal(c.secrets[path])
		ts.Check(err)
		var secret struct{ Data map[string][]byte }
		ts.Check(json.Unmarshal(text, &secret))
		ts.Check(os.WriteFile(ts.MkAbs("config.json"), secret.Data[".dockerconfigjson"], 0o600))
	default:
		ts.Fatalf("no command %q", args[0])
	}
}

func startCluster(ts *testscript.TestScript) {
	c := &fakeCluster{names: []string{"web", "shop"}}
	dir := ts.MkAbs("pod")
	ts.Check(os.Mkdir(dir, 0o700))
	environ, stop, err := c.start(dir)
	ts.Check(err)
	ts.Defer(stop)
	for name, value := range environ {
		ts.Setenv(name, value)
	}
	clusters.Store(ts, c)
}

// start starts the API server, and returns the variables of a pod. It writes the files of a
// pod to dir.
func (c *fakeCluster) start(dir string) (environ map[string]string, stop func(), err error) {
	c.secrets, c.refused = map[string]map[string]any{}, map[string]bool{}
	server := httptest.NewUnstartedServer(c)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // a program that ends does not use all its connections
	server.StartTLS()
	for name, text := range map[string][]byte{
		"token": []byte("api-token"), "namespace": []byte("own"),
		"ca.crt": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return nil, server.Close, err
		}
	}
	host, port, err := net.SplitHostPort(server.Listener.Addr().String())
	return map[string]string{"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}, server.Close, err
}

// clusters has the cluster of each script.
var clusters sync.Map

func (c *fakeCluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests++
	namespace := strings.Split(r.URL.Path+"////", "/")[4]
	answer := func(code int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(v)
	}
	failure := func(code int, message string) {
		answer(code, map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code})
	}
	secret := c.secrets[r.URL.Path]
	switch {
	case r.Header.Get("Authorization") != "Bearer api-token":
		failure(http.StatusUnauthorized, "Unauthorized")
	case r.URL.Path == "/api/v1/namespaces":
		items := []any{}
		for _, name := range c.names {
			items = append(items, map[string]any{"metadata": map[string]any{"name": name}})
		}
		answer(http.StatusOK, map[string]any{"items": items})
	case c.refused[namespace]:
		failure(http.StatusForbidden, fmt.Sprintf(`secrets "cgr-pull" is forbidden: User "system:serviceaccount:a:b" cannot get resource "secrets" in API group "" in the namespace %q`, namespace))
	case r.Method == http.MethodGet && secret == nil:
		failure(http.StatusNotFound, `secrets "cgr-pull" not found`)
	case r.Method == http.MethodGet:
		answer(http.StatusOK, secret)
	default:
		body, _ := io.ReadAll(r.Body)
		var applied map[string]any
		if r.Method != http.MethodPatch || json.Unmarshal(body, &applied) != nil {
			failure(http.StatusBadRequest, "not an apply")
			return
		}
		code := http.StatusOK
		if secret == nil {
			secret, code = map[string]any{}, http.StatusCreated
		}
		maps.Copy(secret, applied)
		c.secrets[r.URL.Path] = secret
		answer(code, secret)
	}
}
