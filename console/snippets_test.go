package console

import (
	"encoding/base64"
	"encoding/json"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"docker-credential-cgr/iam"
)

func pair() iam.PullToken {
	return iam.PullToken{Identity: iam.Identity{ID: pullID}, Token: secret, Expires: time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)}
}

func TestSnippets(t *testing.T) {
	for _, test := range []struct {
		repositories []iam.Repository
		titles       []string
		variables    []string
	}{
		{[]iam.Repository{iam.OCI}, []string{"docker login", "Environment", "Kubernetes"}, []string{"CHAINGUARD_IDENTITY_ID", "CHAINGUARD_TOKEN"}},
		{[]iam.Repository{iam.OCI, iam.APK}, []string{"docker login", "Environment", "Kubernetes"}, []string{"CHAINGUARD_IDENTITY_ID", "CHAINGUARD_TOKEN"}},
		{[]iam.Repository{iam.Java}, []string{"Environment"}, []string{"CHAINGUARD_JAVA_IDENTITY_ID", "CHAINGUARD_JAVA_TOKEN"}},
		{[]iam.Repository{iam.APK, iam.JavaScript}, []string{"Environment"}, []string{"CHAINGUARD_IDENTITY_ID", "CHAINGUARD_TOKEN", "CHAINGUARD_JAVASCRIPT_IDENTITY_ID", "CHAINGUARD_JAVASCRIPT_TOKEN"}},
	} {
		var titles []string
		for _, s := range snippets("cgr.dev", pair(), iam.PullTokenRequest{Repositories: test.repositories}) {
			titles = append(titles, s.Title)
		}
		if !slices.Equal(titles, test.titles) {
			t.Errorf("%q: got %q, want %q", test.repositories, titles, test.titles)
		}
		var variables []string
		for _, match := range regexp.MustCompile(`(?m)^export ([A-Z_]+)='[^']+'$`).FindAllStringSubmatch(environment(pair(), test.repositories), -1) {
			variables = append(variables, match[1])
		}
		if !slices.Equal(variables, test.variables) {
			t.Errorf("%q: got the variables %q, want %q", test.repositories, variables, test.variables)
		}
	}
}

// TestShell has a shell run what people paste, with words that would do harm unquoted.
func TestShell(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no sh")
	}
	hostile := pair()
	hostile.Token = `it's; $(echo harm) %s`
	run := func(script string) string {
		t.Helper()
		out, err := exec.Command(sh, "-c", script).Output()
		if err != nil {
			t.Fatalf("%s: %v", script, err)
		}
		return string(out)
	}
	got := run(`docker() { echo "$@"; cat; }; ` + dockerLogin("cgr.dev", hostile))
	if want := "login cgr.dev --username " + pullID + " --password-stdin\n" + hostile.Token; got != want {
		t.Errorf("P13 got %q, want %q: the secret on standard input alone", got, want)
	}
	got = run(environment(hostile, []iam.Repository{iam.OCI}) + `printf '%s %s' "$CHAINGUARD_IDENTITY_ID" "$CHAINGUARD_TOKEN"`)
	if want := pullID + " " + hostile.Token; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestKubernetesSecret(t *testing.T) {
	text := kubernetesSecret("cgr.dev", pair())
	data := regexp.MustCompile(`(?m)^  \.dockerconfigjson: (\S+)$`).FindStringSubmatch(text)
	if data == nil || !strings.Contains(text, "\ntype: kubernetes.io/dockerconfigjson\n") {
		t.Fatalf("got %s, want a secret of Docker's configuration", text)
	}
	config, err := base64.StdEncoding.DecodeString(data[1])
	if err != nil {
		t.Fatal(err)
	}
	var read struct {
		Auths map[string]struct{ Username, Password, Auth string }
	}
	if err := json.Unmarshal(config, &read); err != nil {
		t.Fatal(err)
	}
	entry := read.Auths["cgr.dev"]
	auth, _ := base64.StdEncoding.DecodeString(entry.Auth)
	if len(read.Auths) != 1 || entry.Username != pullID || entry.Password != secret || string(auth) != pullID+":"+secret {
		t.Errorf("got %s, want the pair for this registry alone", config)
	}
	if !strings.Contains(text, `"2027-01-02T03:04:05Z"`) || !strings.Contains(text, pullID) {
		t.Errorf("got %s, want the identity and its end in it", text)
	}
}
