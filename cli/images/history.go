package images

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/hint"
	"docker-credential-cgr/registry"
)

// historyFlags select a part of the history of a tag.
type historyFlags struct {
	parent, since, until string
	limit                int
	reverse              bool
}

func newHistory(a *command.App) *cobra.Command {
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
		Args:              command.OneImage,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, args []string) error {
			if err := checkNotEmpty(c.Flags(), "since", "until"); err != nil {
				return err
			}
			return history(c.Context(), a, args[0], &f)
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

// bounds returns the times of --since and --until. The time of a flag that was not given is
// zero.
func (f *historyFlags) bounds(now time.Time) (since, until time.Time, err error) {
	if f.since != "" {
		if since, err = parseTime(f.since, now, false); err != nil {
			return since, until, command.Usagef("--since: %w", err)
		}
	}
	if f.until != "" {
		if until, err = parseTime(f.until, now, true); err != nil {
			return since, until, command.Usagef("--until: %w", err)
		}
		if until.Before(since) {
			return since, until, command.Usagef("--until %s is before --since %s", f.until, f.since)
		}
	}
	return since, until, nil
}

func history(ctx context.Context, a *command.App, image string, f *historyFlags) error {
	now := command.Now()
	since, until, err := f.bounds(now)
	if err != nil {
		return err
	}
	if f.limit < 0 {
		return command.Usagef("--limit %d is negative", f.limit)
	}
	ref, err := parseImage(ctx, a, image, f.parent)
	if err != nil {
		return err
	}
	history, err := newReader(a).History(ctx, ref, since, until)
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
	if err := printMoves(a, moves); err != nil {
		return err
	}
	if len(moves) == 0 {
		name := imageName(a, ref)
		a.WarnHint(hint.Text("docker-credential-cgr images digest %s --at TIME", name), "%s did not change in that time", name)
	}
	if history.Incomplete != "" {
		a.Warn("the history is incomplete: %s", history.Incomplete)
		return command.ErrReported
	}
	return nil
}

// move is the move of a tag to a digest.
type move struct {
	registry.Record
	age, stood string
}

// newMoves returns the moves of a history, the newest first. If the history is up to date,
// the tag still points to the newest digest; otherwise it is unknown how long it did.
func newMoves(oldestFirst []registry.Record, now time.Time, isUpToDate bool) []move {
	moves := make([]move, 0, len(oldestFirst))
	for i, r := range slices.Backward(oldestFirst) {
		m := move{r, formatDuration(now.Sub(r.Updated)), command.NoValue}
		if i+1 < len(oldestFirst) {
			m.stood = formatDuration(oldestFirst[i+1].Updated.Sub(r.Updated))
		} else if isUpToDate {
			m.stood = "until now"
		}
		moves = append(moves, m)
	}
	return moves
}

func printMoves(a *command.App, moves []move) error {
	if a.Output == "json" { // an array, as in chainctl
		records := make([]registry.Record, len(moves))
		for i, m := range moves {
			records[i] = m.Record
		}
		return a.PrintJSON(records)
	}
	return command.PrintList(a, moves, command.List[move]{
		Header: []string{"TIME", "AGE", "STOOD", "DIGEST"},
		Row:    func(m move) []string { return []string{m.Updated.UTC().Format(time.RFC3339), m.age, m.stood, m.Digest} },
		ID:     func(m move) string { return m.Digest },
	})
}
