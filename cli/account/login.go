package account

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/config"
	"docker-credential-cgr/token"
)

func newLogin(a *command.App) *cobra.Command {
	var f signInFlags
	var keepRefreshing, onlyRefresh bool
	c := command.Formats(&cobra.Command{
		Use:   "login",
		Short: "Sign in",
		Long: `Sign in with a browser, even if you are already signed in. Without a browser on this
machine, sign in on any other device. With --identity, exchange this machine's ID token
instead.`,
		Example: `  docker-credential-cgr login
  docker-credential-cgr login --headless
  docker-credential-cgr login --org-name example.com
  docker-credential-cgr login --for ORGANIZATION
  docker-credential-cgr login --identity ID --identity-token-env MY_ID_TOKEN`,
		Args: command.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if onlyRefresh {
				return refreshOnly(c.Context(), a, f.audiences)
			}
			return login(c.Context(), a, c, &f, keepRefreshing)
		},
	}, "text", "json", "id", "none")
	f.add(c)
	c.Flags().StringArrayVar(&f.audiences, "audience", nil, "also get a token for `AUDIENCE` (repeatable)")
	c.Flags().StringVar(&f.invite, "invite-code", "", "accept the invitation to an organization with this `CODE`")
	command.ForFlag(c.Flags(), "sign in for the images of `ORGANIZATION` only, in addition to the default session")
	c.Flags().BoolVar(&keepRefreshing, "refresh", false, "keep running and renew the tokens until stopped")
	c.Flags().BoolVar(&onlyRefresh, "refresh-only", false, "like --refresh, but for the existing session: does not sign in")
	c.Flags().BoolVar(&onlyRefresh, "refresh-all", false, "")
	_ = c.Flags().MarkHidden("refresh-all") // chainctl's name for it with all audiences; the flag exists
	return c
}

func login(ctx context.Context, a *command.App, c *cobra.Command, f *signInFlags, keepRefreshing bool) error {
	if err := checkForFlags(a, c); err != nil {
		return err
	}
	if err := findIdentity(ctx, a); err != nil {
		return err
	}
	s, err := f.newSession(ctx, a, c)
	switch {
	case err != nil:
		return err
	case keepRefreshing && a.Config.Keychain == config.KeychainNone:
		return errors.New("--refresh needs a credential store, and the setting keychain is none")
	case keepRefreshing && s.IDToken != nil && f.identityToken != "" && a.Config.IdentityToken == "":
		return command.Usagef("--refresh must read the ID token again: use --identity-token with the path of a file, or --identity-token-env NAME")
	}
	account, err := signIn(ctx, a, c, s)
	if err != nil {
		return err
	}
	if err := printSignedIn(ctx, a, s, account); err != nil || !keepRefreshing {
		return err
	}
	return refresh(ctx, a, s)
}

// refreshOnly renews the tokens of the session that there is, also those for audiences.
func refreshOnly(ctx context.Context, a *command.App, audiences []string) error {
	s, err := a.Session()
	if err != nil {
		return err
	}
	s.LockTimeout, s.Audiences = command.LockTimeout, audiences
	return refresh(ctx, a, s)
}

// retryDelay is how long refresh waits after a failure.
const retryDelay = 30 * time.Second

// refresh renews the tokens of the session whenever they are due, until it is stopped.
func refresh(ctx context.Context, a *command.App, s *token.Session) error {
	a.Note("Renewing the tokens when they are due; press Ctrl-C to stop.")
	started := s.Now()
	for {
		if s.SignedOutSince(started) {
			return &token.NotSignedInError{Err: errors.New("signed out by another process")}
		}
		next := s.Now().Add(time.Hour)
		for _, host := range append([]string{s.Registry}, s.Audiences...) {
			credential, err := s.Credential(ctx, host, false)
			var notSignedIn *token.NotSignedInError
			switch {
			case errors.As(err, &notSignedIn):
				return err
			case ctx.Err() != nil:
			case err != nil:
				a.Warn("%v; trying again in %s", err, retryDelay)
				credential.Renew = s.Now().Add(retryDelay)
			}
			if due := cmp.Or(credential.Renew, credential.Expires); !due.IsZero() && due.Before(next) {
				next = due
			}
		}
		select {
		case <-ctx.Done():
			if cause := context.Cause(ctx); errors.Is(cause, token.ErrInterrupted) {
				return cause
			}
			return nil // stopping it otherwise is not a failure
		case <-time.After(max(next.Sub(s.Now()), time.Second)):
		}
	}
}
