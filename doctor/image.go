package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"docker-credential-cgr/iam"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/registry"
)

// capabilityPull is what it takes to pull, of the role registry.pull and those that
// have more (chainguard.dev/sdk, proto/capabilities).
const capabilityPull = "repo.blobs.get"

// publicRepository is one that everybody gets a token for, who gives no credential
// or a good one.
const publicRepository = "chainguard/static"

// pull is an image on the way from the registry.
type pull struct {
	*Patient
	image  string // as it was written
	ref    registry.Reference
	client registry.Client
	answer answer
}

// image makes the two requests of a pull with what `get` would give, and names what
// keeps it from going on.
func (p *Patient) image(ctx context.Context, image string, net reached, a answer) []Result {
	const check = "image"
	host := p.Config.Registry.Host
	at, named := hostOf(image)
	if !named && !strings.Contains(image, "/") || named && !strings.EqualFold(strings.TrimSuffix(at, ":443"), host) {
		return []Result{failure(check, "for an image of Chainguard's name the registry and the organization: "+host+"/ORGANIZATION/IMAGE",
			"%q is an image of %s, and this program is for those of %s", platform.Printable(image), platform.Printable(at), host)}
	}
	ref, err := registry.Parse(image, host)
	if err != nil {
		return []Result{failure(check, "write it as "+host+"/ORGANIZATION/IMAGE:TAG", "%v", err)}
	}
	var results []Result
	if !named {
		results = append(results, warning(check, "write it as "+host+"/"+ref.String(), "to Docker %q is an image of %s", image, at))
	}
	switch {
	case !net.registry:
		return append(results, skipped(check, "the registry cannot be reached"))
	case a.unknown != "":
		return append(results, skipped(check, a.unknown))
	}
	pull := pull{p, host + "/" + ref.String(), ref, registry.Client{URL: p.Config.Registry, Transport: p.Transport}, a}
	return append(results, pull.try(ctx))
}

// dockerHub is where Docker looks for an image whose name has no registry.
const dockerHub = "docker.io"

// hostOf gives the registry in an image's name as Docker reads it: what stands before
// the first slash where that has a dot or a colon, or is localhost.
func hostOf(image string) (host string, named bool) {
	first, _, found := strings.Cut(image, "/")
	if found && (strings.ContainsAny(first, ".:") || first == "localhost") {
		return first, true
	}
	return dockerHub, false
}

// try makes the two requests.
func (p pull) try(ctx context.Context) Result {
	const check = "image"
	t, err := p.client.Token(ctx, p.ref.Repository, p.answer.credential)
	if err == nil {
		_, err = p.client.Manifest(ctx, p.ref, t)
	}
	if err == nil {
		if p.answer.credential == nil {
			return ok(check, "%s can be pulled: it is public", p.image)
		}
		return ok(check, "%s can be pulled, by %s", p.image, p.answer.who)
	}
	var refused *registry.Error
	switch busy := errors.As(err, &refused) && refused.Status == http.StatusTooManyRequests; {
	case platform.IsUnreachable(err), busy:
		return failure(check, "try again later", "%s: %v", p.image, err)
	case refused == nil || refused.Code == "" || refused.Status >= 500:
		says, mend := stranger(err)
		return failure(check, mend, "%s: %s", p.image, says)
	}
	says, mend := p.explain(ctx, refused, t)
	return failure(check, mend, "%s cannot be pulled: %s", p.image, says)
}

// explain names the cause behind an answer of the registry, after its own table of
// errors, and by asking further where that does not tell causes apart.
func (p pull) explain(ctx context.Context, refused *registry.Error, t registry.Token) (says, mend string) {
	organization, _, _ := strings.Cut(p.ref.Repository, "/")
	denied := refused.Status == http.StatusUnauthorized || refused.Status == http.StatusForbidden
	switch {
	case refused.Step == registry.StepToken && refused.Status == http.StatusBadRequest:
		return fmt.Sprintf("there is no organization %q", organization), p.rightOrganization(ctx)
	case refused.Step == registry.StepManifest && refused.Status == http.StatusNotFound && refused.Code == "NAME_UNKNOWN":
		return fmt.Sprintf("there is no image %q in the organization %s", p.inOrganization(), organization), "correct the image's name"
	case refused.Step == registry.StepManifest && refused.Status == http.StatusNotFound:
		return fmt.Sprintf("the image is there, but has no tag or digest %q", p.ref.Target()), p.rightTag(ctx, t)
	case denied && p.answer.credential == nil && refused.Step == registry.StepToken:
		return "it is not public, and nobody is signed in", login
	case denied && p.answer.credential == nil:
		return "without signing in, public images have the tags latest and latest-dev alone", login
	case denied && refused.Step == registry.StepToken && !p.credentialGood(ctx):
		return "the registry does not take the credential of " + p.answer.who, p.newCredential()
	case denied:
		return p.denied(ctx, organization)
	}
	return refused.Error(), "see what the registry says"
}

