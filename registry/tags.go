package registry

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"docker-credential-cgr/platform"
	"docker-credential-cgr/spelling"
)

// maxTagPages is how many pages of 1,000 tags are read.
const maxTagPages = 20

// tagPage requests the tags after the tag last, in the registry's order, and reports whether
// there are more (OCI distribution specification, section "Listing Tags"). It does not follow
// the Link header, which only says that there is another page.
func (c *Client) tagPage(ctx context.Context, repository, last string, t Token) (tags []string, more bool, err error) {
	query := url.Values{"n": {"1000"}}
	if last != "" {
		query.Set("last", last)
	}
	request := platform.Request{
		Method: http.MethodGet, URL: c.at("/v2/" + repository + "/tags/list?" + query.Encode()), Bearer: t.Secret, Limit: maxManifest,
	}
	response, err := c.do(ctx, request, Error{Repository: repository, Anonymous: t.Anonymous})
	if err != nil {
		return nil, false, err
	}
	tags, err = parseTags(response)
	return tags, response.Header.Get("Link") != "", err
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
			return nil, errors.New("an invalid tag")
		}
	}
	return list.Tags, nil
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

// tagsForError lists the tags of the repository without asking for another credential.
// isComplete reports whether none is missing.
func (l *lookup) tagsForError(ctx context.Context) (tags []string, isComplete bool) {
	ctx, cancel := context.WithTimeout(ctx, similarTimeout)
	defer cancel()
	last := ""
	for range maxTagPages {
		var page []string
		var more bool
		err := l.withCurrentToken(ctx, func(t Token) (err error) {
			page, more, err = l.tagPage(ctx, l.ref.Repository, last, t)
			return err
		})
		tags = append(tags, page...)
		if err != nil || !more || len(page) == 0 {
			return tags, err == nil && !more
		}
		last = page[len(page)-1]
	}
	return tags, false
}

// similar returns the tags that are spelled like tag, without tag itself.
func similar(tag string, tags []string) []string {
	return spelling.Near(tag, slices.DeleteFunc(tags, func(t string) bool { return t == tag }))
}
