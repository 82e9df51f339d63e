package e2e

import (
	"os"

	"docker-credential-cgr/e2e/fakeplatform"
)

// Values of the real systems.
const (
	clusterIssuer    = "https://westeurope.oic.prod-aks.azure.com/7e3b/9d1a/"
	githubIssuer     = "https://token.actions.githubusercontent.com"
	kubernetesIssuer = "https://kubernetes.example.com"      // replaces ISSUER_URL
	kubernetesPath   = "/var/run/chainguard/oidc/oidc-token" // where package workload looks
	azureAudience    = "api://AzureADTokenExchange"
)

// ciJob is the job of a page of docs/ci.
type ciJob struct {
	name, page string
	blocks     []int // of the page: the job's, in order
	read       func(text string) (pipeline, error)
	installs   bool // it puts the program into PATH itself

	issuer, subject string // of the system's ID tokens
	stranger        string // a subject that must not be let in
	audience        string // that the identity wants, where the page's command does not say it
	// system returns the variables that the system sets in the job.
	system     func(m *machine, j ciJob, p pipeline) []string
	argument   bool // the ID token is an argument, so the commands are not printed
	onDemand   bool // the system makes an ID token whenever it is asked
	handedOver bool // the ID token is given once, by hand, and found by nobody later
}

var ciJobs = []ciJob{
	{
		name: "GitHub Actions", page: "github-actions.md", blocks: []int{1, 2}, read: readGitHub, installs: true,
		issuer: githubIssuer, subject: "repo:my-org/my-repo:ref:refs/heads/main",
		system: func(m *machine, j ciJob, p pipeline) []string {
			if !p.mayAskForIDTokens {
				return []string{"GITHUB_ACTIONS=true"}
			}
			return m.platform.GitHubEnviron(j.subject)
		},
		onDemand: true,
	},
	{
		name: "GitLab", page: "gitlab.md", blocks: []int{1}, read: readGitLab, installs: true,
		issuer: "https://gitlab.com", subject: "project_path:my-group/my-project:ref_type:branch:ref:main",
		system: func(m *machine, j ciJob, p pipeline) []string {
			return append(m.variables(j, p), "GITLAB_CI=true")
		},
	},
	{
		name: "CircleCI", page: "circleci.md", blocks: []int{1}, read: readCircleCI, installs: true,
		issuer: circleIssuer, subject: circleSubject, stranger: "org/ANOTHER/project/1/user/2",
		system: (*machine).circleCI, onDemand: true,
	},
	{
		name: "CircleCI with sudo", page: "circleci.md", blocks: []int{2}, read: readCircleCI,
		issuer: circleIssuer, subject: circleSubject, stranger: "xorg/ORG_ID/project/1/user/2",
		system: (*machine).circleCI, handedOver: true,
	},
	{
		name: "CircleCI with sudo and the job's own token", page: "circleci.md", blocks: []int{3}, read: readCircleCI,
		issuer: circleIssuer, subject: circleSubject, stranger: "org/ORG_ID", audience: "ORG_ID",
		system: (*machine).circleCI, argument: true, handedOver: true,
	},
	{
		name: "Bitbucket", page: "bitbucket.md", blocks: []int{1}, read: readBitbucket, installs: true,
		issuer:  "https://api.bitbucket.org/2.0/workspaces/WORKSPACE/pipelines-config/identity/oidc",
		subject: "{REPOSITORY_UUID}:{f8d4e0a2-3c1b-4f7a-9a53-0b1c2d3e4f50}", stranger: "{ANOTHER}:{REPOSITORY_UUID}:{f8d4}",
		system: func(m *machine, j ciJob, p pipeline) []string {
			environ := []string{"BITBUCKET_BUILD_NUMBER=7"}
			if p.mayAskForIDTokens {
				token := m.platform.IDToken(j.subject, "ari:cloud:bitbucket::workspace/WORKSPACE_UUID")
				environ = append(environ, "BITBUCKET_STEP_OIDC_TOKEN="+token)
			}
			return environ
		},
	},
	{
		name: "Buildkite", page: "buildkite.md", blocks: []int{1}, read: readBuildkite,
		issuer:   "https://agent.buildkite.com",
		subject:  "organization:MY-ORG:pipeline:MY-PIPELINE:ref:refs/heads/main:commit:0a1b2c3d4e5f60718293a4b5c6d7e8f901234567:step:pull",
		stranger: "organization:MY-ORG:pipeline:MY-PIPELINE:ref:refs/heads/mainly:commit:0a1b:step:pull",
		system: func(m *machine, j ciJob, _ pipeline) []string {
			return []string{"BUILDKITE=true", idTokenURL + "=" + m.platform.IDTokenURL(j.subject)}
		},
		onDemand: true,
	},
	{
		name: "Google Cloud, a virtual machine", page: "google-cloud.md", blocks: []int{1}, read: readShell,
		issuer: "https://accounts.google.com", subject: fakeplatform.GoogleSubject,
		system:   func(m *machine, _ ciJob, _ pipeline) []string { return m.platform.GoogleEnviron() },
		onDemand: true,
	},
	{
		name: "Cloud Build", page: "google-cloud.md", blocks: []int{2}, read: readCloudBuild, installs: true,
		issuer: "https://accounts.google.com", subject: fakeplatform.GoogleSubject,
		system:   func(*machine, ciJob, pipeline) []string { return nil }, // the pipeline says where to ask
		onDemand: true,
	},
	{
		name: "AKS", page: "azure-entra.md", blocks: []int{1}, read: readShell,
		issuer: clusterIssuer, subject: "system:serviceaccount:NAMESPACE:SERVICE_ACCOUNT",
		system: func(m *machine, j ciJob, _ pipeline) []string {
			return []string{"AZURE_FEDERATED_TOKEN_FILE=" + m.mount(m.platform.IDToken(j.subject, azureAudience))}
		},
	},
	{
		name: "Entra ID with sudo", page: "azure-entra.md", blocks: []int{3}, read: readCircleCI, installs: true,
		issuer: entraIssuer, subject: "SUBJECT", stranger: "ANOTHER-SUBJECT",
		system: (*machine).entra, handedOver: true,
	},
	{
		name: "Entra ID", page: "azure-entra.md", blocks: []int{4}, read: readCircleCI,
		issuer: entraIssuer, subject: "SUBJECT", stranger: "SUBJECTS",
		system: (*machine).entra,
	},
	{
		name: "Kubernetes", page: "kubernetes.md", blocks: []int{1}, read: readPod,
		issuer: kubernetesIssuer, subject: "system:serviceaccount:NAMESPACE:SERVICE_ACCOUNT",
		system: (*machine).kubernetes,
	},
	{
		name: "Kubernetes with an init container", page: "kubernetes.md", blocks: []int{1, 3}, read: readPod,
		issuer: kubernetesIssuer, subject: "system:serviceaccount:NAMESPACE:SERVICE_ACCOUNT",
		system: (*machine).kubernetes,
	},
	{
		name: "Jenkins", page: "jenkins.md", blocks: []int{1}, read: readJenkins,
		issuer: "https://jenkins.example.com/oidc", subject: "https://jenkins.example.com/job/my-job/",
		system: func(m *machine, j ciJob, p pipeline) []string {
			return append(m.variables(j, p), "JENKINS_URL=https://jenkins.example.com/")
		},
	},
}

