package tools

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/tempconfig"
)

func newLoginClient(a *command.App) *cobra.Command {
	c := &cobra.Command{
		Use:   "login-client CLIENT [-- ARGUMENT...]",
		Short: "Log in a client that runs no credential helper",
		Long: `Run the login command of a client, such as helm, nerdctl, oras or container, with a credential
for the registry. The secret is passed on standard input, and further arguments to the client.

The client stores the credential in its own way, often in a file. A token of a session is valid
for up to an hour: run the command again then, or use exec.`,
		Example: `  docker-credential-cgr login-client helm
  docker-credential-cgr login-client nerdctl -- --namespace k8s.io`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 || args[0] == "" {
				return command.UsageHelpf(c, "which client?")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return loginClient(c.Context(), a, args[0], args[1:]) },
	}
	command.ForFlag(c.Flags(), "use the session for the images of `ORGANIZATION`")
	return c
}

// loginArgs returns the arguments of a client's login command, whose secret is on standard
// input.
func loginArgs(client, host, username string) []string {
	switch strings.TrimSuffix(filepath.Base(client), ".exe") {
	case "helm", "container":
		return []string{"registry", "login", host, "--username", username, "--password-stdin"}
	case "crane", "gcrane":
		return []string{"auth", "login", host, "--username", username, "--password-stdin"}
	case "regctl":
		return []string{"registry", "login", host, "--user", username, "--pass-stdin"}
	case "zarf":
		return []string{"tools", "registry", "login", host, "--username", username, "--password-stdin"}
	}
	return []string{"login", host, "--username", username, "--password-stdin"}
}

func loginClient(ctx context.Context, a *command.App, client string, args []string) error {
	if strings.HasPrefix(client, "-") {
		return command.Usagef("%s is a flag, not a client", command.Quoted(command.HideToken(client)))
	}
	path, err := exec.LookPath(client)
	if err != nil {
		return cannotRun(client, err)
	}
	c, err := a.RegistryCredential(ctx, false)
	if err != nil {
		return err
	}
	cmd := exec.Command(path, append(loginArgs(client, a.Config.Registry.Host, c.Username), args...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(c.Secret), a.Stdout, a.Stderr
	code, err := tempconfig.Run(cmd)
	switch {
	case err != nil:
		return cannotRun(client, err)
	case code != 0:
		return &command.ExitError{Code: code}
	}
	if !c.Expires.IsZero() {
		a.Note("%s is logged in%s.", command.Quoted(client), command.Until(c.Expires))
	}
	return nil
}
