package cli

import (
	"cmp"
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/iam"
)

// update are the flags of update.
type update struct {
	matchFlags
	name, description, parent string
	yes                       bool
}

func (a *app) newIdentitiesUpdate() *cobra.Command {
	var f update
	c := command.Formats(&cobra.Command{
		Use:   "update ID|NAME",
		Short: "Change an identity",
		Long: `Change an identity. Only what you give a flag for changes; --claim-pattern replaces all
patterns for other claims. The keys of a pull token cannot be changed.`,
		Example: `  docker-credential-cgr identities update my-workflow --description "pulls for the shop"
  docker-credential-cgr identities update my-workflow --subject repo:my-org/my-repo:ref:refs/heads/main`,
		Args: identityArguments(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := f.check(c); err != nil {
				return err
			}
			return a.updateIdentity(c.Context(), c, &f, args[0])
		},
	}, "text", "json", "id")
	flags := c.Flags()
	f.add(flags)
	flags.StringVar(&f.name, "name", "", "new `NAME`")
	flags.StringVarP(&f.description, "description", "d", "", "new description, one line of `TEXT`")
	command.ParentFlag(flags, &f.parent, "look for the name in this `ORGANIZATION` (name or ID)")
	flags.BoolVarP(&f.yes, "yes", "y", false, "do not ask for confirmation after warnings")
	return c
}

func (f *update) check(c *cobra.Command) error {
	flags := c.Flags()
	if !command.AnyChanged(c, allMatch...) && !command.AnyChanged(c, "name", "description") {
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

func (a *app) updateIdentity(ctx context.Context, c *cobra.Command, f *update, idOrName string) error {
	client, _, err := a.API(ctx)
	if err != nil {
		return err
	}
	found, err := a.findIdentities(ctx, client, f.parent, []string{idOrName})
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
	if command.AnyChanged(c, allMatch...) {
		what := fmt.Sprintf("the identity %s of the type %s", named(identity), cmp.Or(identity.Type(), "unknown"))
		if err := f.change(c, &identity, what, command.Now()); err != nil {
			return err
		}
		if err := a.confirmReview(ctx, identity, f.yes, "change it anyway?"); err != nil {
			return err
		}
	}
	updated, err := client.UpdateIdentity(ctx, identity)
	if err != nil {
		return err
	}
	a.Note("Updated the identity %s.", named(identity))
	return a.printChanged(identityView{Identity: updated, Type: updated.Type()}, identity.ID)
}
