package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"docker-credential-cgr/config"
	"docker-credential-cgr/hint"
	"docker-credential-cgr/keychain"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/token"
	"docker-credential-cgr/token/store"
	"docker-credential-cgr/workload"
	"docker-credential-cgr/workload/idtoken"
)

// How long to wait for another process that holds the lock: one that may be waiting for
// its user to sign in, and any other.
const (
	SignInLockTimeout = headlessTimeout + 30*time.Second
	LockTimeout       = 30 * time.Second
)

// Session returns the session of the configured identity with the configured issuer.
func (a *App) Session() (*token.Session, error) {
	var promptTimeout time.Duration
	if a.IsInteractive() { // the user may have to unlock the keychain
		promptTimeout = time.Minute
	}
	cfg := a.Config
	secrets, err := keychain.Open(keychain.Kind(cfg.Keychain), a.service(), promptTimeout)
	if err != nil {
		return nil, err
	}
	s := &token.Session{
		Records: store.Records{
			Issuer: cfg.Issuer.String(), Identity: cfg.Identity, Keychain: secrets,
			Now: Now, Warn: a.WarnError, Note: a.Note, Debug: a.Debug,
		},
		Registry:    cfg.Registry.Host,
		API:         cfg.API.String(),
		RegistryURL: cfg.Registry.String(),
		STS:         a.STS(),
	}
	s.WarnBeforeEnd = a.IsInteractive()
	if source, found := a.IDToken(); found && a.IsWorkload() {
		a.Debug("ID tokens come from %s", source.Name)
		s.IDToken = source.Token
	}
	return s, nil
}

// STS returns the issuer's token service.
func (a *App) STS() *platform.STS {
	return &platform.STS{Issuer: a.Config.Issuer.String(), Transport: a.Transport(), Now: Now, Warn: a.WarnError, Debug: a.Debug}
}

// DefaultAudience returns the audience of tokens that are for none in particular: the
// registry's or, in chainctl, the platform API's.
func (a *App) DefaultAudience(s *token.Session) string {
	if a.Chainctl {
		return s.API
	}
	return s.Registry
}

// SignInSession returns a session that lets the user sign in if that is possible here.
func (a *App) SignInSession() (*token.Session, error) {
	s, err := a.Session()
	if err != nil {
		return nil, err
	}
	s.LockTimeout = LockTimeout
	if s.IDToken != nil {
		return s, nil
	}
	if reason := a.whyNoSignIn(); reason != nil {
		a.RefuseSignIn(s, reason)
		return s, nil
	}
	signIn, err := a.SignInFunc(s.STS, "")
	if err != nil {
		return nil, err
	}
	s.SignIn = func(ctx context.Context, r token.SignInRequest) (*token.Grant, error) {
		if err := a.CheckOrganization(ctx); err != nil {
			return nil, err
		}
		return signIn(ctx, r)
	}
	s.LockTimeout = SignInLockTimeout
	return s, nil
}

// RefuseSignIn makes a session fail with a reason if the user has to sign in.
func (a *App) RefuseSignIn(s *token.Session, reason error) {
	if a.Config.Unpaired != "" {
		reason = hint.With(reason, hint.Text("set both CHAINGUARD_IDENTITY_ID and CHAINGUARD_TOKEN: %s is missing", a.Config.Unpaired))
	}
	s.SignIn, s.NoSignIn, s.LockTimeout = nil, reason, LockTimeout
	a.Debug("no interactive sign-in: %v", reason)
}

// whyNoSignIn returns the reason why the user cannot sign in, or nil.
func (a *App) whyNoSignIn() error {
	always := a.Config.AutoLogin == config.AutoLoginAlways
	var reason string
	switch {
	case a.Config.Keychain == config.KeychainNone: // each image would need its own sign-in
		return errors.New(a.SettingSource("keychain") + ", so a session cannot be stored")
	case a.Config.Identity != "" && !a.IsInteractive():
		return a.NoIDTokenError()
	case a.Config.AutoLogin == config.AutoLoginNever:
		reason = a.SettingSource("default.skip-auto-login")
		if !strings.Contains(reason, " is true ") {
			reason = a.SettingSource("auth.auto-login")
		}
	case !always && InCI():
		return NoTokenInCIError()
	case a.NeverPrompts:
		reason = "this command does not start a sign-in"
	case !always && !a.IsInteractive():
		reason = "no terminal to sign in at"
	default:
		return nil
	}
	return hint.With(errors.New(reason), hint.Do(hint.SignIn))
}

