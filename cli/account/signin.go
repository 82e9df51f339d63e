// Package account has the commands that sign in and out, and those about the signed-in
// account.
package account

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/config"
	"docker-credential-cgr/hint"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/registry"
	"docker-credential-cgr/signin"
	"docker-credential-cgr/token"
	"docker-credential-cgr/workload/idtoken"
)

// New returns the commands of this package.
func New(a *command.App) []*cobra.Command {
	return []*cobra.Command{newConfigureDocker(a), newLogin(a), newLogout(a), newStatus(a)}
}

// signInFlags are the flags of the commands that sign in.
type signInFlags struct {
	headless      bool
	identityToken string
	invite        string
	audiences     []string
}

func (f *signInFlags) add(c *cobra.Command) {
	flags := c.Flags()
	flags.BoolVar(&f.headless, "headless", false, "sign in on any device with a browser, for this command only")
	flags.StringVar(&f.identityToken, "identity-token", "", "sign in with an ID token: its `PATH`, - for standard input, or the token itself")
	command.PropertyFlag(flags, "identity-token-env", "auth.identity-token-env", "sign in with the ID token in the environment variable `NAME`")
	command.PropertyFlag(flags, "identity", "auth.identity", "assume the identity with this `ID` or name, until logout")
	command.PropertyFlag(flags, "identity-provider", "default.identity-provider", "sign in with the identity provider with this `ID`")
	command.PropertyFlag(flags, "org-name", "default.org-name", "sign in with the provider of the organization with this verified `NAME`")
	command.PropertyFlag(flags, "social-login", "default.social-login", "sign in with `PROVIDER`: email, google, github or gitlab")
}

// newSession returns the session that signs in as flags and settings say. It changes
// nothing.
func (f *signInFlags) newSession(ctx context.Context, a *command.App, c *cobra.Command) (*token.Session, error) {
	if f.headless {
		a.Config.Mode = config.ModeHeadless
	}
	given, err := f.readToken(a, c)
	if err != nil {
		return nil, err
	}
	if a.Config.Keychain == config.KeychainNone && !a.IsWorkload() {
		err := errors.New("a sign-in could not be stored: " + a.SettingSource("keychain"))
		return nil, hint.With(err, hint.Do(hint.UnsetSetting, "keychain"), hint.Unset("CHAINGUARD_KEYCHAIN"))
	}
	s, err := a.Session()
	if err != nil {
		return nil, err
	}
	s.LockTimeout = command.LockTimeout
	s.ConfirmAccount = func(last, now token.Account) bool { return confirmAccount(ctx, a, last, now) }
	s.Audiences = f.audiences
	source, found := a.IDToken()
	alwaysInteractive := a.Config.AutoLogin == config.AutoLoginAlways
	switch {
	case given != nil && a.IsWorkload():
		s.IDToken = given.Token
	case given != nil:
		s.SignIn = signin.WithToken(s.STS, a.Config.IdentityProvider, given.Token)
	case s.IDToken != nil:
	case found:
		s.SignIn = signin.WithToken(s.STS, a.Config.IdentityProvider, source.Token)
	case a.Config.Identity != "" && !a.IsInteractive() && !alwaysInteractive:
		return nil, &token.NotSignedInError{Err: a.NoIDTokenError()}
	case command.InCI() && !alwaysInteractive:
		return nil, &token.NotSignedInError{Err: command.NoTokenInCIError()}
	default:
		if err := a.CheckOrganization(ctx); err != nil {
			return nil, err
		}
		s.LockTimeout = command.SignInLockTimeout
		s.SignIn, err = a.SignInFunc(s.STS, f.invite)
	}
	return s, err
}

// readToken returns the ID token of --identity-token, or nil. It puts its path into the
// settings.
func (f *signInFlags) readToken(a *command.App, c *cobra.Command) (*idtoken.Source, error) {
	if !c.Flags().Changed("identity-token") {
		return nil, nil
	}
	if c.Flags().Changed("identity-token-env") {
		return nil, command.Usagef("--identity-token and --identity-token-env cannot be used together")
	}
	if f.identityToken == "-" && term.IsTerminal(int(a.Stdin.Fd())) {
		a.Note("paste the ID token, then press Enter and Ctrl-D")
	}
	source, err := idtoken.FromFlag(f.identityToken, a.Stdin)
	if err != nil {
		return nil, command.Usagef("--identity-token: %w", err)
	}
	if source.Exposed {
		a.WarnHint(hint.Text("give --identity-token a path or -, or use --identity-token-env NAME"),
			"other users of this machine can see the token in the list of processes")
	}
	a.Config.IdentityToken, a.Config.IdentityTokenEnv = source.Path, ""
	return &source, nil
}

// confirmTimeout is how long the user has to confirm a change of the account.
const confirmTimeout = time.Minute

