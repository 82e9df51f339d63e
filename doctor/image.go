package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"docker-credential-cgr/hint"
	"docker-credential-cgr/iam"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/registry"
	"docker-credential-cgr/spelling"
)

// capabilityPull is the capability to pull. The role registry.pull has it, and roles that
// include that (chainguard.dev/sdk, proto/capabilities).
const capabilityPull = "repo.blobs.get"

// publicRepository is a repository for which everybody gets a token, unless an invalid
// credential is used.
const publicRepository = "chainguard/static"

// pull is the pull of an image.
type pull struct {
	*Checker
	ref     registry.Reference
	client  registry.Client
	session sessionState
}

// checkImage sends the two requests of a pull with the credential of `get`, and finds out
// why one fails.
func (c *Checker) checkImage(ctx context.Context, image string, net networkState, session sessionState) []Result {
	const check = "image"
	host := c.Config.Registry.Host
	at, hasHost := hostOf(image)
	if !hasHost && !strings.Contains(image, "/") || hasHost && !strings.EqualFold(strings.TrimSuffix(at, ":443"), host) {
		return []Result{failure(check, fmt.Sprintf("%q is an image of %s, and this program is for those of %s", platform.Printable(image), platform.Printable(at), host),
			hint.Text("for an image of Chainguard name the registry and the organization: %s/ORGANIZATION/IMAGE", host))}
	}
	ref, err := registry.Parse(image, host)
	if err != nil {
		return []Result{failure(check, err.Error(), hint.Text("write it as %s/ORGANIZATION/IMAGE:TAG", host))}
	}
	var results []Result
	if !hasHost {
		results = append(results, warning(check, fmt.Sprintf("to Docker %q is an image of %s", image, at), hint.Text("write it as %s/%s", host, ref)))
	}
	switch {
	case !net.registry:
		return append(results, skipped(check, "the registry cannot be reached"))
	case session.unknown != "":
		return append(results, skipped(check, session.unknown))
	}
	p := pull{c, ref, registry.Client{URL: c.Config.Registry, Transport: c.Transport}, session}
	return append(results, p.check(ctx, host+"/"+ref.String()))
}

// hostOf returns the registry in an image's name as Docker reads it: the part before the
// first slash if it has a dot or a colon, or is localhost.
func hostOf(image string) (host string, hasHost bool) {
	first, _, found := strings.Cut(image, "/")
	if found && (strings.ContainsAny(first, ".:") || first == "localhost") {
		return first, true
	}
	return "docker.io", false
}

func (p pull) check(ctx context.Context, image string) Result {
	const check = "image"
	t, err := p.client.Token(ctx, p.ref.Repository, p.session.credential)
	if err == nil {
		_, err = p.client.Manifest(ctx, p.ref, t)
	}
	var refused *registry.Error
	switch isRefused := errors.As(err, &refused); {
	case err == nil && p.session.credential == nil:
		return ok(check, "%s can be pulled: it is public", image)
	case err == nil:
		return ok(check, "%s can be pulled, by %s", image, p.session.owner)
	case platform.IsUnreachable(err), isRefused && refused.Status == http.StatusTooManyRequests:
		return failure(check, fmt.Sprintf("%s: %v", image, err), hint.Text("try again later"))
	case !isRefused, refused.Code == "", refused.Status >= 500:
		cause := explainResponse(err)
		return failure(check, fmt.Sprintf("%s: %v", image, cause), hint.Of(cause)...)
	}
	cause := p.explain(ctx, refused)
	return failure(check, fmt.Sprintf("%s cannot be pulled: %v", image, cause), hint.Of(cause)...)
}

