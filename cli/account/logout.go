package account

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/config"
	"docker-credential-cgr/hint"
	"docker-credential-cgr/iam"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/pulltoken"
	"docker-credential-cgr/token"
)

func newLogout(a *command.App) *cobra.Command {
	var audiences []string
	var revoke bool
	c := &cobra.Command{
		Use:   "logout",
		Short: "Sign out",
		Long: `Remove the session with its tokens, the credentials stored by docker login or
pull-token create --save, and the identity from the settings file. A stored pull token
remains valid on the platform unless you revoke it.`,
		Example: `  docker-credential-cgr logout
  docker-credential-cgr logout --revoke
  docker-credential-cgr logout --for ORGANIZATION
  docker-credential-cgr logout --audience apk.cgr.dev`,
		Args: command.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if revoke && len(audiences) > 0 {
				return command.Usagef("--revoke and --audience cannot be used together")
			}
			return logout(c.Context(), a, audiences, revoke)
		},
	}
	c.Flags().StringArrayVar(&audiences, "audience", nil, "remove only the token for `AUDIENCE` (repeatable)")
	command.ForFlag(c.Flags(), "end only the session for the images of `ORGANIZATION`")
	c.Flags().BoolVar(&revoke, "revoke", false, "first revoke the pull tokens stored in the keychain")
	return c
}

// logout removes the tokens for audiences, or everything if there are none. An error does
// not keep it from removing the rest.
func logout(ctx context.Context, a *command.App, audiences []string, revoke bool) error {
	s, err := a.Session()
	if err != nil {
		return err
	}
	if revoke {
		if err := revokeSaved(ctx, a, s); err != nil {
			return err
		}
	}
	var errs []error
	if len(audiences) > 0 {
		for _, audience := range audiences {
			errs = append(errs, s.EraseToken(ctx, audience))
		}
		return errors.Join(errs...)
	}
	errs = append(errs, s.SignOut(ctx))
	a.ClearOtherStores(ctx, *s)
	if a.SessionOrganization != "" {
		if err := errors.Join(append(errs, forgetOrganization(a))...); err != nil {
			return err
		}
		a.Note("Signed out for the images of %s.", a.SessionOrganization)
		return nil
	}
	a.ForgetNames()
	if a.Config.Identity != "" || a.Config.IdentityToken != "" || a.Config.IdentityTokenEnv != "" {
		errs = append(errs, config.Update(a.Config.File, map[string]string{
			"auth.identity": "", "auth.identity-token": "", "auth.identity-token-env": "",
		}))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	a.Note("Signed out.")
	warnOtherSessions(a)
	warnOtherCredentials(a)
	return nil
}

// revokeSaved revokes the pull tokens in the keychain. It stops at the first error, before
// anything else is removed.
func revokeSaved(ctx context.Context, a *command.App, s *token.Session) error {
	saved, err := a.SavedTokens(s)
	if err != nil {
		return err
	}
	s.LockTimeout = command.LockTimeout
	client := a.Client(ctx, s)
	revoked := map[string]bool{}
	for _, t := range saved {
		if !iam.ValidID(t.Username) || revoked[t.Username] {
			continue
		}
		if err := pulltoken.Revoke(ctx, client, t.Username); err != nil {
			return fmt.Errorf("nothing was removed: %w", err)
		}
		revoked[t.Username] = true
		a.Note("Revoked the pull token %s.", t.Username)
		if err := a.ForgetSaved(ctx, s, t.Username); err != nil {
			return err
		}
	}
	return nil
}

// warnOtherCredentials warns of the credentials that logout does not remove.
func warnOtherCredentials(a *command.App) {
	host := a.Config.Registry.Host
	if file, err := command.DockerFile(); err == nil {
		if username, found := file.Login(host); found {
			a.WarnHint(hint.Text("docker logout %s", host), "%s still has a credential for %s (user %s)", file.Path, host, platform.Printable(username))
		}
	}
	for _, setting := range a.Config.Settings {
		if setting.Property == "auth.identity" && setting.Source == config.Variable(setting.Property) {
			a.Warn("%s is still set, so get continues to answer for that identity", setting.Source)
		}
	}
	if a.Config.IdentityID != "" {
		a.WarnHint(command.UnsetPair(), "get still answers with CHAINGUARD_IDENTITY_ID and CHAINGUARD_TOKEN")
	}
}
