package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"docker-credential-cgr/config"
)

func (a *app) newLogout() *cobra.Command {
	var audiences []string
	c := &cobra.Command{
		Use:   "logout",
		Short: "Sign out",
		Long: `Removes what is kept: the session with its tokens, a pair stored by docker login, and
the identity that login was told to assume.`,
		Example: `  ` + name + ` logout
  ` + name + ` logout --audience apk.cgr.dev`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error { return a.logout(c.Context(), audiences) },
	}
	c.Flags().StringArrayVar(&audiences, "audience", nil, "remove the token for this `AUDIENCE` alone (repeatable)")
	return c
}

// logout removes what is kept for audiences, or everything. It does as much as it
// can, whatever state the rest is in.
func (a *app) logout(ctx context.Context, audiences []string) error {
	s, err := a.session(a.cfg)
	if err != nil {
		return err
	}
	if len(audiences) > 0 {
		var errs []error
		for _, audience := range audiences {
			errs = append(errs, s.ForgetToken(ctx, audience))
		}
		return errors.Join(errs...)
	}
	errs := []error{s.SignOut(ctx)}
	a.forgetElsewhere(ctx, *s)
	if a.cfg.Identity != "" || a.cfg.IdentityToken != "" || a.cfg.IdentityTokenEnv != "" {
		errs = append(errs, config.Update(a.cfg.File, map[string]string{
			"auth.identity": "", "auth.identity-token": "", "auth.identity-token-env": "",
		}))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	a.warn("signed out")
	for _, setting := range a.cfg.Settings {
		if setting.Property == "auth.identity" && setting.Source == config.Variable(setting.Property) {
			a.warn("%s is still set, so get goes on to answer for that identity", setting.Source)
		}
	}
	if a.cfg.IdentityID != "" {
		a.warn("CHAINGUARD_IDENTITY_ID and CHAINGUARD_TOKEN are still set, and get answers with them")
	}
	return nil
}
