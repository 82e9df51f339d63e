package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"docker-credential-cgr/hint"
	"docker-credential-cgr/platform"
)

// History has the digests that a tag pointed to.
type History struct {
	Records []Record // the oldest first; those of one time in the registry's order
	// Incomplete is why records may be missing, printable; "" if none is.
	Incomplete string
}

// Record is a change of a tag to a digest. Its JSON is the registry's.
type Record struct {
	Updated time.Time
	Digest  string

	text string // Updated as the registry wrote it
}

// wireRecord is the registry's JSON of a record.
type wireRecord struct {
	UpdateTimestamp string `json:"updateTimestamp"`
	Digest          string `json:"digest"`
}

// MarshalJSON returns {"updateTimestamp": …, "digest": …} with the time as the registry
// wrote it.
func (r Record) MarshalJSON() ([]byte, error) {
	return json.Marshal(wireRecord{r.text, r.Digest})
}

// History returns what a tag ("latest" if the reference has none) pointed to from since to
// until, inclusive; the zero time is no bound. It ignores the digest of the reference.
func (r *Reader) History(ctx context.Context, ref Reference, since, until time.Time) (History, error) {
	l, err := r.newTagLookup(ref, "")
	if err != nil {
		return History{}, err
	}
	found, err := l.history(ctx, since, until)
	if err == nil && len(found.Records) == 0 && since.IsZero() && until.IsZero() {
		err = l.noHistory(ctx)
	}
	if err != nil {
		return History{}, err
	}
	return found, nil
}

// recent is how far back DigestAt looks at first. Most tags change more often, and reading
// all of a long history takes many requests.
const recent = 90 * 24 * time.Hour

// DigestAt returns what a tag ("latest" if the reference has none) pointed to at a time:
// the last record up to that time, inclusive. With a platform its Digest is that of the
// platform's image, as in Reader.Digest. It ignores the digest of the reference.
func (r *Reader) DigestAt(ctx context.Context, ref Reference, at time.Time, platform string) (Record, error) {
	l, err := r.newTagLookup(ref, platform)
	if err != nil {
		return Record{}, err
	}
	record, err := l.recordAt(ctx, at)
	if err != nil || platform == "" {
		return record, err
	}
	if record.Digest, err = l.digest(ctx, Reference{Repository: ref.Repository, Digest: record.Digest}); err != nil {
		return Record{}, err
	}
	return record, nil
}

func (l *lookup) recordAt(ctx context.Context, at time.Time) (Record, error) {
	for _, since := range []time.Time{at.Add(-recent), {}} {
		found, err := l.history(ctx, since, at)
		switch n := len(found.Records); {
		case err != nil:
			return Record{}, err
		case found.Incomplete != "":
			return Record{}, fmt.Errorf("what %s/%s pointed to at %s is not known: %s", l.URL.Host, l.ref, rfc3339(at), found.Incomplete)
		case n > 0:
			return found.Records[n-1], nil
		}
	}
	return Record{}, l.nothingAt(ctx, at)
}

// nothingAt returns the error for a tag without a record up to a time: it names the first.
func (l *lookup) nothingAt(ctx context.Context, at time.Time) error {
	found, err := l.history(ctx, time.Time{}, time.Time{})
	if err == nil && len(found.Records) == 0 {
		err = l.noHistory(ctx)
	}
	if err != nil {
		return err
	}
	image := l.URL.Host + "/" + l.ref.Repository + ":" + l.ref.tag()
	err = fmt.Errorf("nothing is recorded for %s at %s: its history begins at %s", image, rfc3339(at), rfc3339(found.Records[0].Updated))
	return hint.With(err, hint.Do(hint.ShowHistory, image))
}

// noHistory returns the error for an empty history: the tag does not exist, or nothing was
// recorded for it.
func (l *lookup) noHistory(ctx context.Context) error {
	tags, isComplete := l.tagsForError(ctx)
	if !isComplete || slices.Contains(tags, l.ref.tag()) {
		return fmt.Errorf("%s/%s: %s", l.URL.Host, l.ref.Repository, unrecorded(l.ref.tag()))
	}
	return fmt.Errorf("%s has no history of %s: %s", l.URL.Host, l.ref, noTag(l.ref.tag(), similar(l.ref.tag(), tags)))
}

// unrecorded returns the error text for a tag that exists without a history.
func unrecorded(tag string) string { return tag + " has no recorded history" }

// newTagLookup is newLookup for a reference that must have a tag.
func (r *Reader) newTagLookup(ref Reference, platform string) (*lookup, error) {
	if ref.Digest != "" && ref.Tag == "" {
		return nil, fmt.Errorf("%s has no tag: only tags have a history", ref)
	}
	return r.newLookup(ref, platform)
}

// history returns what a tag pointed to from since to until, inclusive.
func (l *lookup) history(ctx context.Context, since, until time.Time) (History, error) {
	return collect(since, until, func(start, end time.Time) (page []Record, err error) {
		err = l.withToken(ctx, func(t Token) (err error) {
			page, err = l.historyPage(ctx, l.ref, t, start, end)
			return err
		})
		return page, err
	})
}

// historyPage requests the records between two times. The registry returns at most 1,000.
func (c *Client) historyPage(ctx context.Context, ref Reference, t Token, start, end time.Time) ([]Record, error) {
	query := url.Values{}
	for name, bound := range map[string]time.Time{"start": start, "end": end} {
		if !bound.IsZero() {
			query.Set(name, rfc3339(bound))
		}
	}
	address := c.at("/v2/" + ref.Repository + "/_chainguard/history/" + ref.tag())
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	request := platform.Request{Method: http.MethodGet, URL: address, Bearer: t.Secret}
	answer, err := c.do(ctx, request, Error{Step: StepHistory, Repository: ref.Repository, Reference: ref.tag(), Anonymous: t.Anonymous})
	if err != nil {
		return nil, err
	}
	records, err := parseHistory(answer)
	switch {
	case err == nil:
		return records, nil
	case errors.Is(err, errNotJSON):
		err = fmt.Errorf("an invalid response (%s): a proxy or a captive portal may have answered", contentType(answer, request))
	default:
		err = errors.New(platform.Printable(err.Error(), request.Secrets()...))
	}
	return nil, fmt.Errorf("%s answered for the history of %s with %w", answer.Host, ref, err)
}

// maxTimestamp is the length limit for a time in a record, in bytes. With nanoseconds and
// a zone it has 35.
const maxTimestamp = 64

// parseHistory returns the records of a page in its order.
func parseHistory(answer platform.Response) ([]Record, error) {
	var page struct {
		History []wireRecord `json:"history"`
	}
	if err := parseJSON(answer, &page); err != nil {
		return nil, err
	}
	records := make([]Record, len(page.History))
	for i, w := range page.History {
		updated, err := time.Parse(time.RFC3339, w.UpdateTimestamp)
		if err != nil || len(w.UpdateTimestamp) > maxTimestamp {
			return nil, fmt.Errorf("the invalid time %q", w.UpdateTimestamp)
		}
		if !ValidDigest(w.Digest) {
			return nil, fmt.Errorf("the invalid digest %q", w.Digest)
		}
		records[i] = Record{updated.UTC(), w.Digest, w.UpdateTimestamp}
	}
	return records, nil
}

// rfc3339 returns t as text in UTC.
func rfc3339(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
