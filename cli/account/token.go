package account

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/config"
	"docker-credential-cgr/hint"
	"docker-credential-cgr/platform"
)

func newToken(a *command.App) *cobra.Command {
	var audience string
	var scopes, capabilities []string
	c := command.Formats(&cobra.Command{
		Use:   "token",
		Short: "Print an access token",
		Long: `Print an access token for scripts, by default for the registry. A token with a scope or
capabilities is requested each time and not stored.`,
		Example: `  curl -H "Authorization: Bearer $(docker-credential-cgr token)" \
    "https://cgr.dev/token?scope=repository:ORGANIZATION/python:pull"
  docker-credential-cgr token --audience https://console-api.enforce.dev`,
		Args: command.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return printToken(c.Context(), a, platform.TokenRequest{Audiences: []string{audience}, Scopes: scopes, Capabilities: capabilities})
		},
	}, "text", "json")
	c.Flags().StringVar(&audience, "audience", "", "`AUDIENCE` of the token (default: the registry's host)")
	command.ForFlag(c.Flags(), "use the session for the images of `ORGANIZATION`")
	c.Flags().StringArrayVar(&scopes, "scope", nil, "limit the token to the organization or folder with this `ID` (repeatable)")
	c.Flags().StringArrayVar(&capabilities, "capabilities", nil, "limit the token to this `CAPABILITY` (repeatable)")
	return c
}

func printToken(ctx context.Context, a *command.App, request platform.TokenRequest) error {
	for _, scope := range request.Scopes {
		if !config.ValidUIDP(scope) {
			err := command.Usagef("--scope %q is not the ID of an organization or folder", scope)
			return hint.With(err, hint.Text("docker-credential-cgr organizations list"))
		}
	}
	s, err := a.SignInSession()
	if err != nil {
		return err
	}
	if request.Audiences[0] == "" {
		request.Audiences[0] = s.Registry
	}
	t, err := s.AccessToken(ctx, request)
	if err != nil {
		return err
	}
	a.Mask(t.AccessToken)
	if a.Output == "json" {
		return a.PrintJSON(struct {
			Token   string     `json:"token"`
			Expires *time.Time `json:"expires,omitempty"`
		}{t.AccessToken, command.JSONTime(t.Expiry)})
	}
	return a.Print("%s\n", t.AccessToken)
}
