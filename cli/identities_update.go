package cli

import (
	"context"

	"github.com/spf13/cobra"

	"docker-credential-cgr/iam"
)

// update is what the flags of update say.
type update struct {
	matchFlags
	name, description, parent string
	yes                       bool
}

func (a *app) newIdentitiesUpdate() *cobra.Command {
	var f update
	c := formats(&cobra.Command{
		Use:   "update ID|NAME",
		Short: "Change an identity",
		Long: `Change an identity. Only what you give a flag for changes; --claim-pattern replaces all
patterns for other claims. The keys of a pull token cannot be changed.`,
		Example: `  ` + name + ` identities update my-workflow --description "pulls for the shop"
  ` + name + ` identities update my-workflow --subject repo:my-org/my-repo:ref:refs/heads/main`,
		Args: identityArguments(1, 1),
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
	addParent(flags, &f.parent, "look for the name in this `ORGANIZATION` (name or ID)")
	flags.BoolVarP(&f.yes, "yes", "y", false, "do not ask for confirmation after warnings")
	return c
}

func (f *update) check(c *cobra.Command) error {
	flags := c.Flags()
	if !anyChanged(c, allMatch...) && !anyChanged(c, "name", "description") {
		return misuse("there is nothing to change: name it, such as --description; run: %s --help", c.CommandPath())
	}
	if flags.Changed("name") {
		if err := iam.CheckName(f.name); err != nil {
			return misuse("--name: %w", err)
		}
	}
	for _, flag := range []string{"identity-issuer", "identity-issuer-pattern", "subject", "subject-pattern", "issuer-keys"} {
		if flags.Changed(flag) && flags.Lookup(flag).Value.String() == "" {
			return misuse("--%s is empty: an identity cannot do without", flag)
		}
	}
	if err := iam.CheckDescription(f.description); err != nil {
		return misuse("--description: %w", err)
	}
	if err := f.matchFlags.check(wallClock()); err != nil {
		return err
	}
	return checkParent(c, f.parent)
}

func (a *app) updateIdentity(ctx context.Context, c *cobra.Command, f *update, idOrName string) error {
	client, _, err := a.api(ctx)
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
	if err := f.change(c, &identity, wallClock()); err != nil {
		return err
	}
	if anyChanged(c, allMatch...) {
		if err := a.confirmReview(ctx, identity, f.yes, "change it all the same?"); err != nil {
			return err
		}
	}
	updated, err := client.UpdateIdentity(ctx, identity)
	if err != nil {
		return err
	}
	a.warn("updated the identity %s", named(identity))
	return a.showMade(identityView{Identity: updated, Type: updated.Type()}, identity.ID)
}
