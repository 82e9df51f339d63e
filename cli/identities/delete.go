package identities

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/spf13/cobra"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/iam"
	"docker-credential-cgr/platform"
)

// deleteFlags are the flags of delete.
type deleteFlags struct {
	parent       string
	expired, yes bool
}

func newDelete(a *command.App) *cobra.Command {
	var f deleteFlags
	c := command.Formats(&cobra.Command{
		Use:     "delete ID|NAME... | --expired",
		Aliases: []string{"rm"},
		Short:   "Delete identities",
		Long: `Delete identities after asking for confirmation. Jobs can no longer assume a deleted
identity; tokens issued before stay valid until they expire, for up to an hour. Deleting
the identity of a pull token revokes the pull token.`,
		Example: `  docker-credential-cgr identities delete my-workflow
  docker-credential-cgr identities delete --expired --parent ORGANIZATION --yes`,
		Args: func(c *cobra.Command, args []string) error {
			if !f.expired {
				return identityArgs(math.MaxInt)(c, args)
			}
			if len(args) > 0 {
				return command.Usagef("--expired chooses the identities: leave out %q", args[0])
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if err := command.CheckParent(c, f.parent); err != nil {
				return err
			}
			if err := a.CheckConfirm(f.yes, "delete"); err != nil {
				return err
			}
			return deleteIdentities(c.Context(), a, f, args)
		},
		ValidArgsFunction: a.CompleteNames(math.MaxInt, command.IsIdentity),
	}, "text", "json", "id")
	flags := c.Flags()
	command.ParentFlag(flags, &f.parent, "look for names and expired identities in this `ORGANIZATION` (name or ID)")
	flags.BoolVar(&f.expired, "expired", false, "delete those whose keys have expired")
	flags.BoolVarP(&f.yes, "yes", "y", false, "do not ask for confirmation")
	return c
}

func deleteIdentities(ctx context.Context, a *command.App, f deleteFlags, args []string) error {
	client, s, err := a.API(ctx)
	if err != nil {
		return err
	}
	var chosen []iam.Identity
	if f.expired {
		chosen, err = expiredIdentities(ctx, a, client, f.parent)
	} else {
		chosen, err = find(ctx, a, client, f.parent, args)
	}
	if err != nil {
		return err
	}
	if len(chosen) == 0 {
		a.Note("No identity has expired.")
	} else if !f.yes {
		for _, i := range chosen {
			fmt.Fprintf(a.Stderr, "  %s, %s\n", describeShort(i), i.Type())
		}
		if err := a.Confirm(ctx, false, "delete "+command.These(len(chosen), "identity", "identities")+"?"); err != nil {
			return err
		}
	}
	deleted, failed := deleteAll(ctx, client, chosen)
	for _, i := range deleted {
		if i.Type() == "pull_token" {
			failed = errors.Join(failed, a.ForgetSaved(ctx, s, i.ID))
		}
	}
	return errors.Join(printDeleted(a, deleted), failed)
}

// expiredIdentities returns the expired identities of one organization, so that --expired
// does not delete more than the user has in mind.
func expiredIdentities(ctx context.Context, a *command.App, client *iam.Client, parent string) ([]iam.Identity, error) {
	group, err := a.Organization(ctx, client, parent)
	if err != nil {
		return nil, err
	}
	all, err := client.Identities(ctx, group.ID)
	return slices.DeleteFunc(all, func(i iam.Identity) bool { return !isExpired(i) }), err
}

// deleteAll deletes as many identities as it can. One that no longer exists counts as
// deleted.
func deleteAll(ctx context.Context, client *iam.Client, chosen []iam.Identity) (deleted []iam.Identity, failed error) {
	for _, i := range chosen {
		err := client.DeleteIdentity(ctx, i.ID)
		var gone *iam.NotFoundError
		if err != nil && !errors.As(err, &gone) {
			failed = errors.Join(failed, err)
			if ctx.Err() != nil {
				break
			}
			continue
		}
		deleted = append(deleted, i)
	}
	return deleted, failed
}

func printDeleted(a *command.App, deleted []iam.Identity) error {
	type item struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	}
	var items []item
	text := ""
	for _, i := range deleted {
		items = append(items, item{i.ID, i.Name})
		text += fmt.Sprintf("Deleted %s (%s)\n", platform.Printable(i.Name), i.ID)
	}
	if a.Output == "text" {
		return a.Print("%s", text)
	}
	return command.PrintList(a, items, command.List[item]{ID: func(i item) string { return i.ID }})
}
