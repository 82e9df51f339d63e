package workload

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"

	"docker-credential-cgr/platform"
)

// Host is the machine, as far as it tells who runs it.
type Host struct {
	Getenv   func(string) string
	LookPath func(string) (string, error) // an absolute path, or an error
	// Transport carries requests to GitHub's token service. It must follow no redirect.
	Transport http.RoundTripper
	Root      string // of the file system
}

// ThisHost is the machine that the program runs on.
func ThisHost() Host {
	return Host{Getenv: os.Getenv, LookPath: exec.LookPath, Transport: platform.NewTransport(), Root: "/"}
}

// kubernetesToken is where the vendor's own manifests mount a service account's
// token for its issuer (Chainguard Academy, "Create an Assumable Identity for a
// Kubernetes Pod").
const kubernetesToken = "/var/run/chainguard/oidc/oidc-token"

// Ambient finds the system that gives this machine ID tokens, and gives the source
// of those for an audience, where the system lets one be chosen. It looks at
// variables, PATH and two files, but asks nobody: no request is made and no command
// run before a token is asked for. It is false where no system is known.
//
// What belongs to the job alone comes first, what belongs to the machine last: a
// runner may be a pod, and the pod's node a virtual machine.
func (h Host) Ambient(audience string) (Source, bool) {
	for _, find := range []func(Host, string) (Source, bool){
		Host.github, Host.circleCI, Host.bitbucket, Host.buildkite, Host.kubernetes, Host.azure, Host.google,
	} {
		if source, ok := find(h, audience); ok {
			return source, true
		}
	}
	return Source{}, false
}

// Hint says what to do where Ambient finds nothing although the system that runs
// the job is known. It is empty where none is known.
func (h Host) Hint() string {
	for _, system := range []struct{ variable, hint string }{
		{"GITHUB_ACTIONS", "GitHub gives this job no ID token: add to the workflow: permissions: id-token: write (pull requests from forks get none)"},
		{"GITLAB_CI", "GitLab gives ID tokens in variables: add id_tokens: to the job and name the variable: --identity-token-env NAME"},
		{"CIRCLECI", "neither the command circleci nor CIRCLE_OIDC_TOKEN_V2 is here, as under sudo: hand the token over: --identity-token -"},
		{"BITBUCKET_BUILD_NUMBER", "Bitbucket gives this step no ID token: add to the step: oidc: true"},
		{"BUILDKITE", "buildkite-agent is not in PATH: put it there, or hand the token over: --identity-token -"},
		{"JENKINS_URL", "Jenkins gives ID tokens as credentials: bind one to a variable and name that: --identity-token-env NAME"},
		{"KUBERNETES_SERVICE_HOST", "this pod has no ID token for the issuer: project a service account token to " + kubernetesToken},
	} {
		if h.Getenv(system.variable) != "" {
			return system.hint
		}
	}
	return ""
}

// bitbucket: a step with `oidc: true` has one token, with the workspace's audience
// (Bitbucket Cloud, "Integrate Pipelines with resource servers using OIDC").
func (h Host) bitbucket(string) (Source, bool) {
	const name = "BITBUCKET_STEP_OIDC_TOKEN"
	return variable("Bitbucket Pipelines", name, h.Getenv), h.Getenv(name) != ""
}

func (h Host) kubernetes(string) (Source, bool) {
	path := filepath.Join(h.Root, kubernetesToken)
	if _, err := os.Stat(path); err != nil {
		return Source{}, false
	}
	source := File(path)
	source.Name = "Kubernetes (" + source.Name + ")"
	return source, true
}

// azure: the webhook of Azure Workload Identity sets the path of a service account's
// token (azure-workload-identity, "Mutating Admission Webhook").
func (h Host) azure(string) (Source, bool) {
	path := h.Getenv("AZURE_FEDERATED_TOKEN_FILE")
	if path == "" {
		return Source{}, false
	}
	source := File(path)
	source.Name = "Azure Workload Identity (" + source.Name + ")"
	return source, true
}
