package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"docker-credential-cgr/config"
	"docker-credential-cgr/dockerconfig"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/registry"
	"docker-credential-cgr/token"
)

func (a *app) newImages() *cobra.Command {
	c := a.group(&cobra.Command{
		Use:     "images",
		Aliases: []string{"image", "img"},
		// By which people look for what is below it.
		SuggestFor: []string{"pin", "history", "digest"},
		Short:      "Show the history of tags and pin images to digests",
	})
	c.AddCommand(a.newImagesHistory(), a.newImagesDigest(), a.newImagesPin())
	return c
}

// tagOf reads the name of an image whose tag a command is about: IMAGE in the
// organization of --parent, else default.group's, else the public one; ORG/IMAGE; or
// either behind the registry's host; each with a tag or without.
func (a *app) tagOf(ctx context.Context, image, parent string) (registry.Reference, error) {
	if strings.Contains(image, tokenMark) {
		return registry.Reference{}, misuse("what stands in the place of the image looks like a token")
	}
	host := a.cfg.Registry.Host
	full := image
	switch first, rest, named := strings.Cut(image, "/"); {
	case !named && image != "":
		organization, err := a.organizationName(ctx, parent)
		if err != nil {
			return registry.Reference{}, err
		}
		full = host + "/" + organization + "/" + image
	case named && strings.ContainsAny(first, ".") && !strings.ContainsAny(first, ":") && !strings.EqualFold(first, host) && !strings.Contains(rest, "/"):
		full = host + "/" + image // an organization may have the name of a domain
	}
	ref, err := registry.Parse(full, host)
	if err != nil {
		return ref, usageError{err}
	}
	if ref.Digest != "" {
		return ref, misuse("%s has a digest, which never changes: give a tag", platform.Printable(image))
	}
	if organization, _, _ := strings.Cut(ref.Repository, "/"); parent != "" && !config.ValidUIDP(parent) && organization != parent {
		return ref, misuse("%s is of the organization %s, and --parent is %s: give one of them", platform.Printable(image), organization, platform.Printable(parent))
	}
	return ref, nil
}

// organizationName is the name of the organization of an image that is named without
// one. The platform is asked where there is no more than an id of it.
func (a *app) organizationName(ctx context.Context, parent string) (string, error) {
	switch {
	case parent == "" && a.cfg.Group == "":
		a.note("Assuming the organization %s; use --parent for another one.", registry.PublicOrganization)
		return registry.PublicOrganization, nil
	case parent == "":
		parent = a.cfg.Group
	}
	id, _, _ := strings.Cut(parent, "/") // a folder's id begins with its organization's
	if !config.ValidUIDP(id) {
		return parent, nil
	}
	client, _, err := a.api(ctx)
	if err != nil {
		return "", err
	}
	group, err := client.Organization(ctx, id)
	return group.Name, err
}

// busyPatience is how long a busy registry is waited for.
const busyPatience = time.Minute

// reader reads from the registry.
func (a *app) reader() *registry.Reader {
	return &registry.Reader{
		Client:     registry.Client{URL: a.cfg.Registry, Transport: narrating{a.transport(), a.debugger(a.cfg)}},
		Credential: a.registryCredential,
		Timeout:    busyPatience,
	}
}

// narrating is a transport that says what is asked, and what the answer was. Both may
// repeat the secret of a request: the list of tags goes on where the registry says.
type narrating struct {
	http.RoundTripper
	say func(format string, args ...any)
}

func (n narrating) RoundTrip(r *http.Request) (*http.Response, error) {
	how := "without a credential"
	_, secret, given := strings.Cut(r.Header.Get("Authorization"), " ")
	if given {
		how = "with one"
	}
	answer, err := n.RoundTripper.RoundTrip(r)
	status := "no answer"
	if err == nil {
		status = platform.Printable(answer.Status, secret)
	}
	n.say("%s %s, %s: %s", r.Method, platform.Printable(r.URL.String(), secret), how, status)
	return answer, err
}

// registryCredential is what the registry is asked with where an image is not public:
// the pair of the environment, else what `get` gives, else what Docker's file holds.
// Where that holds one, and for an image that should need none, nobody is asked to
// sign in.
func (a *app) registryCredential(ctx context.Context, public bool) (*token.Credential, error) {
	if a.cfg.IdentityID != "" {
		return &token.Credential{Username: a.cfg.IdentityID, Secret: a.cfg.Token}, nil
	}
	s, err := a.commandSession()
	if err != nil {
		return nil, err
	}
	username, password, found := a.dockerPair()
	c, err := s.Credential(ctx, s.Registry, !found && !public)
	var nobody *token.NotSignedInError
	if found && errors.As(err, &nobody) {
		a.debug(a.cfg, "nobody is signed in, so the login of %s in Docker's file is taken", platform.Printable(username))
		return &token.Credential{Username: username, Secret: password}, nil
	}
	if err != nil {
		return nil, err
	}
	return &c, nil
}

// dockerPair is the login for the registry in Docker's file. A file that cannot be
// read has none: it is the doctor's business.
func (a *app) dockerPair() (username, password string, found bool) {
	path, err := dockerconfig.DockerPath(os.Getenv, dockerHome())
	if err != nil {
		return "", "", false
	}
	file, err := dockerconfig.Load(path)
	if err != nil {
		return "", "", false
	}
	return file.Pair(a.cfg.Registry.Host)
}

// oneImage refuses all but one argument.
func oneImage(c *cobra.Command, args []string) error {
	if len(args) != 1 || args[0] == "" {
		return misuse("usage: %s IMAGE[:TAG], such as: %s chainguard/python:latest", c.CommandPath(), c.CommandPath())
	}
	return nil
}

// shownImage is an image as it is written for Docker.
func (a *app) shownImage(ref registry.Reference) string {
	return fmt.Sprintf("%s/%s:%s", a.cfg.Registry.Host, ref.Repository, ref.Target())
}
