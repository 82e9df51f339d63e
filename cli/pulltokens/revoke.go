package pulltokens

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/spf13/cobra"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/pulltoken"
)

func newRevoke(a *command.App) *cobra.Command {
	var parent string
	var expired, yes bool
	c := &cobra.Command{
		Use:     "revoke ID|NAME... | --expired",
		Aliases: []string{"delete", "rm"},
		Short:   "Revoke pull tokens",
		Long: `Revoke pull tokens, so that they can no longer be used to pull, after asking for
confirmation. Also removes them from this machine's keychain.`,
		Example: `  docker-credential-cgr pull-token revoke mirror
  docker-credential-cgr pull-token revoke --expired --yes`,
		Args: func(c *cobra.Command, args []string) error {
			switch {
			case expired && len(args) > 0:
				return command.Usagef("--expired chooses the pull tokens: leave out %q", args[0])
			case !expired && (len(args) == 0 || slices.Contains(args, "")):
				return command.Usagef("usage: %s ID|NAME... | --expired", c.CommandPath())
			}
			return a.CheckConfirm(yes, "revoke")
		},
		RunE: func(c *cobra.Command, args []string) error {
			return revoke(c.Context(), a, args, parent, expired, yes)
		},
		ValidArgsFunction: a.CompleteNames(math.MaxInt, command.IsPullToken),
	}
	flags := c.Flags()
	command.ParentFlag(flags, &parent, "only those of this `ORGANIZATION` or folder (name or ID; default: all you can see)")
	flags.BoolVar(&expired, "expired", false, "revoke all that have expired")
	flags.BoolVarP(&yes, "yes", "y", false, "do not ask for confirmation")
	return c
}

func revoke(ctx context.Context, a *command.App, idsOrNames []string, parent string, expired, yes bool) error {
	client, s, err := a.API(ctx)
	if err != nil {
		return err
	}
	list, err := find(ctx, a, client, parent, pulltoken.Filter{Expired: expired, Now: command.Now()})
	if err != nil {
		return err
	}
	if !expired {
		if list, err = pulltoken.Find(list, idsOrNames...); err != nil {
			return err
		}
	}
	if len(list) == 0 {
		a.Note("No pull token has expired.")
		return nil
	}
	for _, t := range list {
		a.Note("%s", describe(t))
	}
	if err := a.Confirm(ctx, yes, "revoke "+command.These(len(list), "pull token", "pull tokens")+"?"); err != nil {
		return err
	}
	var errs []error
	for _, t := range list {
		if err := pulltoken.Revoke(ctx, client, t.ID); err != nil {
			errs = append(errs, err)
			continue
		}
		errs = append(errs, a.Print("Revoked %s (%s)\n", platform.Printable(t.Name), t.ID), a.ForgetSaved(ctx, s, t.ID))
	}
	return errors.Join(errs...)
}

// describe returns a pull token as one line.
func describe(t pulltoken.Info) string {
	text := fmt.Sprintf("%s (%s)", platform.Printable(t.Name), t.ID)
	if t.Description != "" {
		text += ", " + platform.Printable(t.Description)
	}
	if organization := t.Organization.Name; organization != "" {
		text += ", of " + platform.Printable(organization)
	}
	if !t.Expires.IsZero() {
		text += ", expires " + command.Day(t.Expires)
	}
	if t.LastSeen.IsZero() {
		return text + ", never used"
	}
	return text + ", last used " + command.Day(t.LastSeen)
}
