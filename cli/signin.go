package cli

import (
	"context"
	"errors"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"docker-credential-cgr/config"
	"docker-credential-cgr/hint"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/signin"
	"docker-credential-cgr/signin/openurl"
	"docker-credential-cgr/token"
	"docker-credential-cgr/workload"
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
	property(flags, "identity-token-env", "auth.identity-token-env", "sign in with the ID token in the environment variable `NAME`")
	property(flags, "identity", "auth.identity", "assume the identity with this `ID` or name, until logout")
	property(flags, "identity-provider", "default.identity-provider", "sign in with the identity provider with this `ID`")
	property(flags, "org-name", "default.org-name", "sign in with the provider of the organization with this verified `NAME`")
	property(flags, "social-login", "default.social-login", "sign in with `PROVIDER`: email, google, github or gitlab")
}

// givesToken says whether an ID token is given, so that nobody need be there.
func (f *signInFlags) givesToken(cfg config.Config) bool {
	return f.identityToken != "" || cfg.IdentityToken != "" || cfg.IdentityTokenEnv != ""
}

// planSignIn checks all that flags and settings say of a sign-in, before anything
// is changed, and gives the session for it.
func (a *app) planSignIn(ctx context.Context, c *cobra.Command, f *signInFlags) (*token.Session, error) {
	if f.headless {
		a.cfg.Mode = config.ModeHeadless
	}
	given, err := a.givenToken(c, f)
	if err != nil {
		return nil, err
	}
	if a.cfg.Keychain == config.KeychainNone && !ofWorkload(a.cfg) {
		return nil, hint.With(errors.New("a sign-in could not be stored: "+fromSetting(a.cfg, "keychain")), hint.Do(hint.UnsetSetting, "keychain"), hint.Text("unset CHAINGUARD_KEYCHAIN"))
	}
	s, err := a.session(a.cfg)
	if err != nil {
		return nil, err
	}
	s.Patience = patienceNotInteractive
	s.ConfirmAccount = func(last, now token.Account) bool { return a.confirmAccount(ctx, last, now) }
	s.Audiences = f.audiences
	source, found := a.idToken(a.cfg)
	switch {
	case given != nil && ofWorkload(a.cfg):
		s.IDToken = given.Token
	case given != nil:
		s.SignIn = signin.WithToken(s.STS, a.cfg.IdentityProvider, given.Token)
	case s.IDToken != nil:
	case found:
		s.SignIn = signin.WithToken(s.STS, a.cfg.IdentityProvider, source.Token)
	case !found && a.cfg.Identity != "" && !a.isInteractive() && a.cfg.AutoLogin != config.AutoLoginAlways:
		return nil, &token.NotSignedInError{Err: noIDToken(a.cfg)}
	case inCI() && a.cfg.AutoLogin != config.AutoLoginAlways:
		return nil, &token.NotSignedInError{Err: noTokenInCI()}
	default:
		if err := a.checkOrganization(ctx, a.cfg); err != nil {
			return nil, err
		}
		s.Patience = patiencePerson
		s.SignIn, err = a.person(a.cfg, s.STS, f.invite)
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
		return nil, misuse("--identity-token and --identity-token-env cannot be used together")
	}
	if f.identityToken == "-" && term.IsTerminal(int(a.Stdin.Fd())) {
		a.note("paste the ID token, then press Enter and Ctrl-D")
	}
	source, err := idtoken.FromFlag(f.identityToken, a.Stdin)
	if err != nil {
		return nil, misuse("--identity-token: %w", err)
	}
	if source.Exposed {
		a.warnHint(hint.Text("give --identity-token a path or -, or use --identity-token-env NAME"), "other users of this machine can see the token in the list of processes")
	}
	a.cfg.IdentityToken, a.cfg.IdentityTokenEnv = source.Path, ""
	return &source, nil
}

// remember keeps the identity that was asked for on the command line, and where
// its ID token comes from, so that a later `get` answers for the same one with a
// new ID token. A token given by its value is not kept.
func (a *app) remember(c *cobra.Command) error {
	changed := func(flag string) bool { return c.Flags().Changed(flag) }
	if a.cfg.Identity == "" || !changed("identity") && !changed("identity-token") && !changed("identity-token-env") {
		return nil
	}
	return config.Update(a.cfg.File, map[string]string{
		"auth.identity":           a.cfg.Identity,
		"auth.identity-token":     a.cfg.IdentityToken,
		"auth.identity-token-env": a.cfg.IdentityTokenEnv,
	})
}

// idToken finds where ID tokens come from: the configured place, or, for an
// identity and in CI, what the machine itself offers.
func (p Program) idToken(cfg config.Config) (idtoken.Source, bool) {
	switch {
	case cfg.IdentityToken != "":
		return idtoken.File(cfg.IdentityToken), true
	case cfg.IdentityTokenEnv != "":
		source, err := idtoken.Variable(cfg.IdentityTokenEnv, os.Getenv)
		return source, err == nil // its name was checked with the settings
	case ofWorkload(cfg):
		return workload.ThisHost().Ambient(cfg.Issuer.Host)
	}
	return idtoken.Source{}, false
}

// checkOrganization asks the issuer whether the configured organization can be
// signed in through.
func (p Program) checkOrganization(ctx context.Context, cfg config.Config) error {
	if cfg.OrgName == "" {
		return nil
	}
	return signin.CheckOrganization(ctx, p.transport(), cfg.Issuer.String(), cfg.OrgName)
}

// person gives the way in which a person signs in here: with the organization's
// own provider where one is configured, in a browser on this machine, or on
// another device.
func (p Program) person(cfg config.Config, sts *platform.STS, invite string) (func(context.Context, token.SignInRequest) (*token.Grant, error), error) {
	if cfg.OIDC.Issuer != "" {
		if cfg.IdentityProvider == "" {
			return nil, errors.New("auth.oidc.issuer is set, but default.identity-provider is not: it is the ID of this provider on the platform")
		}
		if cfg.OIDC.ClientID == "" {
			return nil, errors.New("auth.oidc.issuer is set, but auth.oidc.client-id is not: it is the ID of this program at the provider")
		}
		return p.provider(cfg, sts).SignIn, nil
	}
	provider := cfg.IdentityProvider
	if provider == "" {
		provider = cfg.OrgName
	}
	browser := &signin.Browser{
		Issuer: cfg.Issuer.String(), Console: cfg.Console.String(),
		Provider: provider, Connection: cfg.SocialLogin, Identity: cfg.Identity, Invite: invite,
		NoRefreshToken: !cfg.UseRefreshToken, IdentityTokenEnv: cfg.IdentityTokenEnv,
		Wait: signInWait, Screen: p.screen(), Now: wallClock, Debug: p.debugger(cfg),
	}
	headless := &signin.Headless{
		STS:      sts,
		Provider: provider, Connection: cfg.SocialLogin, Identity: cfg.Identity,
		Wait: headlessWait, Screen: p.screen(), Now: wallClock, Debug: p.debugger(cfg),
	}
	if cfg.Mode == config.ModeBrowser {
		browser.Force = true
		return browser.SignIn, nil
	}
	if cfg.Mode == config.ModeHeadless || !openurl.Usable(os.Getenv, os.Geteuid()) {
		return headless.SignIn, nil
	}
	browser.GiveUp = true
	return func(ctx context.Context, r token.SignInRequest) (*token.Grant, error) {
		grant, err := browser.SignIn(ctx, r)
		if errors.Is(err, signin.ErrNoBrowser) {
			return headless.SignIn(ctx, r)
		}
		return grant, err
	}, nil
}
