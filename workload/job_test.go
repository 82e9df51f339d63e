package workload

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"docker-credential-cgr/iam"
	"docker-credential-cgr/workload/idtoken"
)

// What users paste is YAML that means what the identity says, whatever that contains.
func TestJobIsYAML(t *testing.T) {
	for name, audience := range map[string]string{
		"plain": "issuer.example", "I75 quotes": `a "b" 'c'`, "I75 a comment": "a # b: {c}", "I75 no text": "null", "another script": "аудитория 😀",
	} {
		t.Run(name, func(t *testing.T) {
			j := Job{Identity: "aa/bb", Image: "cgr.dev/example.com/python:latest", Audience: "other.example"}
			for _, system := range []System{gitHub, gitLab, circleCI, kubernetes} {
				issuer := system.Issuer
				if issuer == "" {
					issuer = "https://issuer.example"
				}
				text := j.Steps(iam.Identity{ClaimMatch: &iam.ClaimMatch{Issuer: issuer, Subject: system.SubjectPrefix + "x", Audience: audience}})
				_, body, _ := strings.Cut(text, "\n\n")
				var parsed map[string]any
				if err := yaml.Unmarshal([]byte(body), &parsed); err != nil {
					t.Errorf("got %v for %s, want YAML:\n%s", err, system.Name, body)
				}
				if !strings.Contains(body, j.Identity) || !strings.Contains(body, j.Image) {
					t.Errorf("got %s for %s, want the identity and the image in it", body, system.Name)
				}
				if system.Name != gitLab.Name {
					continue
				}
				var pipeline struct {
					Pull struct {
						IDTokens struct {
							Token struct{ Aud string } `yaml:"ID_TOKEN"`
						} `yaml:"id_tokens"`
					}
				}
				if err := yaml.Unmarshal([]byte(body), &pipeline); err != nil || pipeline.Pull.IDTokens.Token.Aud != audience {
					t.Errorf("got the audience %q, %v, want %q", pipeline.Pull.IDTokens.Token.Aud, err, audience)
				}
			}
		})
	}
}

func TestSteps(t *testing.T) {
	principal := "COSIGNED"
	claims := func(issuer, subject string) iam.Identity {
		return iam.Identity{ClaimMatch: &iam.ClaimMatch{Issuer: issuer, SubjectPattern: subject}}
	}
	for name, test := range map[string]struct {
		identity iam.Identity
		want     string
	}{
		"GitHub":                    {claims(gitHubIssuer, "^repo:a/b:.+$"), "id-token: write"},
		"GitHub Enterprise Server":  {claims("https://github.example/_services/token", "^repo:a/b:.+$"), "id-token: write"},
		"GitLab":                    {claims(gitLabIssuer, "x"), ".gitlab-ci.yml"},
		"GitLab, self-managed":      {claims("https://gitlab.example", "^project_path:a/b:.+$"), ".gitlab-ci.yml"},
		"CircleCI":                  {claims("https://oidc.circleci.com/org/1", "x"), ".circleci/config.yml"},
		"Kubernetes":                {claims("https://k8s.example", "system:serviceaccount:a:b"), "serviceAccountToken"},
		"Kubernetes with keys":      {iam.Identity{Static: &iam.Static{Subject: "system:serviceaccount:a:b", Audiences: []string{"x"}}}, `audience: "x"`},
		"Bitbucket":                 {claims("https://api.bitbucket.org/2.0/workspaces/a", "x"), "finds the ID token by itself"},
		"Buildkite":                 {claims("https://agent.buildkite.com", "x"), "finds the ID token by itself"},
		"Buildkite's issuer longer": {claims("https://agent.buildkite.com.evil.example", "x"), "--identity-token PATH"},
		"Google":                    {claims("https://accounts.google.com", "x"), "finds the ID token by itself"},
		"another":                   {claims("https://ci.example", "x"), "--identity-token PATH"},
		"AWS":                       {iam.Identity{AWSIdentity: &iam.AWSIdentity{}}, "GetCallerIdentity"},
		"a service":                 {iam.Identity{ServicePrincipal: &principal}, "nothing to put into a job"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := (Job{Identity: "aa/bb", Image: "image", Audience: "issuer.example"}).Steps(test.identity); !strings.Contains(got, test.want) {
				t.Errorf("got %s, want %q in it", got, test.want)
			}
		})
	}
}

// A system takes one value in Systems and nothing else.
func TestNewSystem(t *testing.T) {
	old := Systems
	t.Cleanup(func() { Systems = old })
	Systems = append(old[:len(old):len(old)], System{
		Name: "Acme CI", Variable: "ACME_CI", Hint: "turn on ID tokens", Secrets: []string{"ACME_ID_TOKEN"}, Mask: "@hide ",
		Issuer: "https://acme.example/", SubjectPrefix: "acme:", NamesOwner: true,
		Find: func(h Host, _ string) (idtoken.Source, bool) {
			return idtoken.VariableOf("Acme CI", "ACME_ID_TOKEN", h.Getenv), h.Getenv("ACME_ID_TOKEN") != ""
		},
		Job: func(j Job) string { return j.fill("pull {image} as {identity}") },
	})
	h := bare(t)
	h.Getenv = variables{"ACME_CI": "1", "ACME_ID_TOKEN": jwt}.get
	source, ok := h.Ambient(audience)
	if !ok || source.Name != "Acme CI" {
		t.Errorf("got the source %q (%v), want Acme CI", source.Name, ok)
	}
	if h.Hint() != "turn on ID tokens" || h.Mask() != "@hide " || !IsSecret("acme_id_token") {
		t.Errorf("got the hint %q, the mask %q and the secret %v, want Acme's", h.Hint(), h.Mask(), IsSecret("acme_id_token"))
	}
	m := iam.ClaimMatch{Issuer: "https://acme.example/team", SubjectPattern: "^acme:my-org.*$"}
	if got := (Job{Image: "i", Identity: "id"}).Steps(iam.Identity{ClaimMatch: &m}); got != "pull i as id" {
		t.Errorf("got %q, want Acme's job", got)
	}
	if r := ReviewClaims(m); len(r.Accepts) != 1 || !strings.Contains(r.Accepts[0], "acme:my-org-evil/x") {
		t.Errorf("got %q, want a warning of a stranger's name", r.Accepts)
	}
}