const (
	circleIssuer  = "https://oidc.circleci.com/org/ORG_ID"
	circleSubject = "org/ORG_ID/project/6f1d2c/user/a07b9e"
	entraIssuer   = "https://login.microsoftonline.com/TENANT_ID/v2.0"
)

// variables returns the ID tokens that a pipeline requests, as variables.
func (m *machine) variables(j ciJob, p pipeline) (environ []string) {
	for variable, audience := range p.idTokens {
		if audience == "" {
			audience = m.platform.IssuerHost()
		}
		environ = append(environ, variable+"="+m.platform.IDToken(j.subject, audience))
	}
	return environ
}

func (m *machine) circleCI(j ciJob, _ pipeline) []string {
	return []string{
		"CIRCLECI=true", "CIRCLE_OIDC_TOKEN=" + m.platform.IDToken(j.subject, "ORG_ID"),
		idTokenURL + "=" + m.platform.IDTokenURL(j.subject),
	}
}

func (m *machine) entra(j ciJob, _ pipeline) []string {
	return []string{"CIRCLECI=true", "MS_ENTRA_ID_OIDC_TOKEN=" + m.platform.IDToken(j.subject, "APPLICATION_ID")}
}

// kubernetes mounts a token at another path than the page, which would be outside of the test's
// folder, and returns the variable with the path.
func (m *machine) kubernetes(j ciJob, p pipeline) []string {
	audience, ok := p.idTokens[kubernetesPath]
	if !ok || len(p.idTokens) != 1 {
		m.t.Fatalf("the pod mounts tokens at %v, want %s", p.idTokens, kubernetesPath)
	}
	path := m.mount(m.platform.IDToken(j.subject, audience))
	return []string{"KUBERNETES_SERVICE_HOST=10.0.0.1", "CHAINGUARD_AUTH_IDENTITY_TOKEN=" + path}
}

// mount writes an ID token to a file atomically, like the kubelet.
func (m *machine) mount(token string) (path string) {
	m.t.Helper()
	path = m.path("oidc-token")
	if err := os.WriteFile(path+".new", []byte(token), 0o600); err != nil {
		m.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		m.t.Fatal(err)
	}
	return path
}
