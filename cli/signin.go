package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/config"
	"docker-credential-cgr/hint"
	"docker-credential-cgr/signin"
	"docker-credential-cgr/token"
	"docker-credential-cgr/workload/idtoken"
)

// signInFlags are those of the commands that sign in.
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

// givesToken says whether an ID token is given, so that nobody need be there.
func (f *signInFlags) givesToken(cfg config.Config) bool {
	return f.identityToken != "" || cfg.IdentityToken != "" || cfg.IdentityTokenEnv != ""
}

// planSignIn checks all that flags and settings say of a sign-in, before anything
// is changed, and gives the session for it.
func (a *app) planSignIn(ctx context.Context, c *cobra.Command, f *signInFlags) (*token.Session, error) {
	if f.headless {
		a.Config.Mode = config.ModeHeadless
	}
	given, err := a.givenToken(c, f)
	if err != nil {
		return nil, err
	}
	if a.Config.Keychain == config.KeychainNone && !a.IsWorkload() {
		return nil, hint.With(errors.New("a sign-in could not be stored: "+a.SettingSource("keychain")), hint.Do(hint.UnsetSetting, "keychain"), hint.Text("unset CHAINGUARD_KEYCHAIN"))
	}
	s, err := a.Session()
	if err != nil {
		return nil, err
	}
	s.Patience = command.LockTimeout
	s.ConfirmAccount = func(last, now token.Account) bool { return a.confirmAccount(ctx, last, now) }
	s.Audiences = f.audiences
	source, found := a.IDToken()
	switch {
	case given != nil && a.IsWorkload():
		s.IDToken = given.Token
	case given != nil:
		s.SignIn = signin.WithToken(s.STS, a.Config.IdentityProvider, given.Token)
	case s.IDToken != nil:
	case found:
		s.SignIn = signin.WithToken(s.STS, a.Config.IdentityProvider, source.Token)
	case !found && a.Config.Identity != "" && !a.IsInteractive() && a.Config.AutoLogin != config.AutoLoginAlways:
		return nil, &token.NotSignedInError{Err: a.NoIDTokenError()}
	case command.InCI() && a.Config.AutoLogin != config.AutoLoginAlways:
		return nil, &token.NotSignedInError{Err: command.NoTokenInCIError()}
	default:
		if err := a.CheckOrganization(ctx); err != nil {
			return nil, err
		}
		s.Patience = command.SignInLockTimeout
		s.SignIn, err = a.SignInFunc(s.STS, f.invite)
	}
	return s, err
}

// givenToken gives the ID token of --identity-token, or nil. Its path counts as
// the setting from then on.
func (a *app) givenToken(c *cobra.Command, f *signInFlags) (*idtoken.Source, error) {
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
		a.WarnHint(hint.Text("give --identity-token a path or -, or use --identity-token-env NAME"), "other users of this machine can see the token in the list of processes")
	}
	a.Config.IdentityToken, a.Config.IdentityTokenEnv = source.Path, ""
	return &source, nil
}

// remember keeps the identity that was asked for on the command line, and where
// its ID token comes from, so that a later `get` answers for the same one with a
// new ID token. A token given by its value is not kept.
func (a *app) remember(c *cobra.Command) error {
	changed := func(flag string) bool { return c.Flags().Changed(flag) }
	if a.Config.Identity == "" || !changed("identity") && !changed("identity-token") && !changed("identity-token-env") {
		return nil
	}
	return config.Update(a.Config.File, map[string]string{
		"auth.identity":           a.Config.Identity,
		"auth.identity-token":     a.Config.IdentityToken,
		"auth.identity-token-env": a.Config.IdentityTokenEnv,
	})
}
