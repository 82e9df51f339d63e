package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/config"
	"docker-credential-cgr/hint"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/token"
)

func (a *app) newLogin() *cobra.Command {
	var f signInFlags
	var keepFresh bool
	c := command.Formats(&cobra.Command{
		Use:   "login",
		Short: "Sign in",
		Long: `Sign in with a browser, even if you are already signed in. Without a browser on this
machine, sign in on any other device. With --identity, exchange this machine's ID token
instead.`,
		Example: `  docker-credential-cgr login
  docker-credential-cgr login --headless
  docker-credential-cgr login --org-name example.com
  docker-credential-cgr login --identity ID --identity-token-env MY_ID_TOKEN`,
		Args: command.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := a.findIdentity(c.Context()); err != nil {
				return err
			}
			if keepFresh {
				if err := a.checkKeepFresh(&f); err != nil {
					return err
				}
			}
			s, err := a.login(c.Context(), c, &f)
			if err != nil || !keepFresh {
				return err
			}
			return a.keepFresh(c.Context(), s)
		},
	}, "text", "json")
	f.add(c)
	c.Flags().StringArrayVar(&f.audiences, "audience", nil, "also get a token for `AUDIENCE` (repeatable)")
	c.Flags().StringVar(&f.invite, "invite-code", "", "accept the invitation to an organization with this `CODE`")
	c.Flags().BoolVar(&keepFresh, "refresh", false, "keep running and renew the tokens until stopped")
	return c
}

// login signs in, and says who it was and what to type next.
func (a *app) login(ctx context.Context, c *cobra.Command, f *signInFlags) (*token.Session, error) {
	s, err := a.planSignIn(ctx, c, f)
	if err != nil {
		return nil, err
	}
	account, err := a.signIn(ctx, c, s)
	if err != nil {
		return nil, err
	}
	return s, a.saySignedIn(s, account)
}

// signIn signs in, gets a token for each audience that was asked for, and makes
// what it did last.
func (a *app) signIn(ctx context.Context, c *cobra.Command, s *token.Session) (token.Account, error) {
	if a.Config.IdentityID != "" {
		a.WarnHint(command.UnsetPair(), "get answers with CHAINGUARD_IDENTITY_ID and CHAINGUARD_TOKEN, not with this sign-in")
	}
	account, err := s.Login(ctx)
	if err != nil {
		return account, err
	}
	for _, audience := range s.Audiences {
		if _, err := s.Credential(ctx, audience, true); err != nil {
			return account, fmt.Errorf("signed in as %s, but there is no token for %s: %w", account, platform.Printable(audience), err)
		}
	}
	a.ClearOtherStores(ctx, *s)
	return account, a.remember(c)
}

// saySignedIn answers a sign-in.
func (a *app) saySignedIn(s *token.Session, account token.Account) error {
	if a.Output == "json" {
		return a.PrintJSON(struct {
			Identity  string     `json:"identity"`
			Email     string     `json:"email,omitempty"`
			Until     *time.Time `json:"sessionUntil,omitempty"` // when the person has to sign in again
			Renewable bool       `json:"renewable"`              // by itself, until then
			Store     string     `json:"store"`
		}{account.Subject, account.Email, command.JSONTime(account.Until), account.Renewable, s.Keychain.String()})
	}
	if err := a.Print("Signed in as %s.\n", account.Describe()); err != nil {
		return err
	}
	if s.IDToken != nil && s.Identity == "" {
		if kept, err := s.Kept(); err == nil && kept.Account.Valid(s.Now()) {
			a.WarnHint(hint.Text("docker-credential-cgr login --identity %s", account.Subject), "get answers as %s, who is signed in on this machine, not as the identity of this job", kept.Account)
			return nil
		}
		a.Note("Nothing is stored because no identity was named: each request exchanges an ID token.")
		return nil
	}
	why := s.Keychain.Why()
	if why != "" {
		why = " (" + why + ")"
	}
	a.Note("Storage: %s%s", s.Keychain, why)
	if s.Keychain.Volatile() {
		a.WarnHint(hint.Text("docker-credential-cgr config set keychain file"), "a restart of this machine removes the session")
	}
	a.Note("Next: docker pull %s/ORGANIZATION/IMAGE", a.Config.Registry.Host)
	return nil
}

// checkKeepFresh refuses a --refresh that could not go on, or that nobody would
// profit by.
func (a *app) checkKeepFresh(f *signInFlags) error {
	if a.Config.Keychain == config.KeychainNone {
		return errors.New("--refresh needs a credential store, and the setting keychain is none")
	}
	if f.identityToken == "" || a.Config.Identity == "" {
		return nil
	}
	if info, err := os.Stat(f.identityToken); err != nil || !info.Mode().IsRegular() {
		return command.Usagef("--refresh must read the ID token again: use --identity-token with the path of a file, or --identity-token-env NAME")
	}
	return nil
}

// retryPause is how long keepFresh waits after a failure.
const retryPause = 30 * time.Second

// keepFresh renews the session's tokens whenever they are due, as a companion of
// programs that read them, until it is stopped.
func (a *app) keepFresh(ctx context.Context, s *token.Session) error {
	a.Note("Renewing the tokens when they are due; press Ctrl-C to stop.")
	started := s.Now()
	for {
		if s.SignedOutSince(started) {
			return &token.NotSignedInError{Err: errors.New("signed out by another process")}
		}
		next := s.Now().Add(time.Hour)
		for _, host := range append([]string{s.Registry}, s.Audiences...) {
			credential, err := s.Credential(ctx, host, false)
			var ended *token.NotSignedInError
			switch {
			case errors.As(err, &ended):
				return err
			case ctx.Err() != nil:
			case err != nil:
				a.Warn("%v; trying again in %s", err, retryPause)
				credential.Renew = s.Now().Add(retryPause)
			}
			at := credential.Renew
			if at.IsZero() {
				at = credential.Expires
			}
			if !at.IsZero() && at.Before(next) {
				next = at
			}
		}
		select {
		case <-ctx.Done():
			if cause := context.Cause(ctx); errors.Is(cause, token.ErrInterrupted) {
				return cause
			}
			return nil // asked to stop, it has done its work
		case <-time.After(max(next.Sub(s.Now()), time.Second)):
		}
	}
}
