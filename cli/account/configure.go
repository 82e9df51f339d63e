package account

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"runtime"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/cli/issue"
	"docker-credential-cgr/config"
	"docker-credential-cgr/dockerconfig"
	"docker-credential-cgr/doctor"
	"docker-credential-cgr/hint"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/pulltoken"
	"docker-credential-cgr/token"
)

// configureFlags are the flags of configure-docker.
type configureFlags struct {
	signInFlags
	podman, remove, dryRun, noLogin, replace bool

	pullToken bool
	token     issue.Flags
}

// NewConfigure returns the command configure-docker under the name that it has in newer
// versions of chainctl, "configure docker".
func NewConfigure(a *command.App) *cobra.Command {
	c := newConfigureDocker(a)
	c.Use = "docker"
	return c
}

func newConfigureDocker(a *command.App) *cobra.Command {
	var f configureFlags
	c := &cobra.Command{
		Use:   "configure-docker",
		Short: "Register the credential helper with Docker and sign in",
		Long: `Register the credential helper for the registry in Docker's configuration, and in
Podman's auth.json if it exists, and sign in unless you already are. Nothing else in
these files changes.`,
		Example: `  docker-credential-cgr configure-docker
  docker-credential-cgr configure-docker --dry-run
  docker-credential-cgr configure-docker --identity ID      # in a CI job
  docker-credential-cgr configure-docker --pull-token --save --ttl 90d
  docker-credential-cgr configure-docker --remove`,
		Args: command.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return configureDocker(c.Context(), a, c, &f) },
	}
	f.add(c)
	flags := c.Flags()
	flags.BoolVar(&f.podman, "podman", false, "create Podman's auth.json if it does not exist")
	flags.BoolVar(&f.remove, "remove", false, "remove the registration")
	flags.BoolVar(&f.replace, "replace", false, "replace another helper for the registry")
	flags.BoolVar(&f.dryRun, "dry-run", false, "show the change without writing it")
	flags.BoolVar(&f.noLogin, "no-login", false, "do not sign in")
	flags.BoolVar(&f.pullToken, "pull-token", false, "create a pull token: store it with --save, else print it without changing files")
	f.token.Add(flags)
	for _, flag := range issue.Shared {
		flags.Lookup(flag).Usage = "with --pull-token: " + flags.Lookup(flag).Usage
	}
	return c
}

func configureDocker(ctx context.Context, a *command.App, c *cobra.Command, f *configureFlags) error {
	if err := f.checkPullToken(c.Flags()); err != nil {
		return err
	}
	if !f.remove {
		if err := findIdentity(ctx, a); err != nil {
			return err
		}
	}
	if f.pullToken {
		return configurePullToken(ctx, a, c, f)
	}
	if err := checkUser(a); err != nil {
		return err
	}
	files, err := f.editFiles(a)
	if err != nil {
		return err
	}
	var session *token.Session
	var notSignedIn *token.NotSignedInError
	switch {
	case f.remove:
	case f.noLogin:
		given, err := f.readToken(a, c)
		if err != nil {
			return err
		}
		if given != nil && given.Path == "" {
			return command.Usagef("--no-login stores where an ID token comes from, not the token itself: use --identity-token PATH or --identity-token-env NAME")
		}
	default:
		session, err = f.newSession(ctx, a, c)
		// Without a sign-in, public images can be pulled. But a job with an identity needs it.
		if err != nil && (a.Config.Identity != "" || !errors.As(err, &notSignedIn)) {
			return err
		}
	}

	if err := f.writeFiles(a, files); err != nil {
		return err
	}
	if f.dryRun || f.remove {
		return nil
	}
	checkHelper(a)
	if notSignedIn != nil {
		a.WarnError(notSignedIn)
	}
	if session == nil {
		return storeIdentity(a, c)
	}
	return f.signInOnce(ctx, a, c, session)
}

// checkPullToken refuses flags that cannot be used together.
func (f *configureFlags) checkPullToken(flags *pflag.FlagSet) error {
	others, problem := issue.Shared, "goes with --pull-token"
	if f.pullToken {
		others, problem = []string{"remove", "dry-run", "no-login"}, "does not go with --pull-token"
	}
	for _, flag := range others {
		if flags.Changed(flag) {
			return command.Usagef("--%s %s", flag, problem)
		}
	}
	return nil
}

// configurePullToken creates a pull token. If that is saved in the keychain, it registers the
// helper; Docker finds its own configuration by itself.
func configurePullToken(ctx context.Context, a *command.App, c *cobra.Command, f *configureFlags) error {
	r, err := f.token.Request()
	if err != nil {
		return err
	}
	if err := checkUser(a); err != nil {
		return err
	}
	var files []*dockerconfig.File
	if f.token.Save == string(pulltoken.Keychain) {
		if files, err = f.editFiles(a); err != nil {
			return err
		}
	}
	session := a.SignInSession
	if f.headless || c.Flags().Changed("identity-token") {
		session = func() (*token.Session, error) { return f.newSession(ctx, a, c) }
	}
	s, err := session()
	if err != nil {
		return err
	}
	if err := f.token.Run(ctx, a, a.Client(ctx, s), s, r, false); err != nil {
		return err
	}
	if files == nil {
		return nil
	}
	if err := f.writeFiles(a, files); err != nil {
		return err
	}
	checkHelper(a)
	return nil
}

