package cli

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/hint"
	"docker-credential-cgr/registry"
)

// historyFlags say which part of a tag's history to show, and how.
type historyFlags struct {
	parent, since, until string
	limit                int
	reverse              bool
}

func (a *app) newImagesHistory() *cobra.Command {
	var f historyFlags
	c := command.Formats(&cobra.Command{
		Use:   "history IMAGE[:TAG]",
		Short: "Show what a tag pointed to, and when",
		Long: `Show the digests that a tag (default: latest) has pointed to, newest first: the first
one is the current one. AGE is how long ago the tag moved to a digest, STOOD how long it
stayed there. Public images need no sign-in.`,
		Example: `  docker-credential-cgr images history chainguard/python
  docker-credential-cgr images history python:3.13 --parent ORGANIZATION --since 30d
  docker-credential-cgr images history cgr.dev/ORGANIZATION/python:3.13 -o json | jq -r '.[0].digest'`,
		Args:              oneImage,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, args []string) error {
			if err := notEmpty(c.Flags(), "since", "until"); err != nil {
				return err
			}
			return a.imagesHistory(c.Context(), args[0], &f)
		},
	}, "table", "json", "csv", "id")
	flags := c.Flags()
	command.ParentFlag(flags, &f.parent, "`ORGANIZATION` of the image (name or ID)")
	flags.StringVar(&f.since, "since", "", "only moves since `TIME`: 2025-08-11T15:22:00Z, 2025-08-11 (UTC), or an age such as 7d (units m, h, d, w, y)")
	flags.StringVar(&f.until, "until", "", "only moves until `TIME` (inclusive)")
	flags.IntVar(&f.limit, "limit", 0, "only the newest `N` moves")
	flags.BoolVar(&f.reverse, "reverse", false, "show the oldest first")
	return c
}

// bounds are the times of --since and --until, zero where they are not given.
func (f *historyFlags) bounds(now time.Time) (since, until time.Time, err error) {
	if f.since != "" {
		if since, err = parseMoment(f.since, now, false); err != nil {
			return since, until, command.Usagef("--since: %w", err)
		}
	}
	if f.until != "" {
		if until, err = parseMoment(f.until, now, true); err != nil {
			return since, until, command.Usagef("--until: %w", err)
		}
		if until.Before(since) {
			return since, until, command.Usagef("--until %s is before --since %s", f.until, f.since)
		}
	}
	return since, until, nil
}

func (a *app) imagesHistory(ctx context.Context, image string, f *historyFlags) error {
	now := command.Now()
	since, until, err := f.bounds(now)
	if err != nil {
		return err
	}
	if f.limit < 0 {
		return command.Usagef("--limit %d: give how many to show", f.limit)
	}
	ref, err := a.tagOf(ctx, image, f.parent)
	if err != nil {
		return err
	}
	history, err := a.reader().History(ctx, ref, since, until)
	if err != nil {
		return err
	}
	moves := newMoves(history.Records, now, until.IsZero())
	if f.limit > 0 {
		moves = moves[:min(f.limit, len(moves))]
	}
	if f.reverse {
		slices.Reverse(moves)
	}
	if err := a.printMoves(moves); err != nil {
		return err
	}
	if len(moves) == 0 {
		a.WarnHint(hint.Text("docker-credential-cgr images digest %s --at TIME", a.shownImage(ref)), "%s did not change in that time", a.shownImage(ref))
	}
	if history.Incomplete != "" {
		a.Warn("the history is incomplete: %s", history.Incomplete)
		return command.ErrReported
	}
	return nil
}

// move is a tag's move to a digest, as a table shows it.
type move struct {
	registry.Record
	age, stood string
}

// newMoves gives the moves of a history, the newest first. The newest record still
// stands where the history goes up to now; else nothing tells how long it stood.
func newMoves(oldestFirst []registry.Record, now time.Time, upToNow bool) []move {
	moves := make([]move, 0, len(oldestFirst))
	for i, r := range slices.Backward(oldestFirst) {
		m := move{r, span(now.Sub(r.Updated)), "-"}
		if i+1 < len(oldestFirst) {
			m.stood = span(oldestFirst[i+1].Updated.Sub(r.Updated))
		} else if upToNow {
			m.stood = "until now"
		}
		moves = append(moves, m)
	}
	return moves
}

func (a *app) printMoves(moves []move) error {
	if a.Output == "json" { // an array, as in chainctl
		records := make([]registry.Record, len(moves))
		for i, m := range moves {
			records[i] = m.Record
		}
		return a.PrintJSON(records)
	}
	return command.PrintList(a.App, moves, command.List[move]{
		Header: []string{"TIME", "AGE", "STOOD", "DIGEST"},
		Row:    func(m move) []string { return []string{m.Updated.UTC().Format(time.RFC3339), m.age, m.stood, m.Digest} },
		ID:     func(m move) string { return m.Digest },
	})
}
