package workload

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

const audience = "issuer.enforce.dev"

// bare returns a machine without any system.
func bare(t *testing.T) Host {
	t.Helper()
	return Host{
		Getenv:    variables{}.get,
		LookPath:  func(string) (string, error) { return "", errors.New("not in PATH") },
		Transport: http.DefaultTransport,
		Root:      t.TempDir(),
	}
}

// place writes a file below the machine's root.
func (h Host) place(t *testing.T, path, text string) {
	t.Helper()
	path = filepath.Join(h.Root, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, path, text)
}

// TestOrder removes one system after the other: those of the job come before those of the
// machine. No request is made.
func TestOrder(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer server.Close()
	h := bare(t)
	h.place(t, KubernetesToken, jwt)
	h.place(t, "federated", jwt)
	mounted := filepath.Join(h.Root, KubernetesToken)
	federated := filepath.Join(h.Root, "federated")
	env := variables{
		"ACTIONS_ID_TOKEN_REQUEST_URL": server.URL, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "bearer",
		"CIRCLECI": "true", "CIRCLE_OIDC_TOKEN_V2": "second", "CIRCLE_OIDC_TOKEN": "first",
		"BITBUCKET_STEP_OIDC_TOKEN":  "bitbucket",
		"BUILDKITE":                  "true",
		"AZURE_FEDERATED_TOKEN_FILE": federated,
		"GCE_METADATA_HOST":          strings.TrimPrefix(server.URL, "http://"),
	}
	path := map[string]bool{"circleci": true, "buildkite-agent": true}
	h.Getenv = env.get
	h.LookPath = func(name string) (string, error) {
		if !path[name] {
			return "", errors.New("not in PATH")
		}
		return "/nowhere/" + name, nil
	}
	without := func(names ...string) func() {
		return func() {
			for _, name := range names {
				delete(env, name)
			}
		}
	}
	for _, step := range []struct {
		name, path, token string
		leave             func()
	}{
		{"GitHub Actions", "", "", without("ACTIONS_ID_TOKEN_REQUEST_URL")},
		{"CircleCI", "", "", func() { delete(path, "circleci") }},
		{"CircleCI", "", "second", without("CIRCLE_OIDC_TOKEN_V2")},
		{"CircleCI", "", "first", without("CIRCLE_OIDC_TOKEN", "CIRCLECI")},
		{"Bitbucket Pipelines", "", "bitbucket", without("BITBUCKET_STEP_OIDC_TOKEN")},
		{"Buildkite", "", "", without("BUILDKITE")},
		{"Kubernetes (the file " + mounted + ")", mounted, jwt, func() { os.Remove(mounted) }},
		{"Azure Workload Identity (the file " + federated + ")", federated, jwt, without("AZURE_FEDERATED_TOKEN_FILE")},
		{"Google Cloud", "", "", without("GCE_METADATA_HOST")},
	} {
		source, ok := h.Ambient(audience)
		if !ok || source.Name != step.name || source.Path != step.path {
			t.Errorf("got %q with path %q (%v), want %q with path %q", source.Name, source.Path, ok, step.name, step.path)
		}
		if step.token != "" {
			token, err := source.Token(t.Context())
			wants(t, token, err, step.token, "")
		}
		step.leave()
	}
	if source, ok := h.Ambient(audience); ok {
		t.Errorf("got %q, want no source on a machine without a system", source.Name)
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("requests: got %d, want none before a token is requested", n)
	}
}

// TestNotAmbient has machines with a part of what a system provides.
func TestNotAmbient(t *testing.T) {
	for _, test := range []struct {
		name string
		env  variables
	}{
		{"GitHub without permission", variables{"GITHUB_ACTIONS": "true"}},
		{"GitHub, the address alone", variables{"ACTIONS_ID_TOKEN_REQUEST_URL": "https://token.example"}},
		{"GitHub, the bearer alone", variables{"ACTIONS_ID_TOKEN_REQUEST_TOKEN": "bearer"}},
		{"CircleCI without its command", variables{"CIRCLECI": "true"}},
		{"Buildkite without its agent", variables{"BUILDKITE": "true"}},
		{"GitLab", variables{"GITLAB_CI": "true", "CI_JOB_TOKEN": "other"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := bare(t)
			h.Getenv = test.env.get
			if source, ok := h.Ambient(audience); ok {
				t.Errorf("got %q, want no source", source.Name)
			}
		})
	}
	t.Run("a program called circleci outside CircleCI", func(t *testing.T) {
		h := bare(t)
		h.LookPath = func(name string) (string, error) { return "/usr/bin/" + name, nil }
		if source, ok := h.Ambient(audience); ok {
			t.Errorf("got %q, want no source", source.Name)
		}
	})
}

func TestIsGoogle(t *testing.T) {
	for _, test := range []struct {
		name, product string
		env           variables
		want          bool
	}{
		{name: "nothing"},
		{name: "a virtual machine", product: "Google Compute Engine\n", want: true},
		{name: "an older one", product: "Google\n", want: true},
		{name: "a Chromebook", product: "Google_Eve\n"},
		{name: "another's machine", product: "Standard PC (Q35 + ICH9, 2009)\n"},
		{name: "Cloud Run", env: variables{"K_SERVICE": "web"}, want: true},
		{name: "a job of Cloud Run", env: variables{"CLOUD_RUN_JOB": "nightly"}, want: true},
		{name: "a user who says so", env: variables{"GCE_METADATA_HOST": "metadata.google.internal"}, want: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := bare(t)
			h.Getenv = test.env.get
			if test.product != "" {
				h.place(t, "sys/class/dmi/id/product_name", test.product)
			}
			if _, got := h.Ambient(audience); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestHint(t *testing.T) {
	for _, test := range []struct{ variable, want string }{
		{"GITHUB_ACTIONS", "permissions: id-token: write"},
		{"GITLAB_CI", "--identity-token-env NAME"},
		{"CIRCLECI", "--identity-token -"},
		{"BITBUCKET_BUILD_NUMBER", "oidc: true"},
		{"BUILDKITE", "buildkite-agent is not in PATH"},
		{"JENKINS_URL", "--identity-token-env NAME"},
		{"KUBERNETES_SERVICE_HOST", KubernetesToken},
	} {
		t.Run(test.variable, func(t *testing.T) {
			h := bare(t)
			h.Getenv = variables{test.variable: "1", "KUBERNETES_SERVICE_HOST": "10.0.0.1"}.get
			if got := h.Hint(); !strings.Contains(got, test.want) || strings.Contains(got, "\n") {
				t.Errorf("got %q, want one line with %q in it", got, test.want)
			}
		})
	}
	if got := bare(t).Hint(); got != "" {
		t.Errorf("got %q, want no hint where nothing is known", got)
	}
}

func TestThisHost(t *testing.T) {
	h := ThisHost()
	t.Setenv("WORKLOAD_TEST", "seen")
	if h.Getenv("WORKLOAD_TEST") != "seen" || h.LookPath == nil || h.Transport == nil || h.Root == "" {
		t.Errorf("got %+v, want every seam filled", h)
	}
}
