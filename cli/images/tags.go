package images

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/registry"
)

func newTags(a *command.App) *cobra.Command {
	var parent, repo string
	var showDates bool
	withRepo := func(args []string) []string {
		if repo == "" {
			return args
		}
		return append(args, repo)
	}
	c := command.Formats(&cobra.Command{
		Use:     "list IMAGE",
		Aliases: []string{"ls"},
		Short:   "List the tags of an image",
		Long: `List the tags of an image, without those of signatures, as the registry sends them, page by
page. Without a sign-in, public images have only the tags latest and latest-dev.`,
		Example: `  docker-credential-cgr images tags list chainguard/python
  docker-credential-cgr images tags list python --parent ORGANIZATION --show-dates`,
		Args:              func(c *cobra.Command, args []string) error { return command.OneImage(c, withRepo(args)) },
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, args []string) error {
			return listTags(c.Context(), a, withRepo(args)[0], parent, showDates)
		},
	}, "table", "json", "csv", "id")
	command.ParentFlag(c.Flags(), &parent, "`ORGANIZATION` of the image (name or ID)")
	c.Flags().StringVar(&repo, "repo", "", "")
	_ = c.Flags().MarkHidden("repo") // chainctl's name for the argument; the flag exists
	c.Flags().BoolVar(&showDates, "show-dates", false, "show when each tag last changed, with a request for each tag")
	return c
}

// tag is a tag in a list.
type tag struct {
	Name    string     `json:"name"`
	Image   string     `json:"image"` // for Docker
	Updated *time.Time `json:"updated,omitempty"`
}

func listTags(ctx context.Context, a *command.App, image, parent string, showDates bool) error {
	ref, err := parseImage(ctx, a, image, parent)
	if err != nil {
		return err
	}
	if ref.Tag != "" {
		return command.Usagef("%s has a tag: give the image without one", ref)
	}
	r := newReader(a)
	out := command.NewColumn[tag](a, "TAG", func(t tag) string { return t.Name })
	var dated []tag
	err = r.Tags(ctx, ref.Repository, func(names []string) error {
		var page []tag
		for _, name := range names {
			page = append(page, tag{Name: name, Image: imageName(a, registry.Reference{Repository: ref.Repository, Tag: name})})
		}
		if !showDates {
			return out.Print(page...)
		}
		return inParallel(page, parallelTags, func(t tag) (tag, error) {
			h, err := r.History(ctx, registry.Reference{Repository: ref.Repository, Tag: t.Name}, time.Time{}, time.Time{})
			if n := len(h.Records); n > 0 {
				t.Updated = command.JSONTime(h.Records[n-1].Updated)
			}
			var refused *registry.Error
			if errors.As(err, &refused) && refused.Status == http.StatusNotFound {
				err = nil // no recorded history
			}
			return t, err
		}, func(t tag) error { dated = append(dated, t); return nil })
	})
	switch {
	case err != nil:
		return err
	case !showDates:
		return out.Close()
	}
	return command.PrintList(a, dated, command.List[tag]{
		Header: []string{"TAG", "UPDATED"},
		Row: func(t tag) []string {
			if t.Updated == nil {
				return []string{t.Name, command.NoValue}
			}
			return []string{t.Name, t.Updated.Format(time.RFC3339)}
		},
		ID: func(t tag) string { return t.Name },
	})
}
