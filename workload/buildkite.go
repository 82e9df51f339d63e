package workload

import "docker-credential-cgr/workload/idtoken"

// buildkite: the agent, which is in every job's PATH, makes a fresh token of any audience
// (Buildkite, "buildkite-agent oidc").
var buildkite = System{
	Name:     "Buildkite",
	Variable: "BUILDKITE",
	Find: func(h Host, audience string) (idtoken.Source, bool) {
		path, err := h.LookPath("buildkite-agent")
		if h.Getenv("BUILDKITE") == "" || err != nil {
			return idtoken.Source{}, false
		}
		return idtoken.Command("Buildkite", h.values(buildkiteSecrets), path, "oidc", "request-token", "--audience", audience), true
	},
	Hint:    "buildkite-agent is not in PATH: put it there, or hand the token over: --identity-token -",
	Secrets: buildkiteSecrets,
	Issuer:  "https://agent.buildkite.com",
}

var buildkiteSecrets = []string{"BUILDKITE_AGENT_ACCESS_TOKEN"}