// explain returns the cause of a registry's response, by its own table of errors and by
// further requests if that is ambiguous.
func (p pull) explain(ctx context.Context, refused *registry.Error) error {
	organization, image, _ := strings.Cut(p.ref.Repository, "/")
	isDenied := refused.Status == http.StatusUnauthorized || refused.Status == http.StatusForbidden
	isToken := refused.Step == registry.StepToken
	notFound := refused.Step == registry.StepManifest && refused.Status == http.StatusNotFound
	signIn := hint.Do(hint.SignIn)
	unknown := notFound && refused.Code == "NAME_UNKNOWN"
	if p.session.credential != nil && (unknown || isDenied) {
		if err := p.notInCatalog(ctx, organization, image); err != nil {
			return err
		}
	}
	switch {
	case isToken && refused.Status == http.StatusBadRequest:
		return hint.With(fmt.Errorf("there is no organization %q", organization), hint.Text("correct the organization's name"))
	case unknown:
		return hint.With(fmt.Errorf("there is no image %q in the organization %s", image, organization), hint.Text("correct the image's name"))
	case notFound:
		return hint.With(fmt.Errorf("the image exists, but has no tag or digest %q", p.ref.Target()), hint.Text("correct the tag"))
	case isDenied && p.session.credential == nil && isToken:
		return hint.With(errors.New("it is not public, and you are not signed in"), signIn)
	case isDenied && p.session.credential == nil:
		return hint.With(errors.New("without a sign-in, public images have only the tags latest and latest-dev"), signIn)
	case isDenied && isToken && !p.isCredentialValid(ctx):
		return hint.With(fmt.Errorf("the registry rejects the credential of %s", p.session.owner), p.newCredential()...)
	case isDenied:
		return p.explainDenied(ctx, organization, image)
	}
	return hint.With(errors.New(refused.Error()), hintsOf(refused, hint.Text("see the registry's message"))...)
}

// notInCatalog returns the error for an image that is not among those of its organization that
// the credential reaches. It returns nil if the image is, or if none of the organization's are
// known.
func (p pull) notInCatalog(ctx context.Context, organization, image string) error {
	var images []string
	err := p.client.Catalog(ctx, p.session.credential, func(repositories []string) error {
		for _, repository := range repositories {
			if name, found := strings.CutPrefix(repository, organization+"/"); found {
				images = append(images, name)
			}
		}
		return nil
	})
	if err != nil || len(images) == 0 || slices.Contains(images, image) {
		return nil
	}
	fix := "correct the image's name"
	if near := spelling.Near(image, images); len(near) > 0 {
		fix += "; similar: " + platform.Printable(strings.Join(near, ", "))
	}
	return hint.With(fmt.Errorf("the catalog of %s has no image %q", organization, image),
		hint.Text("%s", fix), hint.Do(hint.ListImages, "--parent", organization))
}

// isCredentialValid reports whether the registry accepts the credential for any image.
func (p pull) isCredentialValid(ctx context.Context) bool {
	_, err := p.client.Token(ctx, publicRepository, p.session.credential)
	return err == nil
}

// newCredential returns how to replace an invalid credential.
func (p pull) newCredential() []hint.Hint {
	switch host := p.Config.Registry.Host; p.session.from {
	case fromEnvironment:
		return []hint.Hint{RenewPullToken}
	case fromStore:
		return []hint.Hint{hint.Text("docker login %s with a new pull token, or: docker logout %s", host, host), hint.Do(hint.SignIn)}
	}
	return []hint.Hint{hint.Do(hint.SignIn)}
}

// explainDenied finds the cause of a "Forbidden", by the roles that the platform's API
// returns.
func (p pull) explainDenied(ctx context.Context, organization, image string) error {
	owner := p.session.owner
	askOwner := fmt.Sprintf("ask an owner of %s for the role registry.pull for %s", organization, owner)
	account, err := p.account(ctx)
	if err != nil {
		return hint.With(fmt.Errorf("%s has no role that may pull from %s, or there is no such image (the registry does not tell which)", owner, organization),
			hint.Text("correct the name, or %s", askOwner))
	}
	var grants []string
	for _, c := range account.Capabilities {
		if c.Group.Name == organization && !strings.Contains(c.Group.ID, "/") {
			if account.Can(capabilityPull, c.Group.ID) {
				return hint.With(fmt.Errorf("%s may pull from %s, so there is no image %q", owner, organization, image), hint.Text("correct the image's name"))
			}
			grant := "the role " + c.Role.Name
			if c.Role.Name == "" {
				grant = "the capabilities " + strings.Join(c.Names(), ", ")
			}
			grants = append(grants, platform.Printable(grant))
		}
	}
	if len(grants) == 0 {
		return hint.With(fmt.Errorf("%s has no role in the organization %s", owner, organization), hint.Text("%s", askOwner))
	}
	return hint.With(fmt.Errorf("%s may not pull from %s with %s", owner, organization, strings.Join(grants, " and ")), hint.Text("%s", askOwner))
}

// account returns the owner of the credential and its roles.
func (p pull) account(ctx context.Context) (iam.Account, error) {
	if p.session.from != fromSession {
		return iam.Account{}, errors.New("a pull token cannot use the API")
	}
	s, _ := p.quietSession()
	client := p.apiClient(ctx, s)
	return client.WhoAmI(ctx)
}
