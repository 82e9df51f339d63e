package workload

import "docker-credential-cgr/workload/idtoken"

// bitbucket: a step with `oidc: true` has one token, with the workspace's audience
// (Bitbucket Cloud, "Integrate Pipelines with resource servers using OIDC").
var bitbucket = System{
	Name:     "Bitbucket Pipelines",
	Variable: "BITBUCKET_BUILD_NUMBER",
	Find: func(h Host, _ string) (idtoken.Source, bool) {
		return idtoken.VariableOf("Bitbucket Pipelines", bitbucketToken, h.Getenv), h.Getenv(bitbucketToken) != ""
	},
	Hint:    "Bitbucket gives this step no ID token: add to the step: oidc: true",
	Secrets: []string{bitbucketToken},
	Issuer:  "https://api.bitbucket.org/",
}

const bitbucketToken = "BITBUCKET_STEP_OIDC_TOKEN"
