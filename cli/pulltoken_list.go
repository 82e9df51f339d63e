package cli

import (
	"context"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"docker-credential-cgr/iam"
)

// pullTokenListFlags say which pull tokens to list.
type pullTokenListFlags struct {
	parent, repository, within string
	expired, exitCode          bool
}

func (a *app) newPullTokenList() *cobra.Command {
	var f pullTokenListFlags
	c := formats(&cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List pull tokens",
		Long: `List pull tokens, those that expire first at the top. SAVED shows which ones are stored
on this machine, and where. Requires the role viewer; registry.pull_token_creator is not
enough.`,
		Example: `  ` + name + ` pull-token list
  ` + name + ` pull-token list --expires-within 7d --exit-code    # in a cron job
  ` + name + ` pull-token list --expired -o id`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error { return a.listPullTokens(c.Context(), &f) },
	}, "table", "json", "csv", "id")
	flags := c.Flags()
	addParent(flags, &f.parent, "only those of this `ORGANIZATION` or folder (name or ID; default: all you can see)")
	flags.StringVar(&f.repository, "repository", "", "only those for this repository `TYPE`: oci, apk, java, python or javascript")
	flags.BoolVar(&f.expired, "expired", false, "only those that have expired")
	flags.StringVar(&f.within, "expires-within", "", "only those that expire within `DURATION`, such as 7d")
	flags.BoolVar(&f.exitCode, "exit-code", false, "with --expires-within or --expired, exit with 1 if there are any")
	return c
}

// filter is what the flags limit the list to, but for the organization. What is
// wrong in them is an error of usage.
func (f *pullTokenListFlags) filter(now time.Time) (filter iam.PullTokenFilter, err error) {
	filter.Expired, filter.Now = f.expired, now
	if f.within != "" {
		if filter.ExpiresWithin, err = iam.ParseTTL(f.within); err != nil {
			return filter, misuse("--expires-within: %w", err)
		}
	}
	if f.repository != "" {
		repositories, err := iam.ParseRepositories(f.repository)
		switch {
		case err != nil:
			return filter, misuse("--repository: %w", err)
		case len(repositories) > 1:
			return filter, misuse("--repository: a list is of one type")
		}
		filter.Repository = repositories[0]
	}
	if f.exitCode && !f.expired && f.within == "" {
		return filter, misuse("--exit-code is for --expires-within TIME or --expired")
	}
	return filter, nil
}

// listedToken is a pull token as the list shows it.
type listedToken struct {
	iam.PullTokenInfo
	DaysLeft *int     `json:"daysLeft,omitempty"` // whole ones, below zero where it has ended; nil where it has no end
	Saved    []string `json:"saved,omitempty"`    // where on this machine
}

func (a *app) listPullTokens(ctx context.Context, f *pullTokenListFlags) error {
	filter, err := f.filter(wallClock())
	if err != nil {
		return err
	}
	client, s, err := a.api(ctx)
	if err != nil {
		return err
	}
	filter.Roles = a.output == "json" // which alone shows them
	infos, incomplete := a.pullTokens(ctx, client, f.parent, filter)
	var partial *iam.PartialError
	if incomplete != nil && !errors.As(incomplete, &partial) {
		return incomplete
	}
	saved, err := a.savedTokens(s)
	if err != nil {
		return err
	}
	list := make([]listedToken, len(infos))
	for i, info := range infos {
		list[i] = listedToken{PullTokenInfo: info, DaysLeft: daysLeft(info.Expires, filter.Now)}
		for _, t := range saved {
			if t.username == info.ID && !slices.Contains(list[i].Saved, t.where) {
				list[i].Saved = append(list[i].Saved, t.where)
			}
		}
	}
	if err := a.showPullTokens(list); err != nil || incomplete != nil {
		return errors.Join(err, incomplete)
	}
	if f.exitCode && len(list) > 0 {
		return errFound
	}
	return nil
}

// pullTokens lists the pull tokens of the organization that parent names, else of
// the configured one, else of all.
func (a *app) pullTokens(ctx context.Context, client *iam.Client, parent string, filter iam.PullTokenFilter) ([]iam.PullTokenInfo, error) {
	if parent != "" || a.cfg.Group != "" {
		group, err := a.organization(ctx, client, parent)
		if err != nil {
			return nil, err
		}
		filter.Parent = group.ID
	}
	return client.PullTokens(ctx, filter)
}

// daysLeft returns the days from now to end, rounded as the page of console rounds
// them: a new token of 30 days has 30, one with less than a day has none. It returns nil
// without an end.
func daysLeft(end, now time.Time) *int {
	if end.IsZero() {
		return nil
	}
	left := end.Sub(now).Hours() / 24
	days := int(math.Round(left))
	if left < 1 {
		days = int(math.Floor(left))
	}
	return &days
}

// soon is below how many days a pull token asks for somebody's attention.
const soon = 7

func (a *app) showPullTokens(list []listedToken) error {
	switch a.output {
	case "json":
		return a.answerItems(list)
	case "id":
		var ids []string
		for _, t := range list {
			ids = append(ids, t.ID)
		}
		return a.ids(ids)
	}
	header := []string{"NAME", "DESCRIPTION", "ORGANIZATION", "CREATED", "DAYS LEFT", "LAST SEEN", "SAVED", "ID"}
	var rows [][]string
	for _, t := range list {
		organization, days := t.Organization.Name, none
		if organization == "" {
			organization = t.Organization.ID
		}
		if t.DaysLeft != nil {
			days = strconv.Itoa(*t.DaysLeft)
		}
		rows = append(rows, []string{
			t.Name, t.Description, organization, day(t.CreatedAt), days, day(t.LastSeen), strings.Join(t.Saved, ", "), t.ID,
		})
	}
	return a.coloredTable(header, rows, "DAYS LEFT", func(row int) bool { return list[row].DaysLeft != nil && *list[row].DaysLeft < soon })
}
