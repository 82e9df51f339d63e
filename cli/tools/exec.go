package tools

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"sync"

	"github.com/spf13/cobra"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/tempconfig"
	"docker-credential-cgr/token"
)

// The exit codes of a shell for a command that does not run.
const (
	exitCannotRun = 126
	exitNotFound  = 127
)

func newExec(a *command.App) *cobra.Command {
	c := &cobra.Command{
		Use:   "exec [--] COMMAND [ARGUMENT...]",
		Short: "Run a command with a temporary Docker configuration",
		Long: `Run a command with a temporary Docker configuration that has a credential for the registry, for
clients that run no credential helper. Sets DOCKER_CONFIG, REGISTRY_AUTH_FILE and
HELM_REGISTRY_CONFIG. If you are not signed in, the command does not run.

The configuration is a copy of yours, logins to other registries included, in a folder of mode
0700, in memory if the system has one there. The token in it is renewed while the command runs,
and the folder is removed when it ends.

Signals are passed on to the command. Its exit code is that of this program, or 128 and the
number of the signal that ended it; 127 if it is not found, 126 if it cannot be run.`,
		Example: `  docker-credential-cgr exec skopeo copy docker://cgr.dev/ORGANIZATION/python dir:python
  docker-credential-cgr exec -- helm pull oci://cgr.dev/ORGANIZATION/charts/nginx
  docker-credential-cgr exec --for ORGANIZATION docker pull cgr.dev/ORGANIZATION/python`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 || args[0] == "" {
				return command.UsageHelpf(c, "which command?")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return run(c.Context(), a, args) },
	}
	command.ForFlag(c.Flags(), "use the session for the images of `ORGANIZATION`")
	c.Flags().SetInterspersed(false) // flags after the command's name are its own
	return c
}

func run(ctx context.Context, a *command.App, args []string) error {
	cmd := exec.Command(args[0], args[1:]...)
	if cmd.Err != nil {
		return cannotRun(args[0], cmd.Err)
	}
	credential, err := a.RegistryCredential(ctx, false)
	if err != nil {
		return err
	}
	folder, err := tempconfig.Make(command.Name+"-exec", os.Getenv)
	if err != nil {
		return err
	}
	defer func() {
		if removeErr := folder.Remove(); removeErr != nil {
			a.Warn("cannot remove the temporary configuration: %v", removeErr)
		}
	}()
	config, err := tempconfig.New(folder, a.Config.Registry.Host, os.Getenv, command.DockerHome())
	if err != nil {
		return err
	}
	if err := config.Write(login(credential)); err != nil {
		return err
	}
	renewing, stop := context.WithCancel(context.WithoutCancel(ctx)) // a signal does not end the command
	var running sync.WaitGroup
	running.Go(func() {
		config.Renew(renewing, login(credential).Due, func(ctx context.Context) (tempconfig.Login, error) {
			next, err := a.RegistryCredential(ctx, true) // without a sign-in
			if err != nil {
				a.Debug("cannot renew the credential: %v", err)
				return tempconfig.Login{}, err
			}
			return login(next), nil
		})
	})
	defer func() { // before the folder is removed
		stop()
		running.Wait()
	}()

	cmd.Env = append(os.Environ(), config.Environ()...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = a.Stdin, a.Stdout, a.Stderr
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	code, err := tempconfig.Run(cmd)
	if err != nil {
		return cannotRun(args[0], err)
	}
	if code == 0 {
		return nil
	}
	return &command.ExitError{Code: code}
}

// cannotRun returns the error for a command that did not start, with the exit code of a shell.
func cannotRun(name string, err error) error {
	code := exitCannotRun
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		code = exitNotFound
	}
	var notFound *exec.Error
	var notStarted *fs.PathError
	switch { // both repeat the name
	case errors.As(err, &notFound):
		err = notFound.Err
	case errors.As(err, &notStarted):
		err = notStarted.Err
	}
	return &command.ExitError{Code: code, Err: fmt.Errorf("cannot run %s: %w", command.Quoted(command.HideToken(name)), err)}
}

// login returns a credential as a login that is due when the credential should be renewed.
func login(c *token.Credential) tempconfig.Login {
	return tempconfig.Login{Username: c.Username, Secret: c.Secret, Due: cmp.Or(c.Renew, c.Expires)}
}