// inOrganization is the image's name without its organization's.
func (p pull) inOrganization() string {
	_, image, _ := strings.Cut(p.ref.Repository, "/")
	return image
}

// rightTag names a tag that is there.
func (p pull) rightTag(ctx context.Context, t registry.Token) string {
	latest := registry.Reference{Repository: p.ref.Repository, Tag: "latest"}
	if _, err := p.client.Manifest(ctx, latest, t); err == nil {
		return "correct the tag; there is " + p.Config.Registry.Host + "/" + latest.String()
	}
	return "correct the tag"
}

// rightOrganization names the organizations in which somebody has a role.
func (p pull) rightOrganization(ctx context.Context) string {
	const mend = "correct the organization's name"
	account, err := p.account(ctx)
	if err != nil {
		return mend
	}
	var names []string
	for _, c := range account.Capabilities {
		if !strings.Contains(c.Group.ID, "/") {
			names = append(names, platform.Printable(c.Group.Name))
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) == 0 {
		return mend + "; " + p.answer.who + " is in none yet: ask an owner of it for the role registry.pull"
	}
	return mend + "; " + p.answer.who + " is in " + strings.Join(names[:min(len(names), 5)], ", ")
}

// credentialGood says whether the registry takes the credential at all.
func (p pull) credentialGood(ctx context.Context) bool {
	_, err := p.client.Token(ctx, publicRepository, p.answer.credential)
	return err == nil
}

// newCredential says how to get a credential in the place of one that is no good.
func (p pull) newCredential() string {
	switch p.answer.from {
	case fromEnvironment:
		return RenewPair
	case fromStore:
		return "docker login " + p.Config.Registry.Host + " with a new pull token, or: docker logout " + p.Config.Registry.Host + ", and then: " + login
	}
	return login
}

// denied tells the causes of a "Forbidden" apart, which look alike: with the roles
// that the platform's API knows of, where it can be asked.
func (p pull) denied(ctx context.Context, organization string) (says, mend string) {
	ask := fmt.Sprintf("ask an owner of %s for the role registry.pull for %s", organization, p.answer.who)
	account, err := p.account(ctx)
	if err != nil {
		return fmt.Sprintf("%s has no role that may pull from %s, or there is no such image (the registry does not tell which)", p.answer.who, organization),
			"correct the name, or " + ask
	}
	var grants []string
	for _, c := range account.Capabilities {
		if c.Group.Name == organization && !strings.Contains(c.Group.ID, "/") {
			if account.Can(capabilityPull, c.Group.ID) {
				return fmt.Sprintf("%s may pull from %s, so there is no image %q", p.answer.who, organization, p.inOrganization()), "correct the image's name"
			}
			grant := "the role " + c.Role.Name
			if c.Role.Name == "" {
				grant = "the capabilities " + strings.Join(c.Names(), ", ")
			}
			grants = append(grants, platform.Printable(grant))
		}
	}
	if len(grants) == 0 {
		return fmt.Sprintf("%s has no role in the organization %s", p.answer.who, organization), ask
	}
	return fmt.Sprintf("%s may not pull from %s with %s", p.answer.who, organization, strings.Join(grants, " and ")), ask
}

var errNoAccount = errors.New("a pull token cannot ask the API")

// account asks the platform's API who has the credential, with which roles.
func (p pull) account(ctx context.Context) (iam.Account, error) {
	if p.answer.from != fromSession {
		return iam.Account{}, errNoAccount
	}
	s, _ := p.quiet()
	client := iam.Client{URL: p.Config.API.String(), Transport: p.Transport, Tokens: s.TokenSource(ctx, s.API)}
	return client.WhoAmI(ctx)
}
