package cli

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"docker-credential-cgr/config"
	"docker-credential-cgr/keychain"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/token"
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
	if why := p.noWindow(cfg); why != "" {
		if cfg.Unpaired != "" {
			why += "; " + cfg.Unpaired + " is missing beside its pair: set both CHAINGUARD_IDENTITY_ID and CHAINGUARD_TOKEN"
		}
		s.NoSignIn = why
		p.debug(cfg, "no window: %s", why)
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

// noWindow says why no window may open for a client that asks, and what to do, or
// "" where one may.
func (p Program) noWindow(cfg config.Config) string {
	const login = "run: docker-credential-cgr login"
	always := cfg.AutoLogin == config.AutoLoginAlways
	switch {
	case cfg.Keychain == config.KeychainNone: // it would open one for each image
		return fromSetting(cfg, "keychain") + ", so a session cannot be stored"
	case cfg.Identity != "" && !p.personThere():
		return "there is no ID token for the identity " + cfg.Identity + " here; " + p.noIDToken()
	case cfg.AutoLogin == config.AutoLoginNever:
		if set := fromSetting(cfg, "default.skip-auto-login"); strings.Contains(set, " is true ") {
			return set + "; " + login
		}
		return fromSetting(cfg, "auth.auto-login") + "; " + login
	case !always && inCI():
		return p.whyNotInCI()
	case !always && !p.personThere():
		return "nobody is at a terminal here; " + login
	}
	if client := loginCommand(parentArgs()); client != "" {
		return client + " stores another credential; to sign in instead, " + login
	}
	return ""
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

// whyNotInCI says why there is no sign-in in a CI job, and what it needs instead.
func (p Program) whyNotInCI() string {
	text := "no interactive sign-in in CI (CI is set), and no ID token was found: "
	if hint := workload.ThisHost().Hint(); hint != "" {
		text += hint + ", or "
	}
	return text + "set auth.identity-token-env to the name of its variable, or CHAINGUARD_IDENTITY_ID and CHAINGUARD_TOKEN to a pull token"
}

// session is the session with the configured issuer, of the configured identity.
func (p Program) session(cfg config.Config) (*token.Session, error) {
	// A person may have a prompt of the keychain to answer.
	var patience time.Duration
	if p.personThere() {
		patience = time.Minute
	}
	store, err := keychain.Open(keychain.Kind(cfg.Keychain), name, patience)
	if err != nil {
		return nil, err
	}
	s := &token.Session{
		Issuer:   cfg.Issuer.String(),
		Identity: cfg.Identity,
		Registry: cfg.Registry.Host,
		API:      cfg.API.String(),
		Keychain: store,

		RegistryURL: cfg.Registry.String(),
		STS: &platform.STS{
			Issuer:    cfg.Issuer.String(),
			Transport: p.transport(),
			Now:       wallClock,
			Warn:      p.warn,
			Debug:     p.debugger(cfg),
		},
		Now:   wallClock,
		Warn:  p.warn,
		Debug: p.debugger(cfg),
	}
	s.WarnBeforeEnd = p.personThere()
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

// personThere says whether somebody sits at a terminal and would see a window:
// not an editor, a daemon or a CI job that runs Docker in the background.
func (p Program) personThere() bool {
	return term.IsTerminal(int(p.Stderr.Fd())) && !inCI()
}

// inCI says whether this is a CI job: every system of note sets CI.
func inCI() bool {
	ci := os.Getenv("CI")
	return ci != "" && ci != "false" && ci != "0"
}

// debug says what is done, when that is asked for. No secret is among args.
func (p Program) debug(cfg config.Config, format string, args ...any) {
	if cfg.Debug {
		p.warn("debug: "+format, args...)
	}
}

func (p Program) debugger(cfg config.Config) func(string, ...any) {
	return func(format string, args ...any) { p.debug(cfg, format, args...) }
}
