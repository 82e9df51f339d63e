package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"docker-credential-cgr/platform"
	"docker-credential-cgr/spelling"
)

// maxTagPages is how many pages of 1,000 tags are read.
const maxTagPages = 20

// listTags lists the tags of the repository. isComplete reports whether none is missing.
// With an error it returns the tags before that.
func (l *lookup) listTags(ctx context.Context, send func(context.Context, func(Token) error) error) (tags []string, isComplete bool, err error) {
	query := "n=1000"
	for range maxTagPages {
		var page tagPage
		err := send(ctx, func(t Token) (err error) {
			page, err = l.tagPage(ctx, l.ref.Repository, query, t)
			return err
		})
		if err != nil {
			return tags, false, err
		}
		tags = append(tags, page.tags...)
		if page.last {
			return tags, true, nil
		}
		if query = page.next; query == "" {
			break
		}
	}
	return tags, false, nil
}

// tagPage is one response with tags.
type tagPage struct {
	tags []string
	last bool   // there are no more
	next string // query of the next page; "" if it cannot be requested
}

// tagPage requests tags (OCI distribution specification, section "Listing Tags").
func (c *Client) tagPage(ctx context.Context, repository, query string, t Token) (tagPage, error) {
	path := "/v2/" + repository + "/tags/list"
	request := platform.Request{Method: http.MethodGet, URL: c.at(path + "?" + query), Bearer: t.Secret, Limit: maxManifest}
	response, err := c.do(ctx, request, Error{Step: StepTags, Repository: repository, Anonymous: t.Anonymous})
	if err != nil {
		return tagPage{}, err
	}
	tags, err := parseTags(response)
	if err != nil {
		return tagPage{}, fmt.Errorf("%s answered for the tags of %s with %w", response.Host, repository, printableError(err, response, request))
	}
	page := tagPage{tags: tags}
	page.next, page.last = c.nextPage(response.Header.Values("Link"), path)
	return page, nil
}

func parseTags(response platform.Response) ([]string, error) {
	var list struct {
		Tags []string `json:"tags"`
	}
	if err := parseJSON(response, &list); err != nil {
		return nil, err
	}
	for _, tag := range list.Tags {
		if ref := (Reference{Repository: "a/b", Tag: tag}); tag == "" || ref.check() != nil {
			return nil, fmt.Errorf("the invalid tag %q", tag)
		}
	}
	return list.Tags, nil
}

// nextLink matches a Link header as registries write it: <target>; rel="next" (OCI
// distribution specification, section "Listing Tags").
var nextLink = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^<([^<>]*)>; *rel="?next"?$`)
})

// nextPage returns the query of the next page, by the Link header of a page. last reports
// whether there is none. A link to another host or path is not followed.
func (c *Client) nextPage(headers []string, path string) (query string, last bool) {
	if len(headers) == 0 {
		return "", true
	}
	m := nextLink().FindStringSubmatch(strings.Join(headers, ", "))
	if m == nil {
		return "", false
	}
	page := url.URL{Scheme: c.URL.Scheme, Host: c.URL.Host, Path: path}
	link, err := page.Parse(m[1])
	if err != nil || link.Scheme != c.URL.Scheme || link.User != nil || !strings.EqualFold(platform.HostPort(link), platform.HostPort(c.URL)) || link.EscapedPath() != path {
		return "", false
	}
	return link.Query().Encode(), false
}

// similarTimeout is how long the search for similar tags may take, which only adds to an
// error.
const similarTimeout = 5 * time.Second

// addSimilarTags adds similar tags to the error for a tag that does not exist. If the tag
// exists, only its history is missing.
func (l *lookup) addSimilarTags(ctx context.Context, err error) error {
	var refused *Error
	if errors.As(err, &refused) && refused.Status == http.StatusNotFound && refused.Code != "" && refused.Code != "NAME_UNKNOWN" && refused.Reference == l.ref.tag() {
		tags, _ := l.tagsForError(ctx)
		if refused.Unrecorded = refused.Step == StepHistory && slices.Contains(tags, l.ref.tag()); !refused.Unrecorded {
			refused.Near = similar(l.ref.tag(), tags)
		}
	}
	return err
}

// similarIfMissing returns similar tags if the tag of the lookup certainly does not exist.
func (l *lookup) similarIfMissing(ctx context.Context) []string {
	tags, isComplete := l.tagsForError(ctx)
	if !isComplete || slices.Contains(tags, l.ref.tag()) {
		return nil
	}
	return similar(l.ref.tag(), tags)
}

// tagsForError lists tags without asking for another credential.
func (l *lookup) tagsForError(ctx context.Context) (tags []string, isComplete bool) {
	ctx, cancel := context.WithTimeout(ctx, similarTimeout)
	defer cancel()
	tags, isComplete, _ = l.listTags(ctx, l.withCurrentToken)
	return tags, isComplete
}

// similar returns the tags that are spelled like tag, without tag itself.
func similar(tag string, tags []string) []string {
	return spelling.Near(tag, slices.DeleteFunc(tags, func(t string) bool { return t == tag }))
}
