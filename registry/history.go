package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"docker-credential-cgr/hint"
	"docker-credential-cgr/platform"
)

// History is what a tag pointed to.
type History struct {
	Records []Record // the oldest first; those of one time in the registry's order
	// Incomplete says, in printable words, why records may be missing; empty where all
	// are there.
	Incomplete string
}

// Record says that a tag was moved to a digest. As JSON it is what the registry told.
type Record struct {
	Updated time.Time // when
	Digest  string

	text string // Updated as the registry wrote it
}

// wireRecord is a record as the registry has it.
type wireRecord struct {
	UpdateTimestamp string `json:"updateTimestamp"`
	Digest          string `json:"digest"`
}

// MarshalJSON gives {"updateTimestamp": …, "digest": …}, the time in the registry's own
// words.
func (r Record) MarshalJSON() ([]byte, error) {
	text := r.text
	if text == "" {
		text = r.Updated.UTC().Format(time.RFC3339Nano)
	}
	return json.Marshal(wireRecord{text, r.Digest})
}

// History gives what a tag ("latest", if none is given) pointed to between two times,
// which are included; the zero time is no bound. A digest of the reference is not
// looked at.
func (r *Reader) History(ctx context.Context, ref Reference, since, until time.Time) (History, error) {
	v, err := r.visitTag(ref, "")
	if err != nil {
		return History{}, err
	}
	if !until.IsZero() && until.Before(since) {
		return History{}, fmt.Errorf("the end of the history, %s, is before its beginning, %s", told(until), told(since))
	}
	found, err := v.history(ctx, since, until)
	if err == nil && len(found.Records) == 0 && since.IsZero() && until.IsZero() {
		err = v.noHistory(ctx)
	}
	if err != nil {
		return History{}, err
	}
	return found.History, nil
}

// usualReach is how far back DigestAt looks at first: tags are moved more often, as a
// rule, and all of a long history takes many requests.
const usualReach = 90 * 24 * time.Hour

// DigestAt gives what a tag ("latest", if none is given) pointed to at a time: the last
// record up to it, which may be of that very time. With a platform its Digest is the
// one that Digest gives for that. A digest of the reference is not looked at.
func (r *Reader) DigestAt(ctx context.Context, ref Reference, at time.Time, platform string) (Record, error) {
	v, err := r.visitTag(ref, platform)
	if err != nil {
		return Record{}, err
	}
	if at.IsZero() {
		return Record{}, fmt.Errorf("no time is given at which %s pointed to something", ref)
	}
	record, err := v.recordAt(ctx, at)
	if err != nil || platform == "" {
		return record, err
	}
	if record.Digest, err = v.digest(ctx, Reference{Repository: ref.Repository, Digest: record.Digest}); err != nil {
		return Record{}, err
	}
	return record, nil
}

func (v *visit) recordAt(ctx context.Context, at time.Time) (Record, error) {
	for _, since := range []time.Time{at.Add(-usualReach), {}} {
		found, err := v.history(ctx, since, at)
		if err != nil {
			return Record{}, err
		}
		if record, sure := found.last(); sure {
			return record, nil
		}
		if found.Incomplete != "" {
			return Record{}, fmt.Errorf("what %s/%s pointed to at %s is not known: %s", v.URL.Host, v.ref, told(at), found.Incomplete)
		}
	}
	return Record{}, v.nothingAt(ctx, at)
}

// nothingAt is the error where a tag has no record up to a time: since when it has.
func (v *visit) nothingAt(ctx context.Context, at time.Time) error {
	found, err := v.history(ctx, time.Time{}, time.Time{})
	if err == nil && len(found.Records) == 0 {
		err = v.noHistory(ctx)
	}
	if err != nil {
		return err
	}
	image := v.URL.Host + "/" + v.ref.Repository + ":" + v.ref.tag()
	err = fmt.Errorf("nothing is recorded for %s at %s: its history begins at %s", image, told(at), told(found.Records[0].Updated))
	return hint.With(err, hint.Do(hint.ShowHistory, image))
}

// noHistory is the error for an empty history: there is no such tag, or nothing was
// recorded for it.
func (v *visit) noHistory(ctx context.Context) error {
	tags, whole := v.tagsForError(ctx)
	if !whole || slices.Contains(tags, v.ref.tag()) {
		return fmt.Errorf("%s/%s: %s", v.URL.Host, v.ref.Repository, unrecorded(v.ref.tag()))
	}
	return fmt.Errorf("%s has no history of %s: %s", v.URL.Host, v.ref, noTag(v.ref.tag(), near(v.ref.tag(), tags)))
}

// unrecorded says that a tag is there, and its history is not.
func unrecorded(tag string) string { return tag + " has no recorded history" }

// visitTag is a visit for the sake of a tag.
func (r *Reader) visitTag(ref Reference, platform string) (*visit, error) {
	if ref.Digest != "" && ref.Tag == "" {
		return nil, fmt.Errorf("%s has a digest and no tag, and only tags have a history", ref)
	}
	return r.visit(ref, platform)
}

// history gives what a tag pointed to between two times, as far as it can be had.
func (v *visit) history(ctx context.Context, since, until time.Time) (collection, error) {
	return collect(since, until, func(start, end time.Time) (page []Record, err error) {
		err = v.ask(ctx, func(t Token) (err error) {
			page, err = v.historyPage(ctx, v.ref, t, start, end)
			return err
		})
		return page, err
	})
}

// historyPage asks for the records between two times, of which the registry tells 1,000
// at most.
func (c *Client) historyPage(ctx context.Context, ref Reference, t Token, start, end time.Time) ([]Record, error) {
	query := url.Values{}
	for name, bound := range map[string]time.Time{"start": start, "end": end} {
		// A year of more digits than four, or of less than none, is no bound for records.
		if bound = bound.UTC(); !bound.IsZero() && bound.Year() >= 0 && bound.Year() <= 9999 {
			query.Set(name, bound.Format(time.RFC3339Nano))
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
	if err != nil {
		return nil, fmt.Errorf("%s answered for the history of %s with %w", answer.Host, ref, shown(err, answer, request))
	}
	return records, nil
}

// maxTimestamp is how long a time of the registry may be: with nanoseconds and a zone
// it has 35 bytes.
const maxTimestamp = 64

// parseHistory reads a page of a history, in its order.
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
			return nil, fmt.Errorf("the time %q, which is none of RFC 3339", w.UpdateTimestamp)
		}
		if !ValidDigest(w.Digest) {
			return nil, fmt.Errorf("%q, which is no digest", w.Digest)
		}
		records[i] = Record{updated.UTC(), w.Digest, w.UpdateTimestamp}
	}
	return records, nil
}

// told is how a time is shown.
func told(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
