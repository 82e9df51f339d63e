package cli

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"docker-credential-cgr/config"
	"docker-credential-cgr/hint"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/workload"
)

func (a *app) newToken() *cobra.Command {
	var audience string
	var scopes, capabilities []string
	c := formats(&cobra.Command{
		Use:   "token",
		Short: "Print an access token",
		Long: `Print an access token for scripts, by default for the registry. A token with a scope or
capabilities is requested each time and not stored.`,
		Example: `  curl -H "Authorization: Bearer $(` + name + ` token)" \
    "https://cgr.dev/token?scope=repository:ORGANIZATION/python:pull"
  ` + name + ` token --audience https://console-api.enforce.dev`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.token(c.Context(), platform.TokenRequest{Audiences: []string{audience}, Scopes: scopes, Capabilities: capabilities})
		},
	}, "text", "json")
	c.Flags().StringVar(&audience, "audience", "", "`AUDIENCE` of the token (default: the registry's host)")
	c.Flags().StringArrayVar(&scopes, "scope", nil, "limit the token to the organization or folder with this `ID` (repeatable)")
	c.Flags().StringArrayVar(&capabilities, "capabilities", nil, "limit the token to this `CAPABILITY` (repeatable)")
	return c
}

func (a *app) token(ctx context.Context, ask platform.TokenRequest) error {
	for _, scope := range ask.Scopes {
		if !config.ValidUIDP(scope) {
			return hint.With(misuse("--scope %q is not the ID of an organization or folder", scope), hint.Text("%s organizations list", name))
		}
	}
	s, err := a.commandSession()
	if err != nil {
		return err
	}
	if ask.Audiences[0] == "" {
		ask.Audiences[0] = s.Registry
	}
	t, err := s.AccessToken(ctx, ask)
	if err != nil {
		return err
	}
	a.mask(t.AccessToken)
	if a.output == "json" {
		return a.answerJSON(struct {
			Token   string     `json:"token"`
			Expires *time.Time `json:"expires,omitempty"`
		}{t.AccessToken, moment(t.Expiry)})
	}
	return a.answer("%s\n", t.AccessToken)
}

// mask has the CI system hide a secret wherever the job's log would show it, if the system
// can. It must be called before the secret is printed.
func (p Program) mask(secret string) {
	// The runner of GitHub Actions looks for commands in both streams. Standard output may
	// be captured in a variable.
	if command := (workload.Host{Getenv: os.Getenv}).Mask(); command != "" {
		fmt.Fprintf(p.Stderr, "%s%s\n", command, secret)
	}
}
