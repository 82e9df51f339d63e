package images

import (
	"github.com/spf13/cobra"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/registry"
)

func newDigest(a *command.App) *cobra.Command {
	var parent string
	var f resolveFlags
	c := command.Formats(&cobra.Command{
		Use:   "digest IMAGE[:TAG]",
		Short: "Print the digest that a tag points to or pointed to",
		Example: `  docker-credential-cgr images digest chainguard/python
  docker pull cgr.dev/ORGANIZATION/python@$(docker-credential-cgr images digest ORGANIZATION/python:3.13 --at 7d)`,
		Args:              command.OneImage,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(c *cobra.Command, args []string) error { return printDigest(a, c, args[0], parent, &f) },
	}, "text", "json")
	command.ParentFlag(c.Flags(), &parent, "`ORGANIZATION` of the image (name or ID)")
	f.add(c.Flags(), "print what the tag pointed to at `TIME`")
	return c
}

func printDigest(a *command.App, c *cobra.Command, image, parent string, f *resolveFlags) error {
	resolve, err := newResolver(a, c.Flags(), f)
	if err != nil {
		return err
	}
	ref, err := parseImage(c.Context(), a, image, parent)
	if err != nil {
		return err
	}
	digest, err := resolve(c.Context(), ref)
	if err != nil {
		return err
	}
	if a.Output == "json" {
		return a.PrintJSON(struct {
			Image  string `json:"image"`
			Digest string `json:"digest"`
		}{imageName(a, registry.Reference{Repository: ref.Repository, Tag: ref.Tag}), digest})
	}
	return a.Print("%s\n", digest)
}
