// Package tools has the commands that pass credentials to programs other than Docker.
package tools

import (
	"cmp"
	"context"
	"errors"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/helper"
	"docker-credential-cgr/hint"
	"docker-credential-cgr/token"
)

// New returns the commands of this package.
func New(a *command.App) []*cobra.Command {
	return []*cobra.Command{newHeaders(a), newKeyring(a), newExec(a), newLoginClient(a)}
}

// HeadersName is the name of the command that prints headers.
const HeadersName = "headers"

// urlVariable holds the address of the server when an MCP client runs its helper for headers.
const urlVariable = "CLAUDE_CODE_MCP_SERVER_URL"

func newHeaders(a *command.App) *cobra.Command {
	return command.Formats(&cobra.Command{
		Use:   HeadersName + " [URL]",
		Short: "Print the HTTP headers for a request to the platform",
		Long: `Print the HTTP headers for a request to a URL of the platform, as JSON. MCP clients run this
command for each connection, and set ` + urlVariable + ` instead of the argument.

The token is for the MCP server at the URL if there is one, otherwise for the host. A pull token
that is stored for the host is printed as Basic. Other hosts are refused. The command
never starts a sign-in and ends within 8 seconds.

With -o go it is a GOAUTH command: without a URL it prints the headers for the host that serves
packages, and nothing for other hosts.`,
		Example: `  docker-credential-cgr headers https://cgr.dev/mcp
  docker-credential-cgr headers https://console-api.enforce.dev/iam/v1/groups
  docker-credential-cgr configure go      # makes Go run: docker-credential-cgr headers -o go`,
		Args: cobra.ArbitraryArgs, // PrintHeaders checks them
		RunE: func(c *cobra.Command, args []string) error { return PrintHeaders(c.Context(), a, args, nil) },
	}, "json", "go")
}

// Watch returns a context that also ends when the program is stopped (see token.Session).
type Watch func(context.Context) (context.Context, context.CancelFunc)

// newHelper returns the helper that answers programs other than Docker's clients. It never
// prompts.
func newHelper(ctx context.Context, a *command.App, watch Watch) *helper.Helper {
	a.NeverPrompts = true
	return &helper.Helper{
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
}

// PrintHeaders prints the headers for the URL in args, or else in the environment. watch is
// the session's Watch, or nil.
func PrintHeaders(ctx context.Context, a *command.App, args []string, watch Watch) error {
	if len(args) > 1 {
		return command.Usagef("usage: %s %s [URL]", command.Name, HeadersName)
	}
	address := strings.Join(args, "")
	h := newHelper(ctx, a, watch)
	if a.Output == "go" {
		return h.WriteGoAuth(address, a.Stdout)
	}
	switch address = cmp.Or(address, os.Getenv(urlVariable)); {
	case address == "":
		return hint.With(command.Usagef("no URL: it is neither an argument nor in %s", urlVariable),
			hint.Text("%s %s %s/mcp", command.Name, HeadersName, a.Config.Registry))
	case command.LooksLikeToken(address):
		return command.Usagef("the URL contains a token, which it should not")
	}
	err := h.WriteHeaders(address, a.Stdout)
	var foreign *helper.ForeignError
	if errors.As(err, &foreign) {
		return command.UsageError{Err: err}
	}
	return err
}
