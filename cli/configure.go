package cli

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"docker-credential-cgr/config"
	"docker-credential-cgr/dockerconfig"
	"docker-credential-cgr/doctor"
	"docker-credential-cgr/hint"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/pulltoken"
	"docker-credential-cgr/token"
)

// helperName is what Docker's config calls us: what comes behind
// "docker-credential-".
var helperName = strings.TrimPrefix(name, "docker-credential-")

// configureFlags are those of configure-docker beside the ones for signing in.
type configureFlags struct {
	signInFlags
	podman, remove, dryRun, noLogin, replace bool

	pullToken bool
	token     pullTokenFlags
}

func (a *app) newConfigureDocker() *cobra.Command {
	var f configureFlags
	c := &cobra.Command{
		Use:     "configure-docker",
		Aliases: []string{"configure"},
		Short:   "Register the credential helper with Docker and sign in",
		Long: `Register the credential helper for the registry in Docker's configuration, and in
Podman's auth.json if it exists, and sign in unless you already are. Nothing else in
these files changes.`,
		Example: `  ` + name + ` configure-docker
  ` + name + ` configure-docker --dry-run
  ` + name + ` configure-docker --identity ID      # in a CI job
  ` + name + ` configure-docker --pull-token --save --ttl 90d
  ` + name + ` configure-docker --remove`,
		Args: func(c *cobra.Command, args []string) error {
			// chainctl also takes "configure docker".
			if c.CalledAs() == "configure" {
				if len(args) == 1 && args[0] == "docker" {
					return nil
				}
				return misuse("unknown command; did you mean: %s configure-docker", name)
			}
			return noArguments(c, args)
		},
		RunE: func(c *cobra.Command, _ []string) error { return a.configureDocker(c.Context(), c, &f) },
	}
	f.add(c)
	flags := c.Flags()
	flags.BoolVar(&f.podman, "podman", false, "create Podman's auth.json if it does not exist")
	flags.BoolVar(&f.remove, "remove", false, "remove the registration")
	flags.BoolVar(&f.replace, "replace", false, "replace another helper for the registry")
	flags.BoolVar(&f.dryRun, "dry-run", false, "show the change without writing it")
	flags.BoolVar(&f.noLogin, "no-login", false, "do not sign in")
	flags.BoolVar(&f.pullToken, "pull-token", false, "create a pull token: store it with --save, else print it without changing files")
	f.token.add(flags)
	for _, flag := range sharedPullTokenFlags {
		flags.Lookup(flag).Usage = "with --pull-token: " + flags.Lookup(flag).Usage
	}
	return c
}

func (a *app) configureDocker(ctx context.Context, c *cobra.Command, f *configureFlags) error {
	if err := f.checkPullToken(c.Flags()); err != nil {
		return err
	}
	if !f.remove {
		if err := a.findIdentity(ctx); err != nil {
			return err
		}
	}
	if f.pullToken {
		return a.configurePullToken(ctx, c, f)
	}
	if err := a.checkUser(); err != nil {
		return err
	}
	files, err := a.clientFiles(f)
	if err != nil {
		return err
	}
	var session *token.Session
	var nobody *token.NotSignedInError
	switch {
	case f.remove:
	case f.noLogin:
		given, err := a.givenToken(c, &f.signInFlags)
		if err != nil {
			return err
		}
		if given != nil && given.Path == "" {
			return misuse("--no-login stores where an ID token comes from, not the token itself: use --identity-token PATH or --identity-token-env NAME")
		}
	default:
		session, err = a.planSignIn(ctx, c, &f.signInFlags)
		// Without an identity, public images can still be pulled. With one, the job
		// needs that identity and cannot use it.
		if err != nil && (a.cfg.Identity != "" || !errors.As(err, &nobody)) {
			return err
		}
	}

	if err := a.changeFiles(files, f); err != nil {
		return err
	}
	if f.dryRun || f.remove {
		return nil
	}
	a.checkHelper()
	a.checkPodman()
	if nobody != nil {
		a.warnError(nobody)
	}
	if session == nil {
		return a.remember(c)
	}
	return a.signInOnce(ctx, c, session, &f.signInFlags)
}

// checkPullToken refuses flags that do not go together.
func (f *configureFlags) checkPullToken(flags *pflag.FlagSet) error {
	others, problem := sharedPullTokenFlags, "goes with --pull-token"
	if f.pullToken {
		others, problem = []string{"remove", "dry-run", "no-login"}, "does not go with --pull-token"
	}
	for _, flag := range others {
		if flags.Changed(flag) {
			return misuse("--%s %s", flag, problem)
		}
	}
	return nil
}

// configurePullToken makes a pull token. Where that is saved in the keychain, Docker
// is to ask us for it; Docker's own config it finds by itself.
func (a *app) configurePullToken(ctx context.Context, c *cobra.Command, f *configureFlags) error {
	r, err := f.token.request()
	if err != nil {
		return err
	}
	if err := a.checkUser(); err != nil {
		return err
	}
	var files []*dockerconfig.File
	if f.token.save == string(pulltoken.Keychain) {
		if files, err = a.clientFiles(f); err != nil {
			return err
		}
	}
	session := a.commandSession
	if f.headless || c.Flags().Changed("identity-token") {
		session = func() (*token.Session, error) { return a.planSignIn(ctx, c, &f.signInFlags) }
	}
	s, err := session()
	if err != nil {
		return err
	}
	if err := a.makePullToken(ctx, a.client(ctx, s), s, &f.token, r, false); err != nil {
		return err
	}
	if files == nil {
		return nil
	}
	if err := a.changeFiles(files, f); err != nil {
		return err
	}
	a.checkHelper()
	return nil
}

