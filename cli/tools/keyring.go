package tools

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/helper"
)

// KeyringName is the name of the command that answers pip and uv. It is also that of the link
// by which they run the program.
const KeyringName = "keyring"

func newKeyring(a *command.App) *cobra.Command {
	var mode string
	get := command.Formats(&cobra.Command{
		Use:   "get SERVICE [USERNAME]",
		Short: "Print the password for a package index",
		Long: `Print the password for a package index, in the format of Python's keyring command, which pip and
uv run. SERVICE is a URL or a host. An access token has the user name _token.

The exit code is 1 for other hosts. The command never starts a sign-in and ends within 8
seconds.`,
		Example: `  docker-credential-cgr configure pip
  pip install --keyring-provider subprocess --index-url https://_token@libraries.cgr.dev/python/simple PACKAGE`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 || len(args) > 2 || args[0] == "" {
				return command.Usagef("usage: %s", c.UseLine())
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			r := helper.KeyringRequest{Service: args[0], WithUsername: mode == "creds", JSON: a.Output == "json"}
			if len(args) == 2 {
				r.Username = args[1]
			}
			switch {
			case mode != "creds" && mode != "password":
				return command.Usagef("--mode %q is not password or creds", command.HideToken(mode))
			case r.Username == "" && !r.WithUsername:
				return command.Usagef("which user? (not needed with --mode creds)")
			}
			return PrintPassword(c.Context(), a, r, nil)
		},
	}, "plain", "json")
	get.Flags().StringVar(&mode, "mode", "password", "print the `password`, or creds: the user name and the password")
	return command.Group(&cobra.Command{Use: KeyringName, Short: "Answer pip and uv like Python's keyring command"}, get)
}

// PrintPassword prints the answer to a request of pip or uv. watch is the session's Watch, or
// nil.
func PrintPassword(ctx context.Context, a *command.App, r helper.KeyringRequest, watch Watch) error {
	err := newHelper(ctx, a, watch).WritePassword(r, a.Stdout)
	if errors.Is(err, helper.ErrForeignService) { // like keyring, without a message
		return command.ErrReported
	}
	return err
}
