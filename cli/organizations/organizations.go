// Package organizations has the command that lists organizations.
package organizations

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/iam"
)

// New returns the command organizations.
func New(a *command.App) *cobra.Command {
	return command.Group(&cobra.Command{
		Use: "organizations",
		// The last two are names in older versions of chainctl.
		Aliases: []string{"organization", "orgs", "org", "groups", "group"},
		Short:   "List your organizations",
	}, command.Formats(&cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the organizations that you are a member of",
		Example: `  docker-credential-cgr organizations list
  docker-credential-cgr organizations list -o json | jq -r '.items[].name'`,
		Args: command.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return list(c.Context(), a) },
	}, "table", "json", "csv", "id"))
}

func list(ctx context.Context, a *command.App) error {
	client, _, err := a.API(ctx)
	if err != nil {
		return err
	}
	groups, err := client.Organizations(ctx)
	if err != nil {
		return err
	}
	slices.SortStableFunc(groups, func(a, b iam.Group) int { return strings.Compare(a.Name, b.Name) })
	return command.PrintList(a, groups, command.List[iam.Group]{
		Header: []string{"ID", "NAME", "DESCRIPTION", "VERIFIED"},
		Row: func(g iam.Group) []string {
			verified := "no"
			if g.Verified {
				verified = "yes"
			}
			return []string{g.ID, g.Name, g.Description, verified}
		},
		ID: func(g iam.Group) string { return g.ID },
	})
}
