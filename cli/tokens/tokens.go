// Package tokens has the commands that print access tokens and what is in them.
package tokens

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/config"
	"docker-credential-cgr/iam"
	"docker-credential-cgr/platform"
)

// tokenFlags are the flags of token.
type tokenFlags struct {
	audiences, scopes, capabilities []string
	interactive                     bool
}

// New returns the command token.
func New(a *command.App) *cobra.Command {
	var f tokenFlags
	server, audience := "the registry", "the registry's host"
	if a.Chainctl {
		server, audience = "the platform API", "the platform API" // as defaultAudience
	}
	c := command.Formats(&cobra.Command{
		Use:   "token",
		Short: "Print an access token",
		Long: `Print an access token for scripts, by default for ` + server + `. A token with a scope,
capabilities or several audiences is requested each time and not stored.`,
		Example: `  curl -H "Authorization: Bearer $(docker-credential-cgr token)" \
    "https://cgr.dev/token?scope=repository:ORGANIZATION/python:pull"
  docker-credential-cgr token --audience https://console-api.enforce.dev
  docker-credential-cgr token capabilities`,
		Args: command.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := f.check(c); err != nil {
				return err
			}
			return printToken(c.Context(), a, f)
		},
	}, "text", "json")
	flags := c.Flags()
	flags.StringArrayVar(&f.audiences, "audience", nil, "`AUDIENCE` of the token (repeatable; default: "+audience+")")
	flags.StringSliceVar(&f.scopes, "scope", nil, "limit the token to this `ORGANIZATION` or folder (name or ID; repeatable)")
	flags.StringSliceVar(&f.capabilities, "capabilities", nil, "limit the token to this `CAPABILITY` (repeatable)")
	flags.BoolVar(&f.interactive, "interactive", false, "sign in if needed although standard error is not a terminal")
	command.ForFlag(flags, "use the session for the images of `ORGANIZATION`")
	c.AddCommand(newCapabilities(a))
	return c
}

// check refuses empty values, which are probably unset variables of a script, and must not mean a
// token without limits.
func (f *tokenFlags) check(c *cobra.Command) error {
	for flag, values := range map[string][]string{"audience": f.audiences, "scope": f.scopes, "capabilities": f.capabilities} {
		if c.Flags().Changed(flag) && (len(values) == 0 || slices.Contains(values, "")) {
			return command.Usagef("--%s is empty", flag)
		}
	}
	return nil
}

func printToken(ctx context.Context, a *command.App, f tokenFlags) error {
	if f.interactive && !command.InCI() {
		a.Config.AutoLogin = config.AutoLoginAlways
	}
	s, err := a.SignInSession()
	if err != nil {
		return err
	}
	s.Audiences = f.audiences
	if len(f.audiences) == 0 {
		f.audiences = []string{a.DefaultAudience(s)}
	}
	for i, scope := range f.scopes {
		if config.ValidUIDP(scope) {
			continue
		}
		var group iam.Group
		if group, err = a.Client(ctx, s).Organization(ctx, scope); err != nil {
			return err
		}
		f.scopes[i] = group.ID
	}
	t, err := s.AccessToken(ctx, platform.TokenRequest{Audiences: f.audiences, Scopes: f.scopes, Capabilities: f.capabilities})
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
	end := "\n"
	if a.Chainctl {
		end = "" // its callers use the output as it is
	}
	return a.Print("%s%s", t.AccessToken, end)
}
