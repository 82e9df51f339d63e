package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"docker-credential-cgr/iam"
)

func (a *app) newOrganizations() *cobra.Command {
	c := a.group(&cobra.Command{
		Use: "organizations",
		// The last two are chainctl's older names.
		Aliases: []string{"organization", "orgs", "org", "groups", "group"},
		Short:   "List your organizations",
	})
	c.AddCommand(formats(&cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the organizations that you are a member of",
		Example: `  ` + name + ` organizations list
  ` + name + ` organizations list -o json | jq -r '.items[].name'`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error { return a.listOrganizations(c.Context()) },
	}, "table", "json", "csv", "id"))
	return c
}

func (a *app) listOrganizations(ctx context.Context) error {
	client, _, err := a.api(ctx)
	if err != nil {
		return err
	}
	groups, err := client.Organizations(ctx)
	if err != nil {
		return err
	}
	slices.SortStableFunc(groups, func(a, b iam.Group) int { return strings.Compare(a.Name, b.Name) })
	switch a.output {
	case "json":
		return a.answerItems(append([]iam.Group{}, groups...))
	case "id":
		ids := make([]string, len(groups))
		for i, g := range groups {
			ids[i] = g.ID
		}
		return a.ids(ids)
	}
	rows := make([][]string, len(groups))
	for i, g := range groups {
		verified := "no"
		if g.Verified {
			verified = "yes"
		}
		rows[i] = []string{g.ID, g.Name, g.Description, verified}
	}
	return a.table([]string{"ID", "NAME", "DESCRIPTION", "VERIFIED"}, rows)
}
