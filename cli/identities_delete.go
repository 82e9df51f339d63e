package cli

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/spf13/cobra"

	"docker-credential-cgr/iam"
	"docker-credential-cgr/platform"
)

// deletion is what the flags of delete say.
type deletion struct {
	parent       string
	expired, yes bool
}

func (a *app) newIdentitiesDelete() *cobra.Command {
	var f deletion
	c := formats(&cobra.Command{
		Use:     "delete ID|NAME... | --expired",
		Aliases: []string{"rm"},
		Short:   "Delete identities",
		Long: `Delete identities after asking for confirmation. Jobs can no longer assume a deleted
identity; tokens issued before stay valid until they expire, for up to an hour. Deleting
the identity of a pull token revokes the pull token.`,
		Example: `  ` + name + ` identities delete my-workflow
  ` + name + ` identities delete --expired --parent ORGANIZATION --yes`,
		Args: func(c *cobra.Command, args []string) error {
			if !f.expired {
				return identityArguments(1, math.MaxInt)(c, args)
			}
			if len(args) > 0 {
				return misuse("--expired chooses by itself: leave %q out", args[0])
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if err := checkParent(c, f.parent); err != nil {
				return err
			}
			if !f.yes && !a.canAsk() {
				return misuse("refusing to delete without confirmation (not a terminal); add --yes")
			}
			return a.deleteIdentities(c.Context(), f, args)
		},
	}, "text", "json", "id")
	flags := c.Flags()
	addParent(flags, &f.parent, "look for names and expired identities in this `ORGANIZATION` (name or ID)")
	flags.BoolVar(&f.expired, "expired", false, "delete those whose keys have expired")
	flags.BoolVarP(&f.yes, "yes", "y", false, "do not ask for confirmation")
	return c
}

func (a *app) deleteIdentities(ctx context.Context, f deletion, args []string) error {
	client, s, err := a.api(ctx)
	if err != nil {
		return err
	}
	var doomed []iam.Identity
	if f.expired {
		doomed, err = a.expiredIdentities(ctx, client, f.parent)
	} else {
		doomed, err = a.findIdentities(ctx, client, f.parent, args)
	}
	if err != nil {
		return err
	}
	if len(doomed) == 0 {
		a.note("no identity has expired")
	} else if !f.yes {
		question := "delete this identity?"
		if len(doomed) > 1 {
			question = fmt.Sprintf("delete these %d identities?", len(doomed))
		}
		for _, i := range doomed {
			fmt.Fprintf(a.Stderr, "  %s, %s\n", named(i), i.Type())
		}
		if err := a.confirm(ctx, false, question); err != nil {
			return err
		}
	}
	deleted, failed := deleteAll(ctx, client, doomed)
	for _, i := range deleted {
		if i.Type() == "pull_token" {
			failed = errors.Join(failed, a.forgetSaved(ctx, s, i.ID))
		}
	}
	return errors.Join(a.showDeleted(deleted), failed)
}

// expiredIdentities are those of one organization: what --expired deletes unasked must
// not reach further than somebody thought of.
func (a *app) expiredIdentities(ctx context.Context, client *iam.Client, parent string) ([]iam.Identity, error) {
	group, err := a.organization(ctx, client, parent)
	if err != nil {
		return nil, err
	}
	all, err := client.Identities(ctx, iam.IdentityFilter{DescendantsOf: group.ID})
	return slices.DeleteFunc(all, func(i iam.Identity) bool { return !expired(i, wallClock()) }), err
}

// deleteAll deletes what it can. What somebody else has deleted meanwhile is deleted.
func deleteAll(ctx context.Context, client *iam.Client, doomed []iam.Identity) (deleted []iam.Identity, failed error) {
	for _, i := range doomed {
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

func (a *app) showDeleted(deleted []iam.Identity) error {
	type item struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	}
	items, ids, text := []item{}, []string{}, ""
	for _, i := range deleted {
		items = append(items, item{i.ID, i.Name})
		ids = append(ids, i.ID)
		text += fmt.Sprintf("Deleted %s (%s)\n", platform.Printable(i.Name), i.ID)
	}
	switch a.output {
	case "json":
		return a.answerItems(items)
	case "id":
		return a.ids(ids)
	}
	return a.answer("%s", text)
}