// clientFiles reads the files of all clients that are to ask us, and edits them in
// memory, so that one that is broken stops the change of any.
func (a *app) clientFiles(f *configureFlags) ([]*dockerconfig.File, error) {
	docker, err := dockerPath()
	if err != nil {
		return nil, err
	}
	paths := []string{docker}
	podman, err := dockerconfig.PodmanPath(os.Getenv, dockerHome())
	if err != nil && f.podman {
		return nil, err
	}
	if err == nil && (f.podman || exists(podman)) {
		paths = append(paths, podman)
	}
	var files []*dockerconfig.File
	var errs []error
	for _, path := range paths {
		file, err := a.editFile(path, f)
		errs = append(errs, err)
		files = append(files, file)
	}
	return files, errors.Join(errs...)
}

func (a *app) editFile(path string, f *configureFlags) (*dockerconfig.File, error) {
	file, err := dockerconfig.Load(path)
	if err != nil {
		return nil, err
	}
	if f.remove {
		_, err = file.Remove(a.cfg.Registry.Host, helperName)
	} else {
		_, err = file.Add(a.cfg.Registry.Host, helperName, f.replace)
	}
	var other *dockerconfig.OtherHelperError
	if errors.As(err, &other) {
		err = hint.With(err, hint.Do(hint.ReplaceHelper))
	}
	if err == nil && file.Changed() {
		err = file.Check()
	}
	return file, err
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// changeFiles writes what has changed, or shows it.
func (a *app) changeFiles(files []*dockerconfig.File, f *configureFlags) error {
	host := a.cfg.Registry.Host
	for _, file := range files {
		for _, finding := range file.Findings(host, helperName) {
			if f.remove {
				break // of no interest to who removes the helper
			}
			a.warn("%s:%d: %s", file.Path, finding.Line, finding.Text)
		}
		var err error
		switch {
		case !file.Changed() && f.remove:
			a.note("Nothing to remove from %s.", file.Path)
		case !file.Changed():
			err = a.answer("%s already registers %s for %s\n", file.Path, name, host)
		case f.dryRun:
			err = a.answer("%s", file.Diff())
		default:
			if err = file.Save(); err != nil {
				return err
			}
			switch {
			case !f.remove:
				err = a.answer("Updated auth config for %s in %s\n", host, file.Path)
			case file.Exists():
				err = a.answer("Removed %s from %s\n", host, file.Path)
			default:
				err = a.answer("Removed %s, which had no other content\n", file.Path)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// checkUser notices whose Docker is configured when it is run with another
// user's rights.
func (a *app) checkUser() error {
	home := dockerHome()
	switch r := doctor.Sudo(os.Getenv, os.Geteuid(), home); r.Status {
	case doctor.Failure:
		if inCI() && os.Getenv("SUDO_USER") == "" {
			a.warn("%s", r.Message) // so it is in container jobs of GitHub Actions, and their docker reads that file
			return nil
		}
		return asError(r)
	case doctor.Warning:
		a.warnError(asError(r))
	}
	return nil
}

// asError returns a finding of the doctor as an error with a hint.
func asError(r doctor.Result) error { return hint.With(errors.New(r.Message), r.Fix...) }

// checkHelper warns where Docker will not find this program, or another one by
// its name.
func (a *app) checkHelper() {
	self, err := os.Executable()
	if err != nil {
		return
	}
	if r := doctor.Program(name, self, exec.LookPath); r.Status != doctor.OK {
		a.warnError(asError(r))
	}
}

// checkPodman warns of what Podman and Skopeo find before they ask us, such as a
// login of before. The doctor says more, and names files that are broken.
func (a *app) checkPodman() {
	home := dockerHome()
	paths, err := dockerconfig.PodmanFiles(os.Getenv, home)
	if err != nil {
		return
	}
	var files []*dockerconfig.File
	for _, path := range paths {
		file, err := dockerconfig.Load(path)
		if err != nil {
			return
		}
		files = append(files, file)
	}
	if path, obstacle, found := dockerconfig.Shadow(files, a.cfg.Registry.Host, helperName); found {
		a.warnHint(hint.Text("%s doctor", name), "%s:%d: %s; Podman looks there first", path, obstacle.Line, obstacle.Text)
	}
}

// signInOnce signs in, unless there is a token already or nobody could.
func (a *app) signInOnce(ctx context.Context, c *cobra.Command, s *token.Session, f *signInFlags) error {
	if s.IDToken == nil && !f.headless {
		credential, err := s.Credential(ctx, s.Registry, false)
		var nobody *token.NotSignedInError
		switch {
		case err == nil && credential.Stored:
			a.note("No sign-in needed: a credential for %s is stored (user %s).", s.Registry, platform.Printable(credential.Username))
			return a.remember(c)
		case err == nil:
			a.note("Already signed in. Next: docker pull %s/ORGANIZATION/IMAGE", s.Registry)
			return a.remember(c)
		case !errors.As(err, &nobody):
			return err
		case !f.givesToken(a.cfg) && !a.isInteractive() && a.cfg.AutoLogin != config.AutoLoginAlways:
			a.warnHint(hint.Do(hint.SignIn), "not signed in: no terminal to sign in at")
			return a.remember(c)
		}
	}
	account, err := a.signIn(ctx, c, s)
	if err != nil {
		return err
	}
	return a.saySignedIn(s, account)
}