// SettingSource returns the value of a property and where it is set.
func (a *App) SettingSource(property string) string {
	for _, s := range a.Config.Settings {
		if s.Property == property {
			return fmt.Sprintf("%s is %s (%s)", property, platform.Printable(s.Value), s.Source)
		}
	}
	return property
}

// NoTokenInCIError returns the error for a CI job without an ID token.
func NoTokenInCIError() error {
	return hint.With(errors.New("no interactive sign-in in CI (CI is set), and no ID token was found"), append(hostHints(),
		hint.Text("set CHAINGUARD_AUTH_IDENTITY_TOKEN_ENV to the name of the variable that holds the ID token"),
		hint.Text("set CHAINGUARD_IDENTITY_ID and CHAINGUARD_TOKEN to a pull token"))...)
}

// NoIDTokenError returns the error for an identity that no ID token was found for.
func (a *App) NoIDTokenError() error {
	return hint.With(fmt.Errorf("found no ID token to assume the identity %s", a.Config.Identity), append(hostHints(),
		hint.Text("set auth.identity-token to the path of an ID token, or auth.identity-token-env to the name of its variable"),
		hint.Text(Name+" login --identity-token -"))...)
}

// hostHints returns what the CI system or cloud that runs this machine needs.
func hostHints() []hint.Hint {
	if text := workload.ThisHost().Hint(); text != "" {
		return []hint.Hint{{Text: text}}
	}
	return nil
}

// IDToken returns where ID tokens come from: the configured source, or, for an identity and
// in CI, the machine itself.
func (a *App) IDToken() (source idtoken.Source, found bool) {
	switch {
	case a.Config.IdentityToken != "":
		return idtoken.File(a.Config.IdentityToken), true
	case a.Config.IdentityTokenEnv != "":
		source, err := idtoken.Variable(a.Config.IdentityTokenEnv, os.Getenv)
		return source, err == nil
	case a.IsWorkload():
		return workload.ThisHost().Ambient(a.Config.Issuer.Host)
	}
	return idtoken.Source{}, false
}

// IsWorkload reports whether an ID token of this machine is a workload's, and not one that
// a user signs in with. The identity is the configured one, or the only one that the token
// matches.
func (a *App) IsWorkload() bool {
	return a.Config.Identity != "" || InCI() && a.Config.IdentityProvider == ""
}

// IsInteractive reports whether a user would see a prompt to sign in. An editor, a daemon
// or a CI job may run Docker in the background.
func (a *App) IsInteractive() bool {
	return !a.NeverPrompts && term.IsTerminal(int(a.Stderr.Fd())) && !InCI()
}

// InCI reports whether this is a CI job: all common systems set CI.
func InCI() bool {
	ci := os.Getenv("CI")
	return ci != "" && ci != "false" && ci != "0"
}

// ClearOtherStores clears the stores that the session does not use. An earlier session in
// one of them would be used again when that store is chosen, as in a cron job without a
// session bus.
func (a *App) ClearOtherStores(ctx context.Context, session token.Session) {
	used := session.Keychain.String()
	for _, kind := range keychain.Kinds() {
		other, err := keychain.Open(kind, a.service(), 0)
		if err != nil || other.String() == used {
			continue
		}
		session.Keychain = other
		var failed *keychain.Error
		if err := session.EraseElsewhere(ctx); err != nil && !(errors.As(err, &failed) && failed.Absent) {
			a.Warn("cannot clear the %s, which is not in use: %v", other, err)
		}
	}
}
