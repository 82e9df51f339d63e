package node

import (
	"strconv"
	"strings"
)

// Manifest describes a DaemonSet that runs install-node on all nodes of a cluster.
type Manifest struct {
	Namespace  string
	Image      string   // of this program
	PauseImage string   // of the container that keeps the pod running
	Args       []string // of install-node, which describe the provider
	Remove     bool     // uninstall instead
}

// YAML returns the DaemonSet. Its pods need no token of the cluster. They are privileged,
// since they write to the node and talk to its systemd.
func (m Manifest) YAML() ([]byte, error) {
	args := append([]string{"kubernetes", "install-node", "--root=/host", "--restart"}, m.Args...)
	if m.Remove {
		args = append(args, "--remove")
	}
	quote := strconv.QuoteToASCII // YAML 1.2, section 5.7, has Go's escapes
	for i, arg := range args {
		args[i] = quote(arg)
	}
	return []byte(strings.NewReplacer(
		"{name}", ProviderName,
		"{namespace}", quote(m.Namespace),
		"{image}", quote(m.Image),
		"{pause}", quote(m.PauseImage),
		"{args}", strings.Join(args, ", "),
	).Replace(`apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: {name}
  namespace: {namespace}
  labels:
    app.kubernetes.io/name: {name}
spec:
  selector:
    matchLabels:
      app.kubernetes.io/name: {name}
  template:
    metadata:
      labels:
        app.kubernetes.io/name: {name}
    spec:
      automountServiceAccountToken: false
      priorityClassName: system-node-critical
      nodeSelector:
        kubernetes.io/os: linux
      tolerations:
        - operator: Exists
      initContainers:
        - name: install
          image: {image}
          args: [{args}]
          securityContext:
            privileged: true
            runAsUser: 0
          volumeMounts:
            - name: node
              mountPath: /host
      containers:
        - name: pause
          image: {pause}
          resources:
            requests: {cpu: 1m, memory: 8Mi}
            limits: {memory: 16Mi}
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            runAsNonRoot: true
            runAsUser: 65535
            capabilities: {drop: [ALL]}
            seccompProfile: {type: RuntimeDefault}
      volumes:
        - name: node
          hostPath:
            path: /
`)), nil
}
