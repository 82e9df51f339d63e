package cli

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
	"docker-credential-cgr/signin/prompt"
	"docker-credential-cgr/token"
	"docker-credential-cgr/token/store"
	"docker-credential-cgr/workload"
)

// How long a person may take to sign in: here, or with another device at hand.
const (
	signInWait   = 5 * time.Minute
	headlessWait = 10 * time.Minute
)

// How long to wait for another process. One that has a person sign in may take
// as long as a sign-in may; where nobody is there, clients have no such patience.
const (
	patiencePerson         = headlessWait + 30*time.Second
	patienceNotInteractive = 30 * time.Second
)

// unsetPair is the hint for a pull token in the environment that answers first.
var unsetPair = hint.Text("unset CHAINGUARD_IDENTITY_ID CHAINGUARD_TOKEN")

// helperSession is the session as the protocol's verbs use it: it opens a window
// only where a person is there to see it.
func (p Program) helperSession(cfg config.Config) (*token.Session, error) {
	s, err := p.session(cfg)
	if err != nil {
		return nil, err
	}
	s.Patience = patienceNotInteractive
	s.Watch = p.watchClient
	if s.IDToken != nil {
		return s, nil // nobody need be asked
	}
	if why := p.whyNotInteractive(cfg); why != nil {
		if cfg.Unpaired != "" {
			why = hint.With(why, hint.Text("set both CHAINGUARD_IDENTITY_ID and CHAINGUARD_TOKEN: %s is missing", cfg.Unpaired))
		}
		s.NoSignIn = why
		p.debug(cfg, "no interactive sign-in: %v", why)
		return s, nil
	}
	signIn, err := p.person(cfg, s.STS, "")
	if err != nil {
		return nil, err
	}
	s.SignIn = func(ctx context.Context, r token.SignInRequest) (*token.Grant, error) {
		if err := p.checkOrganization(ctx, cfg); err != nil {
			return nil, err
		}
		return signIn(ctx, r)
	}
	s.Patience = patiencePerson
	return s, nil
}

// whyNotInteractive returns the reason why no interactive sign-in may start for a client
// that asks for a credential, or nil if one may.
func (p Program) whyNotInteractive(cfg config.Config) error {
	login := func(format string, args ...any) error {
		return hint.With(fmt.Errorf(format, args...), hint.Do(hint.SignIn))
	}
	always := cfg.AutoLogin == config.AutoLoginAlways
	switch {
	case cfg.Keychain == config.KeychainNone: // it would open one for each image
		return errors.New(fromSetting(cfg, "keychain") + ", so a session cannot be stored")
	case cfg.Identity != "" && !p.isInteractive():
		return noIDToken(cfg)
	case cfg.AutoLogin == config.AutoLoginNever:
		if set := fromSetting(cfg, "default.skip-auto-login"); strings.Contains(set, " is true ") {
			return login("%s", set)
		}
		return login("%s", fromSetting(cfg, "auth.auto-login"))
	case !always && inCI():
		return noTokenInCI()
	case !always && !p.isInteractive():
		return login("no terminal to sign in at")
	}
	if client := loginCommand(parentArgs()); client != "" {
		return login("%s is about to store another credential", client)
	}
	return nil
}

// fromSetting returns what a property is set to, and by what.
func fromSetting(cfg config.Config, property string) string {
	for _, s := range cfg.Settings {
		if s.Property == property {
			return fmt.Sprintf("%s is %s (%s)", property, platform.Printable(s.Value), s.Source)
		}
	}
	return property
}

// noTokenInCI returns the error for a CI job that has no ID token.
func noTokenInCI() error {
	hints := hintsForHost()
	hints = append(hints,
		hint.Text("set CHAINGUARD_AUTH_IDENTITY_TOKEN_ENV to the name of the variable that holds the ID token"),
		hint.Text("set CHAINGUARD_IDENTITY_ID and CHAINGUARD_TOKEN to a pull token"))
	return hint.With(errors.New("no interactive sign-in in CI (CI is set), and no ID token was found"), hints...)
}

// noIDToken returns the error for an identity without an ID token to assume it with.
func noIDToken(cfg config.Config) error {
	hints := hintsForHost()
	hints = append(hints,
		hint.Text("set auth.identity-token to the path of an ID token, or auth.identity-token-env to the name of its variable"),
		hint.Text("%s login --identity-token -", name))
	return hint.With(fmt.Errorf("found no ID token to assume the identity %s with", cfg.Identity), hints...)
}

// hintsForHost returns what the CI system or cloud that runs this machine needs.
func hintsForHost() []hint.Hint {
	if text := workload.ThisHost().Hint(); text != "" {
		return []hint.Hint{hint.Text("%s", text)}
	}
	return nil
}

// session is the session with the configured issuer, of the configured identity.
func (p Program) session(cfg config.Config) (*token.Session, error) {
	// A person may have a prompt of the keychain to answer.
	var patience time.Duration
	if p.isInteractive() {
		patience = time.Minute
	}
	secrets, err := keychain.Open(keychain.Kind(cfg.Keychain), name, patience)
	if err != nil {
		return nil, err
	}
	s := &token.Session{
		Records: store.Records{
			Issuer: cfg.Issuer.String(), Identity: cfg.Identity, Keychain: secrets,
			Now: wallClock, Warn: p.warnError, Note: p.note, Debug: p.debugger(cfg),
		},
		Registry:    cfg.Registry.Host,
		API:         cfg.API.String(),
		RegistryURL: cfg.Registry.String(),
		STS: &platform.STS{
			Issuer:    cfg.Issuer.String(),
			Transport: p.transport(),
			Now:       wallClock,
			Warn:      p.warnError,
			Debug:     p.debugger(cfg),
		},
	}
	s.WarnBeforeEnd = p.isInteractive()
	if source, found := p.idToken(cfg); found && ofWorkload(cfg) {
		p.debug(cfg, "ID tokens come from %s", source.Name)
		s.IDToken = source.Token
	}
	return s, nil
}

// ofWorkload reports whether an ID token that is found here is a workload's, of the
// identity that is configured or of the only one that it matches, and not a person's.
func ofWorkload(cfg config.Config) bool {
	return cfg.Identity != "" || inCI() && cfg.IdentityProvider == ""
}

// wallClock is the time without Go's monotonic reading, which stands still while
// a laptop sleeps.
func wallClock() time.Time { return time.Now().Round(0) }

// screen returns where a person who signs in reads.
func (p Program) screen() prompt.Screen {
	screen := prompt.Screen{Out: p.Stderr, Terminal: p.isInteractive()}
	if !p.typed {
		screen.Prefix = name + ": "
	}
	return screen
}

// isInteractive reports whether a person would see a sign-in: not if an editor, a daemon
// or a CI job runs Docker in the background.
func (p Program) isInteractive() bool {
	return term.IsTerminal(int(p.Stderr.Fd())) && !inCI()
}

// inCI reports whether this is a CI job: all common systems set CI.
func inCI() bool {
	ci := os.Getenv("CI")
	return ci != "" && ci != "false" && ci != "0"
}

// debug prints what is done, if debug messages are on. args must not contain a secret.
func (p Program) debug(cfg config.Config, format string, args ...any) {
	if cfg.Debug {
		p.print("debug: ", fmt.Errorf(format, args...))
	}
}

func (p Program) debugger(cfg config.Config) func(string, ...any) {
	return func(format string, args ...any) { p.debug(cfg, format, args...) }
}
