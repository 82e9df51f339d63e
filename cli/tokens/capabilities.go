package tokens

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/platform"
)

func newCapabilities(a *command.App) *cobra.Command {
	var audience, from string
	c := command.Formats(&cobra.Command{
		Use:   "capabilities",
		Short: "Show what is in an access token",
		Long: `Show the claims of an access token of the session, or of one on standard input: whose it
is, what it is for, when it expires, and its capabilities if it has any. The signature is
not verified. A stored token or one on standard input is shown without a request.`,
		Example: `  docker-credential-cgr token capabilities
  docker-credential-cgr token --scope ORGANIZATION | docker-credential-cgr token capabilities --token - -o json`,
		Args: command.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if c.Flags().Changed("token") && from != "-" {
				return command.Usagef("--token takes -, for standard input: other users can see arguments")
			}
			return showCapabilities(c.Context(), a, audience, from != "")
		},
	}, "text", "json")
	c.Flags().StringVar(&audience, "audience", "", "`AUDIENCE` of the token (default: the one of the command token)")
	c.Flags().StringVar(&from, "token", "", "- to read the token from standard input")
	return c
}

func showCapabilities(ctx context.Context, a *command.App, audience string, fromStdin bool) error {
	read := func() (string, error) { return accessToken(ctx, a, audience) }
	if fromStdin {
		read = func() (string, error) {
			text, err := io.ReadAll(io.LimitReader(a.Stdin, platform.MaxToken+1))
			return strings.TrimSpace(string(text)), err
		}
	}
	jwt, err := read()
	if err != nil {
		return err
	}
	claims, all, err := platform.ParseAllClaims(jwt)
	switch {
	case err != nil:
		return err
	case a.Output == "json":
		return a.PrintJSON(all)
	}
	var b strings.Builder
	line := func(label, value string) {
		fmt.Fprintf(&b, "%-14s%s\n", label+":", platform.Printable(value))
	}
	identity := claims.Subject
	if claims.Email != "" {
		identity = claims.Email + " (" + identity + ")"
	}
	line("Identity", identity)
	line("Issuer", claims.Issuer)
	line("Audience", strings.Join(claims.Audiences, ", "))
	if !claims.Expires.IsZero() {
		line("Expires", claims.Expires.Local().Format(command.TimeFormat)+" ("+command.TimeLeft(claims.Expires.Sub(command.Now()))+")")
	}
	for _, capability := range claims.Capabilities {
		line("Capabilities", capability)
	}
	if len(claims.Capabilities) == 0 {
		line("Capabilities", "none in the token: those of the identity apply")
	}
	return a.Print("%s", b.String())
}

// accessToken returns the stored access token for an audience, or a new one of the session that
// there is.
func accessToken(ctx context.Context, a *command.App, audience string) (string, error) {
	s, err := a.Session()
	if err != nil {
		return "", err
	}
	if audience == "" {
		audience = a.DefaultAudience(s)
	}
	s.LockTimeout = command.LockTimeout
	c, err := s.Credential(ctx, audience, false)
	return c.Secret, err
}