// confirmAccount asks at a terminal whether the user wants to change the account. A script
// does not need to confirm it.
func confirmAccount(ctx context.Context, a *command.App, last, now token.Account) bool {
	if !term.IsTerminal(int(a.Stdin.Fd())) || command.InCI() {
		a.Warn("signed in as %s, replacing %s", now, last)
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, confirmTimeout)
	defer cancel()
	question := fmt.Sprintf("the browser signed in %s, but this program has the session of %s. Change to %s?", now, last, now)
	confirmed, _ := a.Ask(ctx, question) // without an answer it is not confirmed
	return confirmed
}

// signIn signs in, gets a token for each audience, and stores where the identity comes from.
func signIn(ctx context.Context, a *command.App, c *cobra.Command, s *token.Session) (token.Account, error) {
	if a.Config.IdentityID != "" {
		a.WarnHint(command.UnsetPair(), "get answers with CHAINGUARD_IDENTITY_ID and CHAINGUARD_TOKEN, not with this sign-in")
	}
	account, err := s.Login(ctx)
	if err != nil {
		return account, err
	}
	a.ForgetNames()
	for _, audience := range s.Audiences {
		if _, err := s.Credential(ctx, audience, true); err != nil {
			return account, fmt.Errorf("signed in as %s, but there is no token for %s: %w", account, platform.Printable(audience), err)
		}
	}
	a.ClearOtherStores(ctx, *s)
	return account, storeIdentity(a, c)
}

// storeIdentity writes the identity of the command line, and where its ID token comes from,
// into the settings file, so that get can use it later. A token that was given by its value
// is not stored.
func storeIdentity(a *command.App, c *cobra.Command) error {
	if a.SessionOrganization != "" {
		return storeOrganization(a)
	}
	if a.Config.Identity == "" || !command.AnyChanged(c, "identity", "identity-token", "identity-token-env") {
		return nil
	}
	return config.Update(a.Config.File, map[string]string{
		"auth.identity":           a.Config.Identity,
		"auth.identity-token":     a.Config.IdentityToken,
		"auth.identity-token-env": a.Config.IdentityTokenEnv,
	})
}

// printSignedIn prints the account after a sign-in.
func printSignedIn(ctx context.Context, a *command.App, s *token.Session, account token.Account) error {
	switch a.Output {
	case "none":
		return nil
	case "id":
		return a.PrintIDs(account.Subject)
	case "json":
		return a.PrintJSON(struct {
			Identity  string     `json:"identity"`
			Email     string     `json:"email,omitempty"`
			Until     *time.Time `json:"sessionUntil,omitempty"` // when the user has to sign in again
			Renewable bool       `json:"renewable"`              // without the user, until then
			Store     string     `json:"store"`
		}{account.Subject, account.Email, command.JSONTime(account.Until), account.Renewable, s.Keychain.String()})
	}
	if err := a.Print("Signed in as %s.\n", account.Describe()); err != nil {
		return err
	}
	if s.IDToken != nil && s.Identity == "" {
		if stored, err := s.Contents(); err == nil && stored.Account.Valid(s.Now()) {
			a.WarnHint(hint.Text("docker-credential-cgr login --identity %s", account.Subject),
				"get answers as %s, who is signed in on this machine, not as the identity of this job", stored.Account)
			return nil
		}
		a.Note("Nothing is stored because no identity was named: each request exchanges an ID token.")
		return nil
	}
	reason := s.Keychain.Why()
	if reason != "" {
		reason = " (" + reason + ")"
	}
	a.Note("Storage: %s%s", s.Keychain, reason)
	if s.Keychain.Volatile() {
		a.WarnHint(hint.Text("docker-credential-cgr config set keychain file"), "a restart of this machine removes the session")
	}
	a.Note("Next: docker pull %s", exampleImage(ctx, a, s))
	return nil
}

// exampleTimeout is how long the search for an example may take.
const exampleTimeout = 2 * time.Second

// exampleImage returns the name of an image that a person can pull: of their organizations, or
// else a public one. For a job, and without an answer of the registry, it has placeholders.
func exampleImage(ctx context.Context, a *command.App, s *token.Session) string {
	repository := "ORGANIZATION/IMAGE"
	if s.IDToken != nil {
		return s.Registry + "/" + repository
	}
	ctx, cancel := context.WithTimeout(ctx, exampleTimeout)
	defer cancel()
	c, err := s.Credential(ctx, s.Registry, false)
	if err == nil {
		var first string
		client := registry.Client{URL: a.Config.Registry, Transport: a.Transport()}
		first, err = client.FirstRepository(ctx, &c)
		if ref, parseErr := registry.Parse(s.Registry+"/"+first, s.Registry); parseErr == nil {
			repository = ref.Repository
		} else if err == nil {
			repository = registry.PublicOrganization + "/python"
		}
	}
	if err != nil {
		a.Debug("cannot find an image that can be pulled: %v", err)
	}
	return s.Registry + "/" + repository
}
