// Package tools has the commands that pass credentials to programs other than Docker.
package tools

import (
	"context"
	"errors"
	"os"

	"github.com/spf13/cobra"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/helper"
	"docker-credential-cgr/hint"
	"docker-credential-cgr/token"
)

// New returns the commands of this package.
func New(a *command.App) []*cobra.Command {
	return []*cobra.Command{newHeaders(a), newExec(a), newLoginClient(a)}
}

// HeadersName is the name of the command that prints headers.
const HeadersName = "headers"

// urlVariable holds the address of the server when an MCP client runs its helper for headers.
const urlVariable = "CLAUDE_CODE_MCP_SERVER_URL"

func newHeaders(a *command.App) *cobra.Command {
	return &cobra.Command{
		Use:   HeadersName + " [URL]",
		Short: "Print the HTTP headers for a request to the platform",
		Long: `Print the HTTP headers for a request to a URL of the platform, as JSON. MCP clients run this
command for each connection, and set ` + urlVariable + ` instead of the argument.

The token is for the MCP server at the URL, if there is one, or else for its host. A pull
token that is stored for the host is printed as Basic. Other hosts are refused. The command
never starts a sign-in and ends within 8 seconds.`,
		Example: `  docker-credential-cgr headers https://cgr.dev/mcp
  docker-credential-cgr headers https://console-api.enforce.dev/iam/v1/groups`,
		Args: cobra.ArbitraryArgs, // PrintHeaders checks them
		RunE: func(c *cobra.Command, args []string) error { return PrintHeaders(c.Context(), a, args, nil) },
	}
}

// PrintHeaders prints the headers for the URL in args, or else in the environment. watch is
// the session's Watch, or nil.
func PrintHeaders(ctx context.Context, a *command.App, args []string, watch func(context.Context) (context.Context, context.CancelFunc)) error {
	address := os.Getenv(urlVariable)
	switch {
	case len(args) == 1:
		address = args[0]
	case len(args) > 1:
		return command.Usagef("usage: %s %s [URL]", command.Name, HeadersName)
	}
	switch {
	case address == "":
		return hint.With(command.Usagef("no URL: it is neither an argument nor in %s", urlVariable),
			hint.Text("%s %s %s/mcp", command.Name, HeadersName, a.Config.Registry))
	case command.LooksLikeToken(address):
		return command.Usagef("the URL contains a token, which it should not")
	}
	a.NeverPrompts = true
	h := &helper.Helper{
		Config: a.Config, Context: ctx, Warn: a.WarnError,
		Session: func(organization string, _ bool) (*token.Session, error) {
			a.UseOrganization(organization)
			s, err := a.SignInSession()
			if s != nil {
				s.Watch = watch
			}
			return s, err
		},
	}
	err := h.WriteHeaders(address, a.Stdout)
	var foreign *helper.ForeignError
	if errors.As(err, &foreign) {
		return command.UsageError{Err: err}
	}
	return err
}
