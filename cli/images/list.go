package images

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/hint"
	"docker-credential-cgr/iam"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/registry"
	"docker-credential-cgr/token"
)

// newList returns the command that lists repositories or, by default in chainctl, their tags.
func newList(a *command.App, tagsByDefault bool) *cobra.Command {
	var f listFlags
	what := "repositories"
	if tagsByDefault {
		what = "tags of the repositories"
	}
	c := command.Formats(&cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the images that you can pull",
		Long: `List the ` + what + ` that you or your pull token can pull from, in all of your
organizations. They are printed as the registry sends them, page by page. Public images, below
cgr.dev/chainguard, are not among them.`,
		Example: `  docker-credential-cgr images list
  docker-credential-cgr images list --parent ORGANIZATION --tags
  docker-credential-cgr images list -o json | jq -r '.items[].name'`,
		Args: command.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := command.CheckParent(c, f.parent); err != nil {
				return err
			}
			if c.Flags().Changed("repo") && f.repo == "" {
				return command.Usagef("--repo is empty")
			}
			f.parent = cmp.Or(f.parent, a.Config.Group)
			return list(c.Context(), a, f)
		},
	}, "table", "json", "csv", "id")
	command.ParentFlag(c.Flags(), &f.parent, "only images of the `ORGANIZATION` (name or ID)")
	c.Flags().StringVar(&f.repo, "repo", "", "only the image with this `NAME`")
	c.Flags().BoolVar(&f.tags, "tags", tagsByDefault, "list each tag, with two requests for each repository")
	return c
}

// listFlags select what is listed.
type listFlags struct {
	parent, repo string
	tags         bool
}

// image is a repository, or a tag of it, in a list.
type image struct {
	Image        string `json:"image"` // for Docker
	Organization string `json:"organization"`
	Name         string `json:"name"`
	Tag          string `json:"tag,omitempty"`
}

func list(ctx context.Context, a *command.App, f listFlags) error {
	if f.parent != "" {
		var err error
		if f.parent, err = organizationName(ctx, a, f.parent); err != nil {
			return err
		}
		a.UseOrganization(f.parent)
	}
	credential, err := a.RegistryCredential(ctx, false)
	if err != nil {
		return err
	}
	r := newReader(a)
	out := command.NewColumn[image](a, "IMAGE", func(i image) string { return i.Image })
	total := 0
	err = r.Catalog(ctx, credential, func(repositories []string) error {
		total += len(repositories)
		var page []image
		for _, repository := range repositories {
			organization, name, _ := strings.Cut(repository, "/")
			if (f.parent == "" || organization == f.parent) && (f.repo == "" || name == f.repo) {
				page = append(page, image{a.Config.Registry.Host + "/" + repository, organization, name, ""})
			}
		}
		if !f.tags {
			return out.Print(page...)
		}
		return printTags(ctx, r, page, out.Print)
	})
	if err == nil {
		err = out.Close()
	}
	switch {
	case err != nil:
		return err
	case total == 0 && credential.Username == token.Username:
		return explainNoImages(ctx, a)
	case out.Count == 0 && f.repo != "":
		a.WarnHint(hint.Text("%s images list", command.Name), "there is no image %s that you can pull", platform.Printable(f.repo))
	case out.Count == 0 && f.parent != "":
		a.WarnHint(hint.Text("%s images list", command.Name), "there is no image of %s that you can pull", platform.Printable(f.parent))
	}
	return nil
}

// parallelTags is for how many repositories tags are requested at once.
const parallelTags = 8

// printTags prints the tags of each image, in the order of the images.
func printTags(ctx context.Context, r *registry.Reader, images []image, print func(...image) error) error {
	return inParallel(images, parallelTags, func(i image) (tagged []image, err error) {
		err = r.Tags(ctx, i.Organization+"/"+i.Name, func(tags []string) error {
			for _, tag := range tags {
				tagged = append(tagged, image{i.Image + ":" + tag, i.Organization, i.Name, tag})
			}
			return nil
		})
		return tagged, err
	}, func(tagged []image) error { return print(tagged...) })
}

// inParallel calls fetch for each item, for up to n at once, and print with the results in
// the order of the items. It stops after an error.
func inParallel[T, R any](items []T, n int, fetch func(T) (R, error), print func(R) error) error {
	type result struct {
		value R
		err   error
	}
	for len(items) > 0 {
		part := items[:min(n, len(items))]
		items = items[len(part):]
		results := make([]chan result, len(part))
		for i, item := range part {
			results[i] = make(chan result, 1)
			go func() {
				value, err := fetch(item)
				results[i] <- result{value, err}
			}()
		}
		for _, done := range results {
			r := <-done
			if r.err != nil {
				return r.err
			}
			if err := print(r.value); err != nil {
				return err
			}
		}
	}
	return nil
}

// explainNoImages tells a user who can pull no image why, and which organization has the domain
// of their e-mail address. It asks its owners to add the user only after a confirmation.
func explainNoImages(ctx context.Context, a *command.App) error {
	client, _, err := a.API(ctx)
	if err != nil {
		return err
	}
	account, err := client.WhoAmI(ctx)
	if err != nil {
		return err
	}
	if len(account.Capabilities) > 0 {
		a.WarnHint(hint.Do(hint.ShowStatus), "your organizations have no images that you can pull")
		return nil
	}
	public := hint.Text("docker pull %s/%s/python", a.Config.Registry.Host, registry.PublicOrganization)
	group, err := client.MatchingOrganization(ctx)
	if err != nil {
		var none *iam.NotFoundError
		if !errors.As(err, &none) {
			a.Debug("%v", err)
		}
		a.WarnHint(public, "your account is in no organization, so you can pull public images only")
		return nil
	}
	name := platform.Printable(group.Name)
	if !a.CanAsk() {
		a.WarnError(hint.With(errors.New("your account is in no organization; the one of your e-mail domain is "+name),
			hint.Text("ask an owner of %s to add you, or run %s images list at a terminal to send a request", name, command.Name), public))
		return nil
	}
	confirmed, err := a.Ask(ctx, "your account is in no organization. Ask the owners of "+name+", the one of your e-mail domain, to add you?")
	if err != nil || !confirmed {
		return err
	}
	if err := client.RequestAccess(ctx, group.ID); err != nil {
		return err
	}
	a.Note("The owners of %s were asked to add you.", name)
	return nil
}
