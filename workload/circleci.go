package workload

import (
	"encoding/json"

	"docker-credential-cgr/hint"
	"docker-credential-cgr/workload/idtoken"
)

// circleCI: in a job, CircleCI's command makes a fresh token of any audience. The job's
// variables have one token each, up to an hour old, whose audience is the organization's
// id (CircleCI, "OIDC tokens with custom claims").
var circleCI = System{
	Name:     "CircleCI",
	Variable: "CIRCLECI",
	Find:     findCircleCI,
	Hint: "neither the command circleci nor CIRCLE_OIDC_TOKEN_V2 is here, as under sudo: " +
		"hand the token over: --identity-token -",
	Secrets: circleCITokens,
	Issuer:  "https://oidc.circleci.com/",
	Job: func(j Job) string {
		configure := "docker-credential-cgr configure-docker --identity {identity}"
		if j.CustomAudience { // which only the job's own token can have
			configure += " --identity-token-env CIRCLE_OIDC_TOKEN"
		}
		return j.fill(`In .circleci/config.yml, with docker-credential-cgr in PATH:

version: 2.1
jobs:
  pull:
    machine: true
    steps:
      - run: ` + configure + `
      - run: docker pull {image}
workflows:
  pull:
    jobs: [pull]
`)
	},
}

var circleCITokens = []string{"CIRCLE_OIDC_TOKEN_V2", "CIRCLE_OIDC_TOKEN"}

func findCircleCI(h Host, audience string) (idtoken.Source, bool) {
	const name = "CircleCI"
	if h.Getenv("CIRCLECI") != "" {
		if path, err := h.LookPath("circleci"); err == nil {
			claims, _ := json.Marshal(map[string]string{"aud": audience}) // strings cannot fail
			source := idtoken.Command(name, h.values(circleCITokens), path, "run", "oidc", "get", "--claims", string(claims))
			return source.WithHint(hint.Text("use the job's own token: --identity-token-env CIRCLE_OIDC_TOKEN_V2")), true
		}
	}
	for _, token := range circleCITokens {
		if h.Getenv(token) != "" {
			return idtoken.VariableOf(name, token, h.Getenv), true
		}
	}
	return idtoken.Source{}, false
}
