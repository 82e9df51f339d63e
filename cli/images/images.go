// Package images has the commands that list images, look up their tags and pin images to
// digests.
package images

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/config"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/registry"
	"docker-credential-cgr/token"
)

// New returns the command images.
func New(a *command.App) *cobra.Command {
	return command.Group(&cobra.Command{
		Use:        "images",
		Aliases:    []string{"image", "img"},
		SuggestFor: []string{"pin", "history", "digest", "list", "tags"},
		Short:      "List images, show the history of tags and pin images to digests",
	}, newList(a, a.Chainctl), newHistory(a), newDigest(a), newPin(a),
		command.Group(&cobra.Command{Use: "tags", Aliases: []string{"tag"}, Short: "List the tags of an image"}, newTags(a)),
		// chainctl's name of the command list.
		command.Group(&cobra.Command{Use: "repos", Aliases: []string{"repo"}, Short: "List the images that you can pull", Hidden: true}, newList(a, false)))
}

// parseImage parses the name of an image: IMAGE or ORGANIZATION/IMAGE, with or without the
// host of the registry and a tag. The default organization is that of --parent or
// default.group, or else the public one.
func parseImage(ctx context.Context, a *command.App, image, parent string) (registry.Reference, error) {
	host := a.Config.Registry.Host
	full := image
	switch first, rest, found := strings.Cut(image, "/"); {
	case !found:
		organization, err := organizationName(ctx, a, parent)
		if err != nil {
			return registry.Reference{}, err
		}
		full = host + "/" + organization + "/" + image
	case strings.Contains(first, ".") && !strings.Contains(first, ":") && !strings.EqualFold(first, host) &&
		!strings.Contains(rest, "/"):
		full = host + "/" + image // first is an organization with the name of a domain
	}
	ref, err := registry.Parse(full, host)
	if err != nil {
		return ref, command.Usagef("%w", err)
	}
	if ref.Digest != "" {
		return ref, command.Usagef("%s has a digest, which never changes: give a tag", platform.Printable(image))
	}
	organization, _, _ := strings.Cut(ref.Repository, "/")
	a.UseOrganization(organization)
	if parent != "" && !config.ValidUIDP(parent) && organization != parent {
		return ref, command.Usagef("%s is of the organization %s, and --parent is %s", platform.Printable(image), organization, platform.Printable(parent))
	}
	return ref, nil
}

// organizationName returns the name of the organization of --parent or default.group, or
// else of the public one. It asks the platform if only the ID is known.
func organizationName(ctx context.Context, a *command.App, parent string) (string, error) {
	switch {
	case parent == "" && a.Config.Group == "":
		a.Note("Assuming the organization %s; use --parent for another one.", registry.PublicOrganization)
		return registry.PublicOrganization, nil
	case parent == "":
		parent = a.Config.Group
	}
	id, _, _ := strings.Cut(parent, "/") // the ID of a folder begins with that of its organization
	if !config.ValidUIDP(id) {
		return parent, nil
	}
	client, _, err := a.API(ctx)
	if err != nil {
		return "", err
	}
	group, err := client.Organization(ctx, id)
	return group.Name, err
}

// imageName returns the name of an image for Docker.
func imageName(a *command.App, ref registry.Reference) string {
	return fmt.Sprintf("%s/%s:%s", a.Config.Registry.Host, ref.Repository, ref.Target())
}

// busyTimeout is how long to wait for a busy registry.
const busyTimeout = time.Minute

func newReader(a *command.App) *registry.Reader {
	return &registry.Reader{
		Client: registry.Client{URL: a.Config.Registry, Transport: loggingTransport{a.Transport(), a.Debug}},
		Credential: func(ctx context.Context, public bool) (*token.Credential, error) {
			return a.RegistryCredential(ctx, public)
		},
		Timeout: busyTimeout,
	}
}

// loggingTransport logs each request and the status of its response. It hides the secret of
// the request, which the registry may repeat in the URL of the next page or in the status.
type loggingTransport struct {
	http.RoundTripper
	log func(format string, args ...any)
}

func (t loggingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	credential := "without a credential"
	_, secret, found := strings.Cut(r.Header.Get("Authorization"), " ")
	if found {
		credential = "with a credential"
	}
	response, err := t.RoundTripper.RoundTrip(r)
	status := "no response"
	if err == nil {
		status = platform.Printable(response.Status, secret)
	}
	t.log("%s %s, %s: %s", r.Method, platform.Printable(r.URL.String(), secret), credential, status)
	return response, err
}
