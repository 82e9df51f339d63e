package cli

import (
	"context"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"docker-credential-cgr/cli/account"
	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/cli/diagnose"
	"docker-credential-cgr/cli/identities"
	"docker-credential-cgr/cli/images"
	"docker-credential-cgr/cli/organizations"
	"docker-credential-cgr/cli/pulltokens"
	"docker-credential-cgr/cli/settings"
	"docker-credential-cgr/cli/tokens"
	"docker-credential-cgr/signin/openurl"
)

// chainctlName is the name under which the program has chainctl's commands. A link with this
// name stands in for chainctl.
const chainctlName = "chainctl"

// isChainctl reports whether a script or a library runs the program as chainctl.
func (p Program) isChainctl() bool {
	opensBrowser := len(p.Args) > 0 && p.Args[0] == openurl.Verb // a child of this program
	return p.isCalled(chainctlName) && !opensBrowser
}

// runChainctl runs a command as chainctl.
func (p Program) runChainctl(ctx context.Context) int {
	a := p.app()
	a.Chainctl = true
	return p.execute(ctx, a, newChainctl(a, p.version()))
}

// newChainctl returns the commands of this program that chainctl has, under its names.
func newChainctl(a *command.App, version string) *cobra.Command {
	root := &cobra.Command{
		Use:   chainctlName,
		Short: "The commands of chainctl around signing in and pulling, by " + command.Name,
		Long: `This is ` + command.Name + `, run under the name chainctl. It has chainctl's commands for
signing in, tokens, pull tokens, identities and images. Its other commands, such as doctor,
require its own name.`,
		SilenceErrors: true, SilenceUsage: true, PersistentPreRunE: a.Load,
	}
	root.SetFlagErrorFunc(flagError)
	a.AddFlags(root.PersistentFlags())
	command.Group(root, newAuth(a), newIAM(a), settings.New(a, diagnose.NewValidate(a)), images.New(a), newVersion(a, version))
	for _, name := range unsupported() {
		addUnsupported(root, strings.Fields(name))
	}
	a.AddOutput(root)
	ignoreFlags(root)
	return root
}

// newAuth and newIAM return chainctl's groups of commands.
func newAuth(a *command.App) *cobra.Command {
	c := &cobra.Command{Use: "auth", Short: "Sign in and out, print tokens, create pull tokens"}
	return command.Group(c, append(account.New(a), tokens.New(a), newConfigure(a), pulltokens.NewAuth(a))...)
}

func newIAM(a *command.App) *cobra.Command {
	c := &cobra.Command{Use: "iam", Short: "Manage identities and list organizations"}
	return command.Group(c, identities.New(a), organizations.New(a))
}

// newVersion returns chainctl's command, whose lines scripts parse.
func newVersion(a *command.App, version string) *cobra.Command {
	return command.AllowBadSettings(command.Formats(&cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  command.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := struct {
				Version  string `json:"gitVersion"`
				Go       string `json:"goVersion"`
				Compiler string `json:"compiler"`
				Platform string `json:"platform"`
				Program  string `json:"program"`
			}{version, runtime.Version(), runtime.Compiler, runtime.GOOS + "/" + runtime.GOARCH, command.Name}
			if a.Output == "json" {
				return a.PrintJSON(v)
			}
			return a.Print("GitVersion:    %s\nGoVersion:     %s\nCompiler:      %s\nPlatform:      %s\nProgram:       %s\n",
				v.Version, v.Go, v.Compiler, v.Platform, v.Program)
		},
	}, "text", "json"))
}

// unsupported returns the documented commands of chainctl that this program does not have.
func unsupported() []string {
	return []string{
		"actions", "agent", "clusters", "events", "guardener", "libraries", "packages", "policies", "skills", "starter", "update",
		"auth configure-npm", "auth configure-refresh-service", "auth delete-account", "auth sessions",
		"config edit", "config reset", "config save",
		"iam account-associations", "iam auth-policy", "iam external-group-role-mappings", "iam folders",
		"iam identities create delegate", "iam identity-providers", "iam invites", "iam organizations delete",
		"iam organizations describe", "iam role-bindings", "iam roles",
		"images advisories", "images changelog", "images diff", "images entitlements", "images helm", "images repos build",
		"images repos create", "images repos delete", "images repos update", "images tags resolve",
	}
}

// addUnsupported adds a command that only says that it is not in this program.
func addUnsupported(root *cobra.Command, words []string) {
	last := len(words) - 1
	parent, _, err := root.Find(words[:last])
	if err != nil || len(words[:last]) != strings.Count(parent.CommandPath(), " ") {
		panic("no group of commands for " + strings.Join(words, " "))
	}
	parent.AddCommand(command.AllowBadSettings(&cobra.Command{
		Use: words[last], Hidden: true, DisableFlagParsing: true,
		RunE: func(c *cobra.Command, _ []string) error {
			return command.Usagef("%q is not in %s, which is called as chainctl here", c.CommandPath(), command.Name)
		},
	}))
}

// ignoreFlags adds the flags that mean nothing to this program. A command's own flag with one
// of these names comes first.
func ignoreFlags(root *cobra.Command) {
	flags := root.PersistentFlags()
	for _, name := range []string{"audience", "log-level", "timestamp-authority"} {
		flags.String(name, "", "")
		_ = flags.MarkHidden(name) // the flag exists
	}
	flags.StringP("output", "o", "", "")
	_ = flags.MarkHidden("output")
	for _, name := range []string{"force-color", "prefer-ambient-credentials", "sts-http1-downgrade"} {
		flags.Bool(name, false, "")
		_ = flags.MarkHidden(name)
	}
	// Lists of images have what is in folders, and tags of all kinds but signatures.
	for c, names := range map[string][]string{
		"list": {"recursive", "show-dates", "show-epochs"}, "repos list": {"recursive"},
		"tags list": {"recursive", "show-epochs"}, "history": {"recursive"},
	} {
		list, _, err := root.Find(append([]string{"images"}, strings.Fields(c)...))
		if err != nil {
			panic(err)
		}
		for _, name := range names {
			list.Flags().Bool(name, false, "")
			_ = list.Flags().MarkHidden(name)
		}
	}
}
