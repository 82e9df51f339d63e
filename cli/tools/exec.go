package tools

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/helper"
	"docker-credential-cgr/tempconfig"
	"docker-credential-cgr/token"
)

// The exit codes of a shell for a command that does not run.
const (
	exitCannotRun = 126
	exitNotFound  = 127
)

func newExec(a *command.App) *cobra.Command {
	var packages bool
	c := &cobra.Command{
		Use:   "exec [--] COMMAND [ARGUMENT...]",
		Short: "Run a command with temporary files that have a credential",
		Long: `Run a command with a temporary Docker configuration that has a credential for the registry, for
clients that run no credential helper. Sets DOCKER_CONFIG, REGISTRY_AUTH_FILE and
HELM_REGISTRY_CONFIG. If you are not signed in, the command does not run.

For npm, npx, pnpm, pip, uv, go and bundle, and with --packages for any command, there are also
files with a credential for packages. Sets NPM_CONFIG_USERCONFIG, NETRC and BUNDLE_USER_CONFIG.

The files are copies of yours, logins to other servers included, in a folder of mode 0700, in
memory where the system allows that. The token in them is renewed while the command runs, and
the folder is removed when the command ends.

Signals are passed on to the command. The exit code is that of the command, or 128 plus the
number of the signal that ended it; 127 if the command is not found, 126 if it cannot be run.`,
		Example: `  docker-credential-cgr exec skopeo copy docker://cgr.dev/ORGANIZATION/python dir:python
  docker-credential-cgr exec -- helm pull oci://cgr.dev/ORGANIZATION/charts/nginx
  docker-credential-cgr exec npm install --registry https://libraries.cgr.dev/javascript/
  docker-credential-cgr exec --packages make build
  docker-credential-cgr exec --for ORGANIZATION docker pull cgr.dev/ORGANIZATION/python`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 || args[0] == "" {
				return command.UsageHelpf(c, "which command?")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			return run(c.Context(), a, packages || installsPackages(args[0]), args)
		},
	}
	command.ForFlag(c.Flags(), "use the session for the images of `ORGANIZATION`")
	c.Flags().BoolVar(&packages, "packages", false, "add a credential for packages")
	c.Flags().SetInterspersed(false) // flags after the command's name are its own
	return c
}

// installsPackages reports whether a program installs packages with the files for them.
func installsPackages(program string) bool {
	name := filepath.Base(program)
	name = strings.TrimSuffix(name, filepath.Ext(name)) // npm.cmd, pip3.13
	return slices.Contains([]string{"npm", "npx", "pnpm", "pip", "pip3", "uv", "uvx", "go", "bundle", "bundler"}, name)
}

func run(ctx context.Context, a *command.App, packages bool, args []string) error {
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
	r := renewals{app: a}
	defer r.stop() // before the folder is removed
	config, err := tempconfig.New(folder, a.Config.Registry.Host, os.Getenv, command.DockerHome())
	if err != nil {
		return err
	}
	if err := config.Write(login(credential)); err != nil {
		return err
	}
	r.start(ctx, credential, config.Write, func(ctx context.Context) (*token.Credential, error) {
		return a.RegistryCredential(ctx, true) // without a sign-in
	})
	cmd.Env = append(os.Environ(), config.Environ()...)
	if packages {
		environ, err := r.addPackages(ctx, folder)
		if err != nil {
			a.WarnError(err)
		}
		cmd.Env = append(cmd.Env, environ...)
	}

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

// renewals renews credentials while a command runs.
type renewals struct {
	app     *command.App
	running sync.WaitGroup
	cancel  []context.CancelFunc
	mu      sync.Mutex // held while a credential is fetched
}

// start renews a credential when it is due: it fetches another one and writes it.
func (r *renewals) start(ctx context.Context, c *token.Credential, write func(tempconfig.Login) error, fetch func(context.Context) (*token.Credential, error)) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // a signal does not end the command
	r.cancel = append(r.cancel, cancel)
	r.running.Go(func() {
		tempconfig.Renew(ctx, login(c).Due, func(ctx context.Context) (tempconfig.Login, error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			next, err := fetch(ctx)
			if err != nil {
				r.app.Debug("cannot renew the credential: %v", err)
				return tempconfig.Login{}, err
			}
			return login(next), nil
		}, write)
	})
}

func (r *renewals) stop() {
	for _, cancel := range r.cancel {
		cancel()
	}
	r.running.Wait()
}

// addPackages writes the files for packages, and returns the variables that name them.
func (r *renewals) addPackages(ctx context.Context, folder *tempconfig.Folder) ([]string, error) {
	host := helper.LibrariesHost(r.app.Config)
	fetch := func(ctx context.Context) (*token.Credential, error) { return librariesCredential(ctx, r.app, host) }
	r.mu.Lock()
	credential, err := fetch(ctx)
	r.mu.Unlock()
	if err != nil {
		return nil, fmt.Errorf("no credential for packages: %w", err)
	}
	files, err := tempconfig.NewPackages(folder, host, os.Getenv, command.DockerHome())
	if err == nil {
		err = files.Write(login(credential))
	}
	if err != nil {
		return nil, fmt.Errorf("no credential for packages: %w", err)
	}
	r.start(ctx, credential, files.Write, fetch)
	return files.Environ(), nil
}

// librariesCredential returns the credential for the host of packages. It starts no sign-in.
func librariesCredential(ctx context.Context, a *command.App, host string) (*token.Credential, error) {
	if a.Config.IdentityID != "" {
		return &token.Credential{Username: a.Config.IdentityID, Secret: a.Config.Token}, nil
	}
	s, err := a.SignInSession()
	if err != nil {
		return nil, err
	}
	c, err := s.Credential(ctx, host, false)
	if err != nil {
		return nil, helper.WithAudienceHint(s, host, err)
	}
	return &c, nil
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
	return tempconfig.Login{
		Username: c.Username, Secret: c.Secret, IsToken: c.Username == token.Username, Due: cmp.Or(c.Renew, c.Expires),
	}
}
