package identities

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/iam"
)

// types returns the values of --type, which are those of chainctl.
func types() []string {
	return []string{"aws", "claim_match", "pull_token", "service_principal", "static"}
}

// filter are the flags of list.
type filter struct {
	parent, name       string
	types              []string
	expired, recursive bool
}

func newList(a *command.App) *cobra.Command {
	var f filter
	c := command.Formats(&cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List identities and their roles",
		Example: `  docker-credential-cgr identities list --type claim_match,static
  docker-credential-cgr identities list --expired -o id
  docker-credential-cgr identities list -o json | jq -r '.items[].claimMatch.subject'`,
		Args: command.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := f.check(c); err != nil {
				return err
			}
			return list(c.Context(), a, f)
		},
	}, "table", "json", "csv", "id")
	flags := c.Flags()
	command.ParentFlag(flags, &f.parent, "only those of this `ORGANIZATION` (name or ID; default: all you can see)")
	flags.StringVar(&f.name, "name", "", "only those with this `NAME`")
	flags.StringSliceVar(&f.types, "type", nil, "only those of this `TYPE`: "+strings.Join(types(), ", "))
	flags.BoolVar(&f.expired, "expired", false, "only those whose keys have expired")
	flags.BoolVar(&f.recursive, "recursive", true, "include those in folders")
	return c
}

func (f filter) check(c *cobra.Command) error {
	for _, kind := range f.types {
		if !slices.Contains(types(), kind) {
			return command.Usagef("--type %q: use %s", kind, strings.Join(types(), ", "))
		}
	}
	if c.Flags().Changed("name") {
		if err := iam.CheckName(f.name); err != nil {
			return command.Usagef("--name: %w", err)
		}
	}
	return command.CheckParent(c, f.parent)
}

func (f filter) matches(i iam.Identity, parent string) bool {
	return (f.name == "" || i.Name == f.name) &&
		(len(f.types) == 0 || slices.Contains(f.types, i.Type())) &&
		(!f.expired || isExpired(i)) &&
		(f.recursive || isChild(i.ID, parent))
}

// isChild reports whether an ID is directly in the group parent, or in any organization if
// that is empty.
func isChild(id, parent string) bool {
	if parent == "" {
		return !strings.Contains(groupOf(id), "/")
	}
	return groupOf(id) == parent
}

func list(ctx context.Context, a *command.App, f filter) error {
	client, _, err := a.API(ctx)
	if err != nil {
		return err
	}
	parent, err := a.ParentID(ctx, client, f.parent)
	if err != nil {
		return err
	}
	var identities []iam.Identity
	var bindings []iam.RoleBinding
	var incomplete error
	if a.Output == "id" {
		identities, incomplete = client.Identities(ctx, parent)
	} else {
		identities, bindings, incomplete = client.IdentitiesAndBindings(ctx, parent)
	}
	if incomplete != nil && !iam.IsPartial(incomplete) {
		return incomplete
	}
	identities = slices.DeleteFunc(identities, func(i iam.Identity) bool { return !f.matches(i, parent) })
	err = command.PrintList(a, withRoles(identities, bindings), command.List[identityView]{
		Header: []string{"ID", "NAME", "TYPE", "DESCRIPTION", "ROLES", "ISSUER", "EXPIRES"},
		Row: func(v identityView) []string {
			end := command.Day(expires(v.Identity))
			if a.Output == "table" && isExpired(v.Identity) {
				end += " (expired)"
			}
			return []string{
				v.ID, v.Name, cmp.Or(v.Type, command.NoValue), v.Description, strings.Join(v.roleTexts(), ", "),
				cmp.Or(v.issuer(), command.NoValue), end,
			}
		},
		ID: func(v identityView) string { return v.ID },
	})
	return errors.Join(err, incomplete)
}
