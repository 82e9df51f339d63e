// Package registry is cgr.dev over HTTP: the token for a repository, what a tag
// points to and what it pointed to, which tags there are, and whether the registry is
// there at all.
//
// Credentials go to the host of Client.URL and to no other: no redirect is followed,
// and nothing that an answer names is asked.
package registry

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"docker-credential-cgr/platform"
	"docker-credential-cgr/token"
)

// Client asks a registry. Its errors are an *Error where the registry answered that
// it will not, and one line that says what happened otherwise.
type Client struct {
	URL       *url.URL // scheme and host: https, or http on loopback
	Transport http.RoundTripper
}

// Token is leave to pull from one repository.
type Token struct {
	Secret    string
	Anonymous bool // had without a credential
}

// Token asks for leave to pull from one repository ("org/image"), with a credential
// or, where that is nil, without one
// (https://distribution.github.io/distribution/spec/auth/token).
func (c *Client) Token(ctx context.Context, repository string, credential *token.Credential) (Token, error) {
	if err := checkRepository(repository); err != nil {
		return Token{}, err
	}
	query := url.Values{"scope": {"repository:" + repository + ":pull"}, "service": {c.URL.Host}}
	request := platform.Request{Method: http.MethodGet, URL: c.at("/token?" + query.Encode())}
	switch {
	case credential == nil:
	case credential.Username == token.Username:
		request.Bearer = credential.Secret
	default:
		request.Username, request.Password = credential.Username, credential.Secret
	}
	answer, err := c.do(ctx, request, Error{Step: StepToken, Repository: repository, Anonymous: credential == nil})
	if err != nil {
		return Token{}, err
	}
	var given struct {
		Token string `json:"token"`
	}
	if answer.Cut || json.Unmarshal(answer.Body, &given) != nil || !usable(given.Token) {
		return Token{}, fmt.Errorf("%s gave no registry token for %s (status 200, %s): a proxy or a captive portal may have answered", answer.Host, repository, contentType(answer, request))
	}
	return Token{Secret: given.Token, Anonymous: credential == nil}, nil
}

// usable says whether a token can go into a header.
func usable(secret string) bool {
	return secret != "" && len(secret) <= platform.MaxToken && !platform.HasControl(secret)
}

// Descriptor says what a manifest is (OCI image specification, descriptor.md).
type Descriptor struct {
	Digest    string
	MediaType string
	Size      int64 // in bytes; -1 where the registry does not say
}

// manifestTypes are the manifests that can be had. A registry that is not told of
// lists gives one image of them, with another digest.
var manifestTypes = []string{
	"application/vnd.oci.image.index.v1+json",
	"application/vnd.oci.image.manifest.v1+json",
	"application/vnd.docker.distribution.manifest.list.v2+json",
	"application/vnd.docker.distribution.manifest.v2+json",
}

// maxManifest is how many bytes a manifest may have, the least that the OCI
// distribution specification wants registries to take.
const maxManifest = 4 << 20

// Manifest asks what the tag or the digest of a reference is (OCI distribution
// specification, section "Pulling manifests"), with the token for its repository.
func (c *Client) Manifest(ctx context.Context, ref Reference, t Token) (Descriptor, error) {
	if err := ref.check(); err != nil {
		return Descriptor{}, err
	}
	d, err := c.headManifest(ctx, ref, t)
	// The answer to a HEAD has no words that tell a wrong name from a wrong tag, and
	// some proxies know no HEAD.
	var refused *Error
	if errors.Is(err, errNoDigest) || errors.As(err, &refused) && refused.Status/100 == 4 && refused.Status != http.StatusTooManyRequests {
		d, _, err = c.getManifest(ctx, ref, t)
	}
	return d, err
}

var errNoDigest = errors.New("no digest in the answer")

// headManifest takes the registry's word for the digest.
func (c *Client) headManifest(ctx context.Context, ref Reference, t Token) (Descriptor, error) {
	answer, err := c.manifest(ctx, http.MethodHead, ref, t)
	if err != nil {
		return Descriptor{}, err
	}
	// Two of them, of which clients read either, are none.
	digest := strings.Join(answer.Header.Values("Docker-Content-Digest"), ", ")
	switch {
	case digest == "":
		return Descriptor{}, errNoDigest
	case !ValidDigest(digest):
		return Descriptor{}, fmt.Errorf("%s answered for %s with %q, which is no digest", answer.Host, ref, platform.Printable(digest, t.Secret))
	case ref.Digest != "" && digest != ref.Digest:
		return Descriptor{}, fmt.Errorf("%s answered for %s with another digest, %s", answer.Host, ref, digest)
	}
	return Descriptor{Digest: digest, MediaType: mediaType(answer), Size: answer.Length}, nil
}

