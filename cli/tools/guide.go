package tools

import (
	"strings"

	"github.com/spf13/cobra"

	"docker-credential-cgr/cli/command"
)

// guide says how a tool gets a credential that cannot be configured to run this program.
type guide struct {
	tool, name string // of the command, and of the tool in a sentence
	why        string // it cannot be configured
	text       string // what to run, for cgr.dev
}

// guides returns the guides for all such tools.
func guides() []guide {
	const isNotRun = "runs no program for credentials"
	return []guide{
		{"npm", "npm", isNotRun, `Run it with a credential in a temporary npmrc:
  docker-credential-cgr exec npm install --registry https://libraries.cgr.dev/javascript/
On a machine without a session, use a pull token:
  docker-credential-cgr pull-token create --repository javascript
`},
		{"bundler", "Bundler", isNotRun, `Run it with a credential for libraries.cgr.dev in a temporary configuration:
  docker-credential-cgr exec bundle install
On a machine without a session, use a pull token:
  docker-credential-cgr pull-token create --repository ruby
`},
		{"maven", "Maven", isNotRun, `Add this to the servers in ~/.m2/settings.xml, where variables keep the secret out of the file:
  <server>
    <id>chainguard</id>
    <username>${env.CHAINGUARD_JAVA_IDENTITY_ID}</username>
    <password>${env.CHAINGUARD_JAVA_TOKEN}</password>
  </server>
Use the ID for a repository or mirror with the URL https://libraries.cgr.dev/java/, and run:
  CHAINGUARD_JAVA_IDENTITY_ID=_token \
    CHAINGUARD_JAVA_TOKEN="$(docker-credential-cgr token --audience libraries.cgr.dev)" mvn verify
On a machine without a session, use a pull token:
  eval "$(docker-credential-cgr pull-token create --repository java -o env)"
`},
		{"apk", "apk", isNotRun, `Run it in a shell with a token, which is in the environment of apk only:
  HTTP_AUTH="basic:apk.cgr.dev:_token:$(docker-credential-cgr token --audience apk.cgr.dev)" apk update
On a machine without a session, use a pull token:
  docker-credential-cgr pull-token create --repository apk
`},
		{"nuget", "NuGet", "runs only plug-ins that are written for it", `If a source is called chainguard, run it in a shell with a token:
  NuGetPackageSourceCredentials_chainguard="Username=_token;Password=$(docker-credential-cgr token \
    --audience libraries.cgr.dev)" dotnet restore
The source has an address below https://libraries.cgr.dev/dotnet/.
On a machine without a session, use a pull token:
  docker-credential-cgr pull-token create --repository dotnet
`},
	}
}

func newConfigureGuide(a *command.App, g guide) *cobra.Command {
	var f configureFlags
	return f.add(&cobra.Command{
		Use:   g.tool,
		Short: "Show how " + g.name + " gets a credential from this program",
		Long: `Show how ` + g.name + ` gets a credential from this program. ` + g.name + ` ` + g.why + `,
so nothing is configured, and no credential is written to a file.`,
		Example: `  docker-credential-cgr configure ` + g.tool,
		RunE: func(c *cobra.Command, _ []string) error {
			switch {
			case a.Chainctl: // scripts expect that it has written a token
				return command.Usagef("%s writes no credential for %s: see %s configure %s", command.Name, g.name, command.Name, g.tool)
			case f.remove:
				a.Note("Nothing to do: configure %s writes nothing.", g.tool)
				return nil
			}
			a.Note("%s %s, so nothing is written.", g.name, g.why)
			return a.Print("%s", strings.ReplaceAll(g.text, "cgr.dev", a.Config.Registry.Host))
		},
	})
}
