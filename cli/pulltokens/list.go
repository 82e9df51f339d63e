package pulltokens

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/iam"
	"docker-credential-cgr/pulltoken"
)

// listFlags are the flags of pull-token list.
type listFlags struct {
	parent, repository, within string
	expired, exitCode          bool
}

func newList(a *command.App) *cobra.Command {
	var f listFlags
	c := command.Formats(&cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List pull tokens",
		Long: `List pull tokens, those that expire first at the top. SAVED shows which ones are stored
on this machine, and where. Requires the role viewer; registry.pull_token_creator is not
enough.`,
		Example: `  docker-credential-cgr pull-token list
  docker-credential-cgr pull-token list --expires-within 7d --exit-code    # in a cron job
  docker-credential-cgr pull-token list --expired -o id`,
		Args: command.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return list(c.Context(), a, &f) },
	}, "table", "json", "csv", "id")
	flags := c.Flags()
	command.ParentFlag(flags, &f.parent, "only those of this `ORGANIZATION` or folder (name or ID; default: all you can see)")
	flags.StringVar(&f.repository, "repository", "", "only those for this repository `TYPE`, such as oci, apk or java")
	flags.BoolVar(&f.expired, "expired", false, "only those that have expired")
	flags.StringVar(&f.within, "expires-within", "", "only those that expire within `DURATION`, such as 7d")
	flags.BoolVar(&f.exitCode, "exit-code", false, "with --expires-within or --expired, exit with 1 if there are any")
	return c
}

// filter returns the filter that the flags describe, without the organization.
func (f *listFlags) filter(now time.Time) (filter pulltoken.Filter, err error) {
	filter.Expired, filter.Now = f.expired, now
	if f.within != "" {
		if filter.ExpiresWithin, err = pulltoken.ParseTTL(f.within); err != nil {
			return filter, command.Usagef("--expires-within: %w", err)
		}
	}
	if f.repository != "" {
		repositories, err := pulltoken.ParseRepositories(f.repository)
		switch {
		case err != nil:
			return filter, command.Usagef("--repository: %w", err)
		case len(repositories) > 1:
			return filter, command.Usagef("--repository takes one type here")
		}
		filter.Repository = repositories[0]
	}
	if f.exitCode && !f.expired && f.within == "" {
		return filter, command.Usagef("--exit-code requires --expires-within or --expired")
	}
	return filter, nil
}

// listedToken is a pull token as the list shows it.
type listedToken struct {
	pulltoken.Info
	DaysLeft *int              `json:"daysLeft,omitempty"`
	Saved    []pulltoken.Place `json:"saved,omitempty"` // on this machine
}

func list(ctx context.Context, a *command.App, f *listFlags) error {
	filter, err := f.filter(command.Now())
	if err != nil {
		return err
	}
	client, s, err := a.API(ctx)
	if err != nil {
		return err
	}
	filter.Roles = a.Output == "json" // the only format that shows them
	infos, incomplete := find(ctx, a, client, f.parent, filter)
	if incomplete != nil && !iam.IsPartial(incomplete) {
		return incomplete
	}
	saved, err := a.SavedTokens(s)
	if err != nil {
		return err
	}
	tokens := make([]listedToken, len(infos))
	for i, info := range infos {
		tokens[i] = listedToken{Info: info, DaysLeft: info.DaysLeft(filter.Now)}
		for _, t := range saved {
			if t.Username == info.ID && !slices.Contains(tokens[i].Saved, t.Place) {
				tokens[i].Saved = append(tokens[i].Saved, t.Place)
			}
		}
	}
	if err := printList(a, tokens); err != nil || incomplete != nil {
		return errors.Join(err, incomplete)
	}
	if f.exitCode && len(tokens) > 0 {
		return command.ErrReported
	}
	return nil
}

// find returns the pull tokens of the organization that --parent or default.group names, or
// else all that the user can see.
func find(
	ctx context.Context, a *command.App, client *iam.Client, parent string, filter pulltoken.Filter,
) ([]pulltoken.Info, error) {
	if parent != "" || a.Config.Group != "" {
		group, err := a.Organization(ctx, client, parent)
		if err != nil {
			return nil, err
		}
		filter.Parent = group.ID
	}
	return pulltoken.List(ctx, client, filter)
}

func printList(a *command.App, tokens []listedToken) error {
	return command.PrintList(a, tokens, command.List[listedToken]{
		Header: []string{"NAME", "DESCRIPTION", "ORGANIZATION", "CREATED", "DAYS LEFT", "LAST SEEN", "SAVED", "ID"},
		Row: func(t listedToken) []string {
			daysLeft := command.NoValue
			if t.DaysLeft != nil {
				daysLeft = strconv.Itoa(*t.DaysLeft)
			}
			places := make([]string, len(t.Saved))
			for i, place := range t.Saved {
				places[i] = string(place)
			}
			return []string{
				t.Name, t.Description, cmp.Or(t.Organization.Name, t.Organization.ID), command.Day(t.CreatedAt),
				daysLeft, command.Day(t.LastSeen), strings.Join(places, ", "), t.ID,
			}
		},
		ID:        func(t listedToken) string { return t.ID },
		RedColumn: "DAYS LEFT",
		IsRed:     func(t listedToken) bool { return t.DaysLeft != nil && *t.DaysLeft < pulltoken.ExpiresSoon },
	})
}
