package e2e

// chainctlRow is a documented command line of chainctl, and what this program does when it is
// called as chainctl.
type chainctlRow struct {
	command string // with words of chainctl's documentation: see chainctlWords
	differs string // how the result differs from chainctl's; empty if it does not

	signedOut bool     // else a person or, with before, the jobs in it have signed in
	before    []string // other commands of chainctl that are run first
	fault     string   // requests with this name, or "all", fail
	exit      int
	stdout    string // pattern (RE2, with (?m)); empty if standard output must be
	stderr    string // pattern
}

// chainctlWords are the words in commands that stand for others in the test: those that are
// longer come first. The organization and the identity are the fixture's.
const (
	wordAPI      = "https://console-api.enforce.dev"
	wordIssuer   = "https://issuer.enforce.dev"
	wordRegistry = "cgr.dev"
)

const jwtPattern = `eyJ[\w-]+\.[\w-]+\.[\w-]+`

var chainctlRows = []chainctlRow{
	{command: "auth login", signedOut: true, stdout: `^Signed in as ada@example\.com until `,
		differs: "one window signs in for all audiences; prints `Signed in as …`"},
	{command: "auth login --audience apk.cgr.dev --audience libraries.cgr.dev", signedOut: true, stdout: `^Signed in as `},
	{command: "auth login --identity IDENTITY --identity-token PATH -v=0", signedOut: true, stdout: `^Signed in as `,
		differs: "a new ID token is read from the same path when it is needed"},
	{command: "auth login --identity IDENTITY --identity-token PATH --prefer-ambient-credentials --sts-http1-downgrade", signedOut: true,
		stdout: `^Signed in as `, differs: "the last two flags have no effect; all requests use HTTP/1.1"},
	{command: "auth login -o id", signedOut: true, stdout: `\A[0-9a-f]{40}\n\z`},
	{command: "auth login -o none", signedOut: true},
	{command: "auth login --refresh-only", signedOut: true, exit: 1, stderr: "not signed in"},
	{command: "auth status", stdout: `(?s)^Valid: +True$.*^Identity: .*^Capabilities: +example\.com: owner$`,
		differs: "more lines; never signs in, so the flags for that have no effect"},
	{command: "auth status", signedOut: true, exit: 1, stdout: `^Valid: +False$`, stderr: "not signed in",
		differs: "signed out: chainctl signs in, this program does not"},
	{command: "auth status", fault: "api", exit: 1, stdout: `^Valid: +False$`, differs: "the platform cannot be reached: exit code 1"},
	{command: "auth status -o json", differs: "`valid`, `identity`, `email`, `expiry` and `capabilities` (roles by the name of the organization), which public scripts read",
		stdout: `(?s)"valid": true,.*"identity": "[0-9a-f]{40}",.*"expiry": "20..-.*Z",.*"capabilities": \{\s+"example\.com": "owner"`},
	{command: "auth status -o terse", stdout: `\AValid! Id: [0-9a-f]{40}\n\z`},
	{command: "auth status --quick", fault: "all", stdout: `^Valid: +True$`, differs: "valid if the session can fetch a token, too"},
	{command: "auth status --audience=cgr.dev --output=json", stdout: `"valid": true`},
	{command: "auth token", stdout: `\A` + jwtPattern + `\z`},
	{command: "auth token --audience cgr.dev", stdout: `\A` + jwtPattern + `\z`},
	{command: "auth token --issuer https://issuer.enforce.dev --audience apk.cgr.dev", stdout: `\A` + jwtPattern + `\z`},
	{command: "auth token --audience cgr.dev --audience apk.cgr.dev", stdout: `\A` + jwtPattern + `\z`, differs: "one token for both"},
	{command: "auth token --scope ORGANIZATION --capabilities repo.list,groups.list", stdout: `\A` + jwtPattern + `\z`},
	{command: "auth token", signedOut: true, exit: 1, stderr: "not signed in",
		differs: "signed out, without a terminal: fails, and never opens a window"},
	{command: "auth token --interactive", signedOut: true, stdout: `\A` + jwtPattern + `\z`, differs: "not in CI jobs"},
	{command: "auth token --delegate --role viewer", exit: 2, stderr: "unknown flag: --delegate", differs: "not supported"},
	{command: "auth token capabilities", stdout: `^Capabilities: [0-9a-f]{40}: owner$`, differs: "the claims of the token; `-o json` prints all"},
	{command: "auth logout", stderr: "Signed out", differs: "removes the tokens of all audiences"},
	{command: "auth logout --audience apk.cgr.dev"},
	{command: "auth configure-docker", stdout: `^Updated auth config for 127\.0\.0\.1:\d+`, differs: "the helper is this program; Podman's file is edited, too, if there is one"},
	{command: "auth configure docker", stdout: `^Updated auth config for `},
	{command: "auth configure-docker --identity IDENTITY --identity-token PATH", signedOut: true, stdout: `^Updated auth config for `},
	{command: "auth configure-docker --pull-token --save --parent ORGANIZATION --ttl 24h", stdout: `^Saved the pull token .* in the file store`,
		differs: "saved in the keychain; `--save=docker-config` writes it into Docker's configuration"},
	{command: "auth pull-token --parent ORGANIZATION", stderr: "cannot be shown again",
		stdout: `^    docker login "127\.0\.0\.1:\d+" --username "[0-9a-f/]{57}" --password "` + jwtPattern + `"$`},
	{command: "auth pull-token create --parent ORGANIZATION --name ci --ttl 8760h -o json", stderr: "cannot be shown again",
		stdout: `(?s)"identity_id": "[0-9a-f/]{57}",.*"token": "` + jwtPattern + `"`},
	{command: "auth pull-token create --parent ORGANIZATION --repository=java -o env", stderr: "cannot be shown again",
		stdout: `^export CHAINGUARD_JAVA_IDENTITY_ID=[0-9a-f/]{57}\nexport CHAINGUARD_JAVA_TOKEN=` + jwtPattern + `$`},
	{command: "auth pull-token create --parent ORGANIZATION --repository=java_athena", stdout: `^Username: [0-9a-f/]{57}\nPassword: `, stderr: "cannot be shown again",
		differs: "any type is accepted, also several: the platform says what it lacks"},
	{command: "auth pull-token create --parent ORGANIZATION --save", stdout: `^Saved the pull token `, stderr: "Docker does not ask this program",
		differs: "saved in the keychain"},
	{command: "auth pull-token list --parent ORGANIZATION", before: []string{"auth pull-token --parent ORGANIZATION"}, stdout: `^NAME .*\npull-token .* 30 `,
		differs: "other columns"},
	{command: "auth pull-token list --repository=apk --expired -o json", stdout: `"items": \[\]`},

	{command: "config view", stdout: `^platform\.api `, differs: "with where each value comes from"},
	{command: "config set default.group ORGANIZATION"},
	{command: "config unset auth.mode"},
	{command: "config validate", before: []string{"auth configure-docker"}, stdout: `^ok +program `, differs: "as `docker-credential-cgr doctor`"},

	{command: "iam organizations list", stdout: `^[0-9a-f]{40} +example\.com `},
	{command: "iam organizations list -o json", stdout: `(?s)"items": \[.*"name": "example\.com"`},
	{command: "iam group ls -o id", stdout: `\A[0-9a-f]{40}\n`},
	{command: "iam identities create github my-workflow --github-repo=my-org/my-repo --github-ref=refs/heads/main --role=registry.pull --parent=ORGANIZATION -y",
		stdout: `\A[0-9a-f/]{57}\n\z`, stderr: "Created the identity", differs: "prints a job that uses the identity, on standard error"},
	{command: "iam identities create my-pod --identity-issuer=https://k8s.example.com --subject=system:serviceaccount:a:b --parent=ORGANIZATION -o id",
		stdout: `\A[0-9a-f/]{57}\n\z`, stderr: "Created the identity"},
	{command: "iam identities list --parent ORGANIZATION -o json", stdout: `(?s)"items": \[.*"name": `},
	{command: "iam ids ls --parent=ORGANIZATION --type pull_token --output=id"},
	{command: "iam identities describe IDENTITY", stdout: `[0-9a-f]{40}/[0-9a-f]{16}`, differs: "prints text; `-o json` is the same"},
	{command: "iam identities delete IDENTITY --yes", stdout: `^Deleted `},

	{command: "images list --parent ORGANIZATION --show-dates --recursive", stdout: `^127\.0\.0\.1:\d+/example\.com/python:`, differs: "one line a tag, of all kinds but signatures; the JSON has other keys"},
	{command: "images list --repo python -o json", stdout: `(?s)"items": \[.*"name": "python",\s+"tag": `, differs: "`items` with `image`, `organization`, `name` and `tag`"},
	{command: "images list --public", exit: 2, stderr: "unknown flag: --public", differs: "not supported: the registry does not list public images"},
	{command: "images repos list --parent=ORGANIZATION", stdout: `^127\.0\.0\.1:\d+/example\.com/python$`},
	{command: "images tags list --repo=python --parent=ORGANIZATION", stdout: `^latest$`, differs: "of one image, which can also be an argument"},
	{command: "images history python:latest --parent=ORGANIZATION", stdout: `^TIME +AGE +STOOD +DIGEST\n20..-`, differs: "a table, without the digests of architectures"},
	{command: "images history python:latest --parent=ORGANIZATION -o json", stdout: `(?s)\A\[\s+\{.*"digest": "sha256:`},

	{command: "version", stdout: `\AGitVersion:    \S+\n`, differs: "the version of this program; no banner"},
	{command: "version -o json", stdout: `"gitVersion": "`},
	{command: "--log-level debug --force-color --config config.yaml auth status --quick", stdout: `^Valid: +True$`,
		differs: "the first two have no effect; `--config` is a file of this program, and chainctl's is not read"},
	{command: "auth status -o yaml", exit: 2, stderr: `--output "yaml": status prints text or json or terse`, differs: "an unsupported format is an error; chainctl warns, and prints another"},
}

// chainctlElsewhere are the documented commands of chainctl that are not in this program.
var chainctlElsewhere = []string{
	"actions", "agent", "auth configure-npm", "auth configure-refresh-service", "auth delete-account", "auth sessions", "clusters",
	"config edit", "config reset", "config save", "events", "guardener", "iam account-associations", "iam auth-policy",
	"iam external-group-role-mappings", "iam folders", "iam identities create delegate", "iam identity-providers", "iam invites",
	"iam organizations delete", "iam organizations describe", "iam role-bindings", "iam roles", "images advisories", "images changelog",
	"images diff", "images entitlements", "images helm", "images repos build", "images repos create", "images repos delete",
	"images repos update", "images tags resolve", "libraries", "packages", "policies", "skills", "starter", "update",
}
