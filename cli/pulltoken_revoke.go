package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"docker-credential-cgr/iam"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/token"
)

func (a *app) newPullTokenRevoke() *cobra.Command {
	var parent string
	var expired, yes bool
	c := &cobra.Command{
		Use:     "revoke ID|NAME... | --expired",
		Aliases: []string{"delete", "rm"},
		Short:   "Revoke pull tokens",
		Long: `Revoke pull tokens, so that they can no longer be used to pull, after asking for
confirmation. Also removes them from this machine's keychain.`,
		Example: `  ` + name + ` pull-token revoke mirror
  ` + name + ` pull-token revoke --expired --yes`,
		Args: func(c *cobra.Command, args []string) error {
			switch {
			case expired && len(args) > 0:
				return misuse("--expired says which to revoke; it was also given %q", args[0])
			case !expired && (len(args) == 0 || slices.Contains(args, "")):
				return misuse("usage: %s ID|NAME... | --expired", c.CommandPath())
			case !yes && !a.canAsk():
				return misuse("refusing to revoke without confirmation (not a terminal); add --yes")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			return a.revokePullTokens(c.Context(), args, parent, expired, yes)
		},
	}
	flags := c.Flags()
	addParent(flags, &parent, "only those of this `ORGANIZATION` or folder (name or ID; default: all you can see)")
	flags.BoolVar(&expired, "expired", false, "revoke all that have expired")
	flags.BoolVarP(&yes, "yes", "y", false, "do not ask for confirmation")
	return c
}

func (a *app) revokePullTokens(ctx context.Context, idsOrNames []string, parent string, expired, yes bool) error {
	client, s, err := a.api(ctx)
	if err != nil {
		return err
	}
	list, err := a.pullTokens(ctx, client, parent, iam.PullTokenFilter{Expired: expired, Now: wallClock()})
	if err != nil {
		return err
	}
	doomed := list
	if !expired {
		if doomed, err = matchPullTokens(list, idsOrNames); err != nil {
			return err
		}
	}
	if len(doomed) == 0 {
		a.note("no pull token has ended")
		return nil
	}
	for _, t := range doomed {
		a.note("%s", describePullToken(t))
	}
	question := "revoke this pull token?"
	if len(doomed) > 1 {
		question = fmt.Sprintf("revoke these %d pull tokens?", len(doomed))
	}
	if err := a.confirm(ctx, yes, question); err != nil {
		return err
	}
	var errs []error
	for _, t := range doomed {
		if err := client.Revoke(ctx, t.ID); err != nil {
			errs = append(errs, err)
			continue
		}
		errs = append(errs, a.answer("Revoked %s (%s)\n", platform.Printable(t.Name), t.ID), a.forgetSaved(ctx, s, t.ID))
	}
	return errors.Join(errs...)
}

// matchPullTokens finds the pull tokens that are meant, each once. One that cannot
// be found stops all.
func matchPullTokens(list []iam.PullTokenInfo, idsOrNames []string) ([]iam.PullTokenInfo, error) {
	var found []iam.PullTokenInfo
	for _, idOrName := range idsOrNames {
		t, err := iam.MatchPullToken(list, idOrName)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(found, func(f iam.PullTokenInfo) bool { return f.ID == t.ID }) {
			found = append(found, t)
		}
	}
	return found, nil
}

// describePullToken says in one line which pull token it is.
func describePullToken(t iam.PullTokenInfo) string {
	text := fmt.Sprintf("%s (%s)", platform.Printable(t.Name), t.ID)
	if t.Description != "" {
		text += ", " + platform.Printable(t.Description)
	}
	if organization := t.Organization.Name; organization != "" {
		text += ", of " + platform.Printable(organization)
	}
	if !t.Expires.IsZero() {
		text += ", ends " + day(t.Expires)
	}
	if t.LastSeen.IsZero() {
		return text + ", never used"
	}
	return text + ", last used " + day(t.LastSeen)
}

// forgetSaved forgets a pull token that was revoked, where it is saved here.
func (a *app) forgetSaved(ctx context.Context, s *token.Session, id string) error {
	saved, err := a.savedTokens(s)
	if err != nil {
		return err
	}
	var errs []error
	for _, t := range saved {
		switch {
		case t.username != id:
		case t.where == saveDockerConfig:
			a.warn("it is still in Docker's config; to take it out, run: docker logout %s", t.host)
		default:
			forgotten, err := s.ForgetStored(ctx, t.host, id)
			if errs = append(errs, err); forgotten {
				a.note("it was saved here for %s, and is forgotten", t.host)
			}
		}
	}
	return errors.Join(errs...)
}
