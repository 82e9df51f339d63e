package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"docker-credential-cgr/platform"
	"docker-credential-cgr/spelling"
)

// maxTagPages bounds a list of tags, at 1,000 a page.
const maxTagPages = 20

// tags lists the tags of the visited repository; whole says that none is missing. What
// is known beside an error is given too.
func (v *visit) tags(ctx context.Context, ask func(context.Context, func(Token) error) error) (tags []string, whole bool, err error) {
	query := "n=1000"
	for range maxTagPages {
		var page tagPage
		err := ask(ctx, func(t Token) (err error) {
			page, err = v.tagPage(ctx, v.ref.Repository, query, t)
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

// tagPage is one answer about tags.
type tagPage struct {
	tags []string
	last bool   // there are no more
	next string // the query of the next page; empty where there is none that can be asked for
}

// tagPage asks for tags (OCI distribution specification, section "Listing Tags").
func (c *Client) tagPage(ctx context.Context, repository, query string, t Token) (tagPage, error) {
	path := "/v2/" + repository + "/tags/list"
	request := platform.Request{Method: http.MethodGet, URL: c.at(path + "?" + query), Bearer: t.Secret, Limit: maxManifest}
	answer, err := c.do(ctx, request, Error{Step: StepTags, Repository: repository, Anonymous: t.Anonymous})
	if err != nil {
		return tagPage{}, err
	}
	tags, err := parseTags(answer)
	if err != nil {
		return tagPage{}, fmt.Errorf("%s answered for the tags of %s with %w", answer.Host, repository, shown(err, answer, request))
	}
	page := tagPage{tags: tags}
	page.next, page.last = c.nextPage(answer.Header.Values("Link"), path)
	return page, nil
}

func parseTags(answer platform.Response) ([]string, error) {
	var list struct {
		Tags []string `json:"tags"`
	}
	if err := parseJSON(answer, &list); err != nil {
		return nil, err
	}
	for _, tag := range list.Tags {
		if ref := (Reference{Repository: "a/b", Tag: tag}); tag == "" || ref.check() != nil {
			return nil, fmt.Errorf("%q, which is no tag", tag)
		}
	}
	return list.Tags, nil
}

// nextPage gives the query of the page that follows one, by its Link headers; last says
// that there is none. A link to another path, or to another host, is not followed.
func (c *Client) nextPage(headers []string, path string) (query string, last bool) {
	target, err := nextLink(strings.Join(headers, ", "))
	if err != nil || target == "" {
		return "", err == nil
	}
	asked := url.URL{Scheme: c.URL.Scheme, Host: c.URL.Host, Path: path}
	link, err := asked.Parse(target)
	if err != nil || link.Scheme != c.URL.Scheme || link.User != nil || !strings.EqualFold(hostPort(link), hostPort(c.URL)) || link.EscapedPath() != path {
		return "", false
	}
	return link.Query().Encode(), false
}

var errLink = errors.New("a malformed Link header")

// nextLink gives the target of the first link to a next page (RFC 8288, section 3):
// <target>, and parameters each behind a semicolon. Empty where there is none.
func nextLink(header string) (target string, err error) {
	for rest := header; ; {
		if rest = strings.TrimLeft(rest, " \t,"); rest == "" {
			return "", nil
		}
		inside, after, closed := strings.Cut(rest, ">")
		target, opened := strings.CutPrefix(inside, "<")
		if !opened || !closed {
			return "", errLink
		}
		rel, after, err := cutRel(after)
		if err != nil {
			return "", err
		}
		if slices.ContainsFunc(strings.Fields(rel), func(kind string) bool { return strings.EqualFold(kind, "next") }) {
			return target, nil
		}
		rest = after
	}
}

// cutRel cuts the parameters of a link off the start of text, and gives the first rel.
func cutRel(text string) (rel, rest string, err error) {
	found := false
	for {
		text = strings.TrimLeft(text, " \t")
		after, more := strings.CutPrefix(text, ";")
		if !more {
			if text != "" && text[0] != ',' {
				return "", "", errLink
			}
			return rel, text, nil
		}
		name, after := cutToken(strings.TrimLeft(after, " \t"))
		value, rest, isParam, err := cutValue(after)
		if err != nil {
			return "", "", errLink
		}
		if text = after; isParam {
			text = rest
		}
		if strings.EqualFold(name, "rel") && !found {
			rel, found = value, true
		}
	}
}

// nearLimit bounds what is asked only to say more in an error.
const nearLimit = 5 * time.Second

// nameNear adds near tags to the answer that there is no such tag, unless there is and
// only its history is missing.
func (v *visit) nameNear(ctx context.Context, err error) error {
	var refused *Error
	if errors.As(err, &refused) && refused.Status == http.StatusNotFound && refused.Code != "" && refused.Code != "NAME_UNKNOWN" && refused.Reference == v.ref.tag() {
		tags, _ := v.tagsForError(ctx)
		if refused.Unrecorded = refused.Step == StepHistory && slices.Contains(tags, v.ref.tag()); !refused.Unrecorded {
			refused.Near = near(v.ref.tag(), tags)
		}
	}
	return err
}

// nearWhereMissing gives near tags where the visited one is not there; none where that
// is not sure.
func (v *visit) nearWhereMissing(ctx context.Context) []string {
	tags, whole := v.tagsForError(ctx)
	if !whole || slices.Contains(tags, v.ref.tag()) {
		return nil
	}
	return near(v.ref.tag(), tags)
}

// tagsForError lists tags as the visit stands, as far as they can be had soon: nobody is
// asked for a credential.
func (v *visit) tagsForError(ctx context.Context) (tags []string, whole bool) {
	ctx, cancel := context.WithTimeout(ctx, nearLimit)
	defer cancel()
	tags, whole, _ = v.tags(ctx, v.askAsIs)
	return tags, whole
}

// near gives tags that are spelled like one that is not there.
func near(tag string, tags []string) []string {
	return spelling.Near(tag, slices.DeleteFunc(tags, func(t string) bool { return t == tag }))
}
