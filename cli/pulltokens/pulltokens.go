// Package pulltokens has the commands that create, list and revoke pull tokens.
package pulltokens

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/cli/issue"
	"docker-credential-cgr/hint"
	"docker-credential-cgr/kubernetes"
	"docker-credential-cgr/pulltoken"
)

// New returns the command pull-token.
func New(a *command.App) *cobra.Command {
	return command.Group(&cobra.Command{
		Use: "pull-token", Aliases: []string{"pull-tokens"},
		Short: "Create, list and revoke pull tokens",
		Long: `Create, list and revoke pull tokens: credentials for systems that cannot sign in, such
as a cluster or a mirror.`,
		Example: `  docker-credential-cgr pull-token create --name mirror --ttl 90d
  docker-credential-cgr pull-token list
  docker-credential-cgr pull-token revoke mirror`,
	}, newCreate(a), newList(a), newRevoke(a))
}

// NewAuth returns the command that chainctl has below auth. Without a subcommand it creates
// a pull token.
func NewAuth(a *command.App) *cobra.Command {
	c := newCreate(a)
	c.Use, c.Aliases = "pull-token", []string{"pull-tokens"}
	c.Args = cobra.ArbitraryArgs
	create := c.RunE
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			return command.RunGroup(c, args)
		}
		return create(c, args)
	}
	c.AddCommand(newCreate(a), newList(a), newRevoke(a))
	return c
}

func newCreate(a *command.App) *cobra.Command {
	var f issue.Flags
	var shell string
	c := command.Formats(&cobra.Command{
		Use:   "create",
		Short: "Create a pull token",
		Long: `Create a pull token: a credential for systems that cannot sign in, such as a cluster or
a mirror. It is shown once, expires on its own, and can be revoked earlier. With --save,
it is not printed unless you also give --output. Requires the role
registry.pull_token_creator.`,
		Example: `  docker-credential-cgr pull-token create --parent ORGANIZATION --name mirror --ttl 90d
  docker-credential-cgr pull-token create --save                # for this machine, in the keychain
  docker-credential-cgr pull-token create -o docker | ssh HOST sh
  eval "$(docker-credential-cgr pull-token create -o env)"
  docker-credential-cgr pull-token create --repository java,python -o json`,
		Args: command.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var err error
			if f.Shell, err = hint.ParseShell(shell); err != nil {
				return command.Usagef("--shell: %w", err)
			}
			return create(c.Context(), a, &f, c.Flags().Changed("output"))
		},
	}, "text", "docker", "env", "json", "kubernetes")
	flags := c.Flags()
	f.Add(flags)
	flags.StringVar(&shell, "shell", "", "`SHELL` that -o env is for: sh, powershell or cmd (default that of this system)")
	flags.StringVar(&f.Description, "description", "", "description, one line of `TEXT`")
	flags.StringArrayVar(&f.Repositories, "repository", nil, "`TYPE` of repository that the token can pull from: oci (images, the default), apk, all (these two), java, python, javascript, go, dotnet, ruby, rust, each of which also as NAME_athena (comma-separated or repeatable)")
	flags.StringArrayVar(&f.Repositories, "library-ecosystem", nil, "")
	_ = flags.MarkHidden("library-ecosystem") // its name in older versions of chainctl; the flag exists
	return c
}

// create creates a pull token. If it is saved, it is only printed if the user has chosen a
// format.
func create(ctx context.Context, a *command.App, f *issue.Flags, formatChosen bool) error {
	r, err := f.Request()
	if err != nil {
		return err
	}
	isForImages := slices.Contains(r.Repositories, pulltoken.OCI)
	if !isForImages && (a.Output == "docker" || a.Output == "kubernetes") {
		return command.Usagef("--output %s requires --repository oci", a.Output)
	}
	if a.Output == "kubernetes" {
		if err := kubernetes.CheckNames(r.Name, ""); err != nil {
			return command.Usagef("--name: %w", err)
		}
	}
	client, s, err := a.API(ctx)
	if err != nil {
		return err
	}
	if err := f.Run(ctx, a, client, s, r, formatChosen); err != nil {
		return err
	}
	if isForImages && f.Save == string(pulltoken.Keychain) {
		warnUnregistered(a)
	}
	return nil
}

// warnUnregistered warns if Docker does not ask this program for the saved pull token.
func warnUnregistered(a *command.App) {
	host := a.Config.Registry.Host
	file, err := command.DockerFile()
	if err != nil {
		a.Warn("cannot tell whether Docker asks this program for %s: %v", host, err)
		return
	}
	if helper, ok := file.Helper(host); !ok || helper != command.HelperName {
		a.WarnHint(hint.Text("docker-credential-cgr configure-docker --no-login"), "Docker does not ask this program for %s yet", host)
	}
}
