// Package registry sends requests to cgr.dev: tokens for repositories, digests of tags,
// the history of tags, and lists of tags and repositories.
//
// Credentials are sent to the host of Client.URL only: it follows no redirects and no
// links to other hosts.
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

// Client sends requests to a registry. Its errors are one printable line, and an *Error
// for a response other than success.
type Client struct {
	URL       *url.URL // scheme and host: https, or http on loopback
	Transport http.RoundTripper
}

// Token is a token to pull from one repository.
type Token struct {
	Secret    string
	Anonymous bool // requested without a credential
}

// Token requests a token to pull from one repository ("org/image"), without a credential
// if credential is nil (https://distribution.github.io/distribution/spec/auth/token).
func (c *Client) Token(ctx context.Context, repository string, credential *token.Credential) (Token, error) {
	if err := (Reference{Repository: repository}).check(); err != nil {
		return Token{}, err
	}
	return c.token(ctx, "repository:"+repository+":pull", Error{Step: StepToken, Repository: repository, Anonymous: credential == nil}, credential)
}

// token requests a token with a scope. It returns about, completed, as the error for a
// response other than success.
func (c *Client) token(ctx context.Context, scope string, about Error, credential *token.Credential) (Token, error) {
	query := url.Values{"scope": {scope}, "service": {c.URL.Host}}
	request := platform.Request{Method: http.MethodGet, URL: c.at("/token?" + query.Encode())}
	switch {
	case credential == nil:
	case credential.Username == token.Username:
		request.Bearer = credential.Secret
	default:
		request.Username, request.Password = credential.Username, credential.Secret
	}
	answer, err := c.do(ctx, request, about)
	if err != nil {
		return Token{}, err
	}
	var given struct {
		Token string `json:"token"`
	}
	if answer.Cut || json.Unmarshal(answer.Body, &given) != nil || !isValidToken(given.Token) {
		return Token{}, fmt.Errorf("%s returned no token for %s (status 200, %s): a proxy or a captive portal may have answered", answer.Host, cmp.Or(about.Repository, scope), contentType(answer, request))
	}
	return Token{Secret: given.Token, Anonymous: credential == nil}, nil
}

// isValidToken reports whether an HTTP header can contain the token.
func isValidToken(secret string) bool {
	return secret != "" && len(secret) <= platform.MaxToken && !platform.HasControl(secret)
}

// Manifest is a manifest of an image, or an index of several.
type Manifest struct {
	Digest    string // of Body
	MediaType string
	Body      []byte
}

// manifestTypes are the media types to accept. Without the lists, a registry returns one
// image of a list, with another digest.
var manifestTypes = []string{
	"application/vnd.oci.image.index.v1+json",
	"application/vnd.oci.image.manifest.v1+json",
	"application/vnd.docker.distribution.manifest.list.v2+json",
	"application/vnd.docker.distribution.manifest.v2+json",
}

// maxManifest is the size limit for a manifest in bytes: the minimum that registries must
// accept by the OCI distribution specification.
const maxManifest = 4 << 20

// Manifest returns the manifest that the tag or the digest of a reference names (OCI
// distribution specification, section "Pulling manifests"). It computes the digest itself,
// and does not read the registry's header.
func (c *Client) Manifest(ctx context.Context, ref Reference, t Token) (Manifest, error) {
	if err := ref.check(); err != nil {
		return Manifest{}, err
	}
	request := platform.Request{
		Method: http.MethodGet, URL: c.at("/v2/" + ref.Repository + "/manifests/" + ref.Target()),
		Bearer: t.Secret, Accept: strings.Join(manifestTypes, ", "), Limit: maxManifest,
	}
	answer, err := c.do(ctx, request, Error{Step: StepManifest, Repository: ref.Repository, Reference: ref.Target(), Anonymous: t.Anonymous})
	if err != nil {
		return Manifest{}, err
	}
	m := Manifest{Digest: fmt.Sprintf("sha256:%x", sha256.Sum256(answer.Body)), MediaType: mediaType(answer), Body: answer.Body}
	if strings.HasPrefix(ref.Digest, "sha512:") {
		m.Digest = fmt.Sprintf("sha512:%x", sha512.Sum512(answer.Body))
	}
	switch {
	case !slices.Contains(manifestTypes, m.MediaType):
		err = fmt.Errorf("%s answered for %s with %s, which is not a manifest: a proxy or a captive portal may have answered", answer.Host, ref, contentType(answer, request))
	case answer.Cut:
		err = fmt.Errorf("%s answered for %s with a manifest of more than %d bytes", answer.Host, ref, maxManifest)
	case ref.Digest != "" && m.Digest != ref.Digest:
		err = fmt.Errorf("%s answered for %s with other content, %s", answer.Host, ref, m.Digest)
	}
	if err != nil {
		return Manifest{}, err
	}
	return m, nil
}

// mediaType returns the media type of a response without parameters, in lower case.
func mediaType(answer platform.Response) string {
	kind, _, _ := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	return kind
}

// contentType returns the type of a response for an error, without the secrets of the
// request, which the response may repeat.
func contentType(answer platform.Response, request platform.Request) string {
	return platform.Printable(cmp.Or(answer.Header.Get("Content-Type"), "no content type"), request.Secrets()...)
}

var errNotJSON = errors.New("invalid JSON")

// parseJSON decodes a successful response into what. Its error is errNotJSON.
func parseJSON(answer platform.Response, what any) error {
	if answer.Cut || json.Unmarshal(answer.Body, what) != nil {
		return errNotJSON
	}
	return nil
}

// at returns the URL of a path and query on the registry.
func (c *Client) at(pathAndQuery string) string {
	return c.URL.Scheme + "://" + c.URL.Host + pathAndQuery
}

// do sends a request. It returns about, completed, as the error for a response other than
// success.
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
