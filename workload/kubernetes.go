package workload

import (
	"os"
	"path/filepath"

	"docker-credential-cgr/workload/idtoken"
)

// KubernetesToken is where the vendor's own manifests mount a service account's token for
// its issuer (Chainguard Academy, "Create an Assumable Identity for a Kubernetes Pod").
const KubernetesToken = "/var/run/chainguard/oidc/oidc-token"

// kubernetesSubject is what the subjects of all service accounts begin with.
const kubernetesSubject = "system:serviceaccount:"

// KubernetesSubject returns the subject of the tokens of a service account.
func KubernetesSubject(namespace, account string) string {
	return kubernetesSubject + namespace + ":" + account
}

// kubernetes: a pod has the token of its service account in a file. The issuer is the
// cluster.
var kubernetes = System{
	Name:     "Kubernetes",
	Variable: "KUBERNETES_SERVICE_HOST",
	Find: func(h Host, _ string) (idtoken.Source, bool) {
		path := filepath.Join(h.Root, KubernetesToken)
		_, err := os.Stat(path)
		return idtoken.FileOf("Kubernetes", path), err == nil
	},
	Hint:          "this pod has no ID token for the issuer: project a service account token to " + KubernetesToken,
	SubjectPrefix: kubernetesSubject,
	Job: func(j Job) string {
		return j.fill(`In the pod, with docker-credential-cgr and crane in the image:

spec:
  serviceAccountName: SERVICE_ACCOUNT
  containers:
    - name: pull
      image: registry.example.com/builder:latest
      command: ["sh", "-ec"]
      args:
        - |
          docker-credential-cgr configure-docker --no-login
          crane digest {image}
      env:
        - name: CHAINGUARD_AUTH_IDENTITY
          value: {identity}
      volumeMounts:
        - name: id-token
          mountPath: /var/run/chainguard/oidc
          readOnly: true
  volumes:
    - name: id-token
      projected:
        sources:
          - serviceAccountToken:
              path: oidc-token
              audience: {audience}
              expirationSeconds: 600
`)
	},
}
