package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"docker-credential-cgr/platform"
	"docker-credential-cgr/token"
)

const (
	// catalogScope is the scope of a token that lists repositories
	// (https://distribution.github.io/distribution/spec/auth/scope).
	catalogScope = "registry:catalog:*"
	// catalogPage is how many repositories are requested at once.
	catalogPage = 1000
	// maxListPages is how many pages of a list of repositories or tags are read.
	maxListPages = 1000
)

// Catalog lists the repositories ("org/image") that a credential reaches, over all of its
// organizations, in the registry's order. Public images are not among them. It calls page
// with the names of each page when they arrive, and returns its error. The names may contain
// anything: print them with platform.Printable.
func (c *Client) Catalog(ctx context.Context, credential *token.Credential, page func(repositories []string) error) error {
	return c.catalog(ctx, credential, catalogPage, maxListPages, page)
}

// FirstRepository returns the first repository that a credential reaches, or "".
func (c *Client) FirstRepository(ctx context.Context, credential *token.Credential) (first string, err error) {
	err = c.catalog(ctx, credential, 1, 1, func(repositories []string) error {
		if len(repositories) > 0 {
			first = repositories[0]
		}
		return nil
	})
	if errors.Is(err, errMorePages) {
		err = nil
	}
	return first, err
}

var errMorePages = errors.New("the list of repositories has too many pages")

// catalog lists up to pages pages of size repositories. The error is errMorePages if there
// are more.
func (c *Client) catalog(ctx context.Context, credential *token.Credential, size, pages int, page func(repositories []string) error) error {
	t, err := c.token(ctx, catalogScope, Error{Step: StepCatalog, Anonymous: credential == nil}, credential)
	if err != nil {
		return err
	}
	last := ""
	for range pages {
		names, more, err := c.catalogPage(ctx, size, last, t)
		if err != nil {
			return err
		}
		if err := page(names); err != nil || !more || len(names) == 0 {
			return err
		}
		if names[len(names)-1] == last {
			return fmt.Errorf("%s sends the same page of repositories again and again", c.URL.Host)
		}
		last = names[len(names)-1]
	}
	return errMorePages
}

// catalogPage requests the repositories after the one called last, and reports whether there
// are more (https://distribution.github.io/distribution/spec/api, "Listing Repositories"). As
// for tags, the Link header only says that there is another page.
func (c *Client) catalogPage(ctx context.Context, size int, last string, t Token) (names []string, more bool, err error) {
	query := url.Values{"n": {strconv.Itoa(size)}}
	if last != "" {
		query.Set("last", last)
	}
	request := platform.Request{
		Method: http.MethodGet, URL: c.at("/v2/_catalog?" + query.Encode()), Bearer: t.Secret, Limit: maxManifest,
	}
	response, err := c.do(ctx, request, Error{Step: StepCatalog, Anonymous: t.Anonymous})
	if err != nil {
		return nil, false, err
	}
	var list struct {
		Repositories []string `json:"repositories"`
	}
	if err := parseJSON(response, &list); err != nil {
		return nil, false, fmt.Errorf("%s answered with a list of repositories that is not valid: %w", c.URL.Host, err)
	}
	return list.Repositories, response.Header.Get("Link") != "", nil
}

// Tags lists the tags of a repository in the registry's order, without those of signatures.
// It calls page with the tags of each page when they arrive, and returns its error.
func (r *Reader) Tags(ctx context.Context, repository string, page func(tags []string) error) error {
	l, err := r.newLookup(Reference{Repository: repository}, "")
	if err != nil {
		return err
	}
	last := ""
	for range maxListPages {
		var tags []string
		var more bool
		err := l.withToken(ctx, func(t Token) (err error) {
			tags, more, err = l.tagPage(ctx, repository, last, t)
			return err
		})
		if err != nil {
			return err
		}
		if err := page(withoutSignatures(tags)); err != nil || !more || len(tags) == 0 {
			return err
		}
		if tags[len(tags)-1] == last {
			return fmt.Errorf("%s sends the same page of tags of %s again and again", l.URL.Host, repository)
		}
		last = tags[len(tags)-1]
	}
	return fmt.Errorf("the list of tags of %s has too many pages", repository)
}

// withoutSignatures returns tags without those that Cosign uses for signatures and
// attestations, "sha256-…".
func withoutSignatures(tags []string) []string {
	var rest []string
	for _, tag := range tags {
		if !strings.HasPrefix(tag, "sha256-") {
			rest = append(rest, tag)
		}
	}
	return rest
}