// editFiles reads the files of all clients and edits them in memory, so that nothing is
// written if one of them is invalid.
func (f *configureFlags) editFiles(a *command.App) ([]*dockerconfig.File, error) {
	docker, err := command.DockerPath()
	if err != nil {
		return nil, err
	}
	paths := []string{docker}
	podman, err := dockerconfig.PodmanPath(os.Getenv, command.DockerHome())
	if err != nil && f.podman {
		return nil, err
	}
	if err == nil && (f.podman || command.Exists(podman)) {
		paths = append(paths, podman)
	}
	var files []*dockerconfig.File
	var errs []error
	for _, path := range paths {
		file, err := f.editFile(a, path)
		errs = append(errs, err)
		files = append(files, file)
	}
	return files, errors.Join(errs...)
}

func (f *configureFlags) editFile(a *command.App, path string) (*dockerconfig.File, error) {
	file, err := dockerconfig.Load(path)
	if err != nil {
		return nil, err
	}
	if f.remove {
		_, err = file.Remove(a.Config.Registry.Host, command.HelperName)
	} else {
		_, err = file.Add(a.Config.Registry.Host, command.HelperName, f.replace)
	}
	var other *dockerconfig.OtherHelperError
	if errors.As(err, &other) {
		err = hint.With(err, hint.Text("docker-credential-cgr configure-docker --replace"))
	}
	if err == nil && file.Changed() {
		err = file.Check()
	}
	return file, err
}

// writeFiles writes the changed files, or shows the change.
func (f *configureFlags) writeFiles(a *command.App, files []*dockerconfig.File) error {
	host := a.Config.Registry.Host
	for _, file := range files {
		for _, finding := range file.Findings(host, command.HelperName) {
			if !f.remove {
				a.Warn("%s:%d: %s", file.Path, finding.Line, finding.Text)
			}
		}
		var err error
		switch {
		case !file.Changed() && f.remove:
			a.Note("Nothing to remove from %s.", file.Path)
		case !file.Changed():
			err = a.Print("%s already registers %s for %s\n", file.Path, command.Name, host)
		case f.dryRun:
			err = a.Print("%s", file.Diff())
		default:
			if err = file.Save(); err != nil {
				return err
			}
			switch {
			case !f.remove:
				err = a.Print("Updated auth config for %s in %s\n", host, file.Path)
			case file.Exists():
				err = a.Print("Removed %s from %s\n", host, file.Path)
			default:
				err = a.Print("Removed %s, which had no other content\n", file.Path)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// checkUser warns, or returns an error, if the program runs with the rights of another user
// than the one whose Docker is configured.
func checkUser(a *command.App) error {
	switch r := doctor.Sudo(os.Getenv, os.Geteuid(), command.DockerHome()); r.Status {
	case doctor.Failure:
		if command.InCI() && os.Getenv("SUDO_USER") == "" {
			a.Warn("%s", r.Message) // container jobs of GitHub Actions run like this, and docker reads that file
			return nil
		}
		return asError(r)
	case doctor.Warning:
		a.WarnError(asError(r))
	}
	return nil
}

// asError returns a finding of doctor as an error with a hint.
func asError(r doctor.Result) error { return hint.With(errors.New(r.Message), r.Fix...) }

// checkHelper warns if Docker would not find this program, or would find another one with
// its name.
func checkHelper(a *command.App) {
	self, err := os.Executable()
	if err != nil {
		return
	}
	for _, r := range []doctor.Result{
		doctor.Program(command.Name, self, exec.LookPath), doctor.Apps(runtime.GOOS, command.Name, exec.LookPath),
	} {
		if r.Status != doctor.OK {
			a.WarnError(asError(r))
		}
	}
}

// signInOnce signs in unless there is a credential already, or no way to sign in.
func (f *configureFlags) signInOnce(ctx context.Context, a *command.App, c *cobra.Command, s *token.Session) error {
	if s.IDToken == nil && !f.headless {
		hasIDToken := f.identityToken != "" || a.Config.IdentityToken != "" || a.Config.IdentityTokenEnv != ""
		canSignIn := hasIDToken || a.IsInteractive() || a.Config.AutoLogin == config.AutoLoginAlways
		credential, err := s.Credential(ctx, s.Registry, false)
		var notSignedIn *token.NotSignedInError
		switch {
		case err == nil && credential.UserStored:
			a.Note("No sign-in needed: a credential for %s is stored (user %s).", s.Registry, platform.Printable(credential.Username))
			return storeIdentity(a, c)
		case err == nil:
			a.Note("Already signed in. Next: docker pull %s/ORGANIZATION/IMAGE", s.Registry)
			return storeIdentity(a, c)
		case !errors.As(err, &notSignedIn):
			return err
		case !canSignIn:
			a.WarnHint(hint.Do(hint.SignIn), "not signed in: no terminal to sign in at")
			return storeIdentity(a, c)
		}
	}
	account, err := signIn(ctx, a, c, s)
	if err != nil {
		return err
	}
	return printSignedIn(ctx, a, s, account)
}
