package cli

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"docker-credential-cgr/cli/account"
	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/cli/diagnose"
	"docker-credential-cgr/cli/identities"
	"docker-credential-cgr/cli/images"
	"docker-credential-cgr/cli/kube"
	"docker-credential-cgr/cli/organizations"
	"docker-credential-cgr/cli/pulltokens"
	"docker-credential-cgr/cli/settings"
	"docker-credential-cgr/cli/tokens"
	"docker-credential-cgr/cli/tools"
	"docker-credential-cgr/cli/web"
	"docker-credential-cgr/hint"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/spelling"
)

// runCommand runs a command that is not a verb of the protocol.
func (p Program) runCommand(ctx context.Context) int {
	a := p.app()
	return p.execute(ctx, a, newRoot(a, p.version()))
}

// execute runs the command below root that the arguments name, and returns the exit code.
func (p Program) execute(ctx context.Context, a *command.App, root *cobra.Command) int {
	ctx, stop := p.watch(ctx, nil)
	defer stop()
	root.SetArgs(p.Args)
	root.SetIn(p.Stdin)
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)
	return exit(ctx, a, root.ExecuteContext(ctx))
}

// Commands returns all commands, for man pages and completions.
func Commands(version string) *cobra.Command { return newRoot(new(command.App), version) }

func newRoot(a *command.App, version string) *cobra.Command {
	root := &cobra.Command{
		Use:   command.Name,
		Short: "Docker credential helper for the Chainguard registry",
		Long: `Provide Docker, Podman and other clients with short-lived credentials for the Chainguard
registry. Sign in once; secrets are stored in the OS keychain if there is one.

Clients run these commands, with the input on standard input:
  get, store, erase, list, version     for example: echo cgr.dev | docker-credential-cgr get`,
		Example: `  docker-credential-cgr configure-docker        # register the helper and sign in
  docker pull cgr.dev/ORGANIZATION/python
  docker-credential-cgr status`,
		Version:           version,
		SilenceErrors:     true,
		SilenceUsage:      true,
		PersistentPreRunE: a.Load,
	}
	root.SetFlagErrorFunc(flagError)
	a.AddFlags(root.PersistentFlags())

	command.Group(root, append(append(account.New(a), tokens.New(a)), tools.New(a)...)...)
	root.AddCommand(newConfigure(a), settings.New(a, diagnose.NewValidate(a)), diagnose.New(a), pulltokens.New(a), identities.New(a),
		organizations.New(a), kube.New(a), web.New(a), images.New(a), newCopyTo(), newInstallLink(a))
	// chainctl has these commands below "auth" and "iam".
	for _, c := range []*cobra.Command{newAuth(a), newIAM(a)} {
		c.Hidden = true
		root.AddCommand(c)
	}
	a.AddOutput(root)
	return root
}

// newConfigure returns the commands that make tools get their credentials from this program.
func newConfigure(a *command.App) *cobra.Command {
	c := &cobra.Command{Use: "configure", Short: "Make a tool get its credentials from this program"}
	return command.Group(c, append(tools.NewConfigure(a), account.NewConfigure(a))...)
}

// flagError returns the usage error for a flag that cobra rejects.
func flagError(c *cobra.Command, err error) error {
	if command.LooksLikeToken(err.Error()) {
		err = errors.New("invalid flag (value hidden: it looks like a token)")
	}
	// The message about a number ends with the name of a Go function.
	text, _, _ := strings.Cut(err.Error(), ": strconv.")
	if flag, unknown := strings.CutPrefix(text, "unknown flag: --"); unknown {
		if near := nearFlag(c, flag); near != "" {
			return hint.With(command.Usagef("%s", platform.Printable(text)), hint.Text("did you mean --%s?", near))
		}
	}
	return command.UsageHelpf(c, "%s", platform.Printable(text))
}

// nearFlag returns the flag of c that was probably meant, or "".
func nearFlag(c *cobra.Command, flag string) string {
	var names []string
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	if near := spelling.Near(flag, names); len(near) > 0 && spelling.Distance(flag, near[0]) <= 1+len(flag)/4 {
		return near[0]
	}
	return ""
}
