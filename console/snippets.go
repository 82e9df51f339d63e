package console

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"docker-credential-cgr/iam"
)

// snippet is a way to use a pull token, ready to be copied.
type snippet struct {
	Title string `json:"title"`
	Text  string `json:"text"`
}

// snippets are the ways to use a new pull token. Those of container clients are left out
// where it is not for images.
func snippets(registry string, made iam.PullToken, r iam.PullTokenRequest) []snippet {
	var all []snippet
	if slices.Contains(r.Repositories, iam.OCI) {
		all = append(all, snippet{"docker login", dockerLogin(registry, made)})
	}
	all = append(all, snippet{"Environment", environment(made, r.Repositories)})
	if slices.Contains(r.Repositories, iam.OCI) {
		all = append(all, snippet{"Kubernetes", kubernetesSecret(registry, made)})
	}
	return all
}

// shell quotes a word for POSIX shells.
func shell(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }

// dockerLogin keeps the secret out of the arguments of a process: printf is the shell's own.
func dockerLogin(registry string, made iam.PullToken) string {
	return fmt.Sprintf("printf %%s %s | docker login %s --username %s --password-stdin\n",
		shell(made.Token), shell(registry), shell(made.Identity.ID))
}

// environment sets the variables by chainctl's names: one pair for images and packages,
// and one for each type of library.
func environment(made iam.PullToken, repositories []iam.Repository) string {
	var prefixes []string
	for _, r := range repositories {
		prefix := "CHAINGUARD_"
		if r != iam.OCI && r != iam.APK {
			prefix += strings.ToUpper(string(r)) + "_"
		}
		if !slices.Contains(prefixes, prefix) {
			prefixes = append(prefixes, prefix)
		}
	}
	var b strings.Builder
	for _, prefix := range prefixes {
		fmt.Fprintf(&b, "export %sIDENTITY_ID=%s\nexport %sTOKEN=%s\n", prefix, shell(made.Identity.ID), prefix, shell(made.Token))
	}
	return b.String()
}

// kubernetesSecret is a pull secret for kubectl apply. JSON is YAML, and its strings need
// no other quoting.
func kubernetesSecret(registry string, made iam.PullToken) string {
	type login struct {
		Username string `json:"username"`
		Password string `json:"password"`
		Auth     string `json:"auth"`
	}
	auth := base64.StdEncoding.EncodeToString([]byte(made.Identity.ID + ":" + made.Token))
	config := quoted(map[string]any{"auths": map[string]login{registry: {made.Identity.ID, made.Token, auth}}})
	return `apiVersion: v1
kind: Secret
metadata:
  name: chainguard-pull
  annotations:
    chainguard.dev/identity: ` + quoted(made.Identity.ID) + `
    chainguard.dev/expires: ` + quoted(made.Expires.UTC().Format(time.RFC3339)) + `
type: kubernetes.io/dockerconfigjson
data:
  .dockerconfigjson: ` + base64.StdEncoding.EncodeToString([]byte(config)) + "\n"
}

// quoted is v as JSON.
func quoted(v any) string {
	text, _ := json.Marshal(v) // strings and maps of them can always be written
	return string(text)
}
