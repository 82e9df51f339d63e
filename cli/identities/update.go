package identities

import (
	"cmp"
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/iam"
)

// updateFlags are the flags of update.
type updateFlags struct {
	matchFlags
	name, description, parent string
	yes                       bool
}

func newUpdate(a *command.App) *cobra.Command {
	var f updateFlags
	c := command.Formats(&cobra.Command{
		Use:   "update ID|NAME",
		Short: "Change an identity",
		Long: `Change an identity. Only what you give a flag for changes; --claim-pattern replaces all
patterns for other claims. The keys of a pull token cannot be changed.`,
		Example: `  docker-credential-cgr identities update my-workflow --description "pulls for the shop"
  docker-credential-cgr identities update my-workflow --subject repo:my-org/my-repo:ref:refs/heads/main`,
		Args: identityArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := f.check(c); err != nil {
				return err
			}
			return update(c.Context(), a, c, &f, args[0])
		},
		ValidArgsFunction: a.CompleteNames(1, command.IsIdentity),
	}, "text", "json", "id")
	flags := c.Flags()
	f.add(flags)
	flags.StringVar(&f.name, "name", "", "new `NAME`")
	flags.StringVarP(&f.description, "description", "d", "", "new description, one line of `TEXT`")
	command.ParentFlag(flags, &f.parent, "look for the name in this `ORGANIZATION` (name or ID)")
	flags.BoolVarP(&f.yes, "yes", "y", false, "do not ask for confirmation after warnings")
	return c
}

func (f *updateFlags) check(c *cobra.Command) error {
	flags := c.Flags()
	if !command.AnyChanged(c, matchFlagNames()...) && !command.AnyChanged(c, "name", "description") {
		return command.UsageHelpf(c, "nothing to change: give a flag such as --description")
	}
	if flags.Changed("name") {
		if err := iam.CheckName(f.name); err != nil {
			return command.Usagef("--name: %w", err)
		}
	}
	for _, flag := range []string{"identity-issuer", "identity-issuer-pattern", "subject", "subject-pattern", "issuer-keys"} {
		if flags.Changed(flag) && flags.Lookup(flag).Value.String() == "" {
			return command.Usagef("--%s is empty, but required", flag)
		}
	}
	if err := iam.CheckDescription(f.description); err != nil {
		return command.Usagef("--description: %w", err)
	}
	if err := f.matchFlags.check(c, command.Now()); err != nil {
		return err
	}
	return command.CheckParent(c, f.parent)
}

func update(ctx context.Context, a *command.App, c *cobra.Command, f *updateFlags, idOrName string) error {
	client, _, err := a.API(ctx)
	if err != nil {
		return err
	}
	found, err := find(ctx, a, client, f.parent, []string{idOrName})
	if err != nil {
		return err
	}
	identity := found[0]
	if c.Flags().Changed("name") {
		identity.Name = f.name
	}
	if c.Flags().Changed("description") {
		identity.Description = f.description
	}
	if command.AnyChanged(c, matchFlagNames()...) {
		what := fmt.Sprintf("the identity %s of the type %s", describeShort(identity), cmp.Or(identity.Type(), "unknown"))
		if err := f.change(c, &identity, what, command.Now()); err != nil {
			return err
		}
		if err := confirmReview(ctx, a, identity, f.yes, "change it anyway?"); err != nil {
			return err
		}
	}
	updated, err := client.UpdateIdentity(ctx, identity)
	if err != nil {
		return err
	}
	a.Note("Updated the identity %s.", describeShort(identity))
	return printChanged(a, identityView{Identity: updated, Type: updated.Type()}, identity.ID)
}