// getManifest gives the manifest too, and reckons its digest itself, whatever the
// headers say.
func (c *Client) getManifest(ctx context.Context, ref Reference, t Token) (Descriptor, []byte, error) {
	answer, err := c.manifest(ctx, http.MethodGet, ref, t)
	if err != nil {
		return Descriptor{}, nil, err
	}
	if answer.Cut {
		return Descriptor{}, nil, fmt.Errorf("%s answered for %s with a manifest of more than %d bytes", answer.Host, ref, maxManifest)
	}
	digest := fmt.Sprintf("sha256:%x", sha256.Sum256(answer.Body))
	if strings.HasPrefix(ref.Digest, "sha512:") {
		digest = fmt.Sprintf("sha512:%x", sha512.Sum512(answer.Body))
	}
	if ref.Digest != "" && digest != ref.Digest {
		return Descriptor{}, nil, fmt.Errorf("%s answered for %s with something else, %s", answer.Host, ref, digest)
	}
	return Descriptor{Digest: digest, MediaType: mediaType(answer), Size: int64(len(answer.Body))}, answer.Body, nil
}

func (c *Client) manifest(ctx context.Context, method string, ref Reference, t Token) (platform.Response, error) {
	request := platform.Request{
		Method: method, URL: c.at("/v2/" + ref.Repository + "/manifests/" + ref.Target()),
		Bearer: t.Secret, Accept: strings.Join(manifestTypes, ", "), Limit: maxManifest,
	}
	answer, err := c.do(ctx, request, Error{Step: StepManifest, Repository: ref.Repository, Reference: ref.Target(), Anonymous: t.Anonymous})
	if err == nil && !slices.Contains(manifestTypes, mediaType(answer)) {
		err = fmt.Errorf("%s answered for %s with %s, which is no manifest: a proxy or a captive portal may have answered", answer.Host, ref, contentType(answer, request))
	}
	return answer, err
}

// mediaType is the type of an answer without parameters, in lower case.
func mediaType(answer platform.Response) string {
	kind, _, _ := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	return kind
}

// contentType shows the type of an answer that is not what was wanted, and nothing
// secret of the request, which it may echo.
func contentType(answer platform.Response, request platform.Request) string {
	return platform.Printable(cmp.Or(answer.Header.Get("Content-Type"), "no content type"), request.Secrets()...)
}

var errNotJSON = errors.New("no JSON of its kind")

// parseJSON reads a good answer into what. Its error is errNotJSON.
func parseJSON(answer platform.Response, what any) error {
	if answer.Cut || json.Unmarshal(answer.Body, what) != nil {
		return errNotJSON
	}
	return nil
}

// shown words an error about an answer so that it can follow "answered with", and holds
// nothing secret of the request.
func shown(err error, answer platform.Response, request platform.Request) error {
	switch {
	case errors.Is(err, errNotJSON) && answer.Cut:
		return fmt.Errorf("more than %d bytes", len(answer.Body))
	case errors.Is(err, errNotJSON):
		return fmt.Errorf("%s that is no such answer: a proxy or a captive portal may have answered", contentType(answer, request))
	}
	return errors.New(platform.Printable(err.Error(), request.Secrets()...))
}

// at gives the URL of a path and query of the registry.
func (c *Client) at(pathAndQuery string) string {
	return c.URL.Scheme + "://" + c.URL.Host + pathAndQuery
}

// do makes a request. An answer that is no success becomes an Error, for which about
// says what was asked.
func (c *Client) do(ctx context.Context, request platform.Request, about Error) (platform.Response, error) {
	answer, err := platform.Do(ctx, c.Transport, request)
	var redirect *platform.ResponseError
	if errors.As(err, &redirect) {
		about.Host, about.Status, about.Message = redirect.Host, redirect.Status, redirect.Message
		return answer, &about
	}
	if err != nil {
		return answer, err
	}
	if answer.Status != http.StatusOK {
		about.Host, about.Status, about.RetryAfter = answer.Host, answer.Status, retryAfter(answer)
		about.Code, about.Message = parseErrors(answer.Body, request.Secrets())
		return answer, &about
	}
	return answer, nil
}
