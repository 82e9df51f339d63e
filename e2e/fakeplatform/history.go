package fakeplatform

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// historyPath matches the path of a tag's history.
var historyPath = regexp.MustCompile(`^/v2/(.+)/_chainguard/history/([^/]+)$`)

// maxHistory is the maximum number of records in one response.
const maxHistory = 1000

// HistoryRecord is a digest that a tag pointed to from a time on.
type HistoryRecord struct {
	Updated time.Time
	Digest  string
}

// History returns the records of a tag, oldest first. The last one is the current digest.
func (p *Platform) History(repository, tag string) []HistoryRecord {
	p.images.mu.Lock()
	defer p.images.mu.Unlock()
	return slices.Clone(p.images.history[repository+":"+tag])
}

// SetHistory replaces the records of a tag. Times are truncated to milliseconds; order and digests are not checked. It
// pushes no image: see AddImage.
func (p *Platform) SetHistory(repository, tag string, records []HistoryRecord) {
	truncated := slices.Clone(records)
	for i, record := range truncated {
		// The response has milliseconds, and a client sends them back as the start of a range.
		truncated[i].Updated = record.Updated.Truncate(time.Millisecond)
	}
	p.images.mu.Lock()
	defer p.images.mu.Unlock()
	p.images.history[repository+":"+tag] = truncated
}

// Builds returns n records with different digests, oldest first, one per hour.
func Builds(first time.Time, n int) []HistoryRecord {
	records := make([]HistoryRecord, n)
	for i := range records {
		records[i] = HistoryRecord{first.Add(time.Duration(i) * time.Hour), fmt.Sprintf("sha256:%064x", i+1)}
	}
	return records
}

// has reports whether a repository has any image.
func (r *registry) has(repository string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key := range r.history {
		if strings.HasPrefix(key, repository+":") {
			return true
		}
	}
	return false
}

func (p *Platform) serveHistory(w http.ResponseWriter, r *http.Request, repository, tag string) {
	if r.Method != http.MethodGet {
		writeRegistryError(w, http.StatusMethodNotAllowed, "UNSUPPORTED", "the operation is unsupported")
		return
	}
	raw, isBearer := cutPrefixFold(r.Header.Get("Authorization"), "Bearer ")
	if !isBearer {
		w.Header().Set("WWW-Authenticate", fmt.Sprintf("Bearer realm=%q,service=%q", p.Registry+"/token", p.RegistryHost()))
		writeRegistryError(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
		return
	}
	if !p.mayReadHistory(raw, repository, tag) {
		writeRegistryError(w, http.StatusForbidden, "FORBIDDEN", forbidden)
		return
	}
	if !p.images.has(repository) {
		writeRegistryError(w, http.StatusNotFound, "NAME_UNKNOWN", "repository name not known to registry")
		return
	}
	start, end, err := historyRange(r.URL.Query())
	if err != nil {
		writeRegistryError(w, http.StatusBadRequest, "BAD_REQUEST", err.Error())
		return
	}
	records := p.History(repository, tag)
	if len(records) == 0 {
		writeRegistryError(w, http.StatusNotFound, "MANIFEST_UNKNOWN", "tag not known to registry")
		return
	}
	type record struct {
		UpdateTimestamp string `json:"updateTimestamp"`
		Digest          string `json:"digest"`
	}
	selected := make([]record, 0, len(records))
	for _, rec := range records {
		if rec.Updated.Before(start) || !end.IsZero() && rec.Updated.After(end) {
			continue
		}
		if len(selected) == maxHistory {
			break
		}
		selected = append(selected, record{rec.Updated.UTC().Format("2006-01-02T15:04:05.000Z"), rec.Digest})
	}
	writeJSON(w, http.StatusOK, map[string]any{"history": selected})
}

// mayReadHistory reports whether a registry token or an access token allows pulling from the repository.
func (p *Platform) mayReadHistory(raw, repository, tag string) bool {
	if claims, err := p.verifyRegistryToken(raw); err == nil {
		return claims.mayPull(repository) && (claims.Subject != anonymous || publicReference(tag))
	}
	claims, err := p.verifyAccess(raw, p.RegistryHost())
	return err == nil && p.mayPull(claims.Subject, repository) == nil
}

func historyRange(q url.Values) (start, end time.Time, err error) {
	parse := func(name string) (t time.Time, err error) {
		text := q.Get(name)
		if text == "" {
			return t, nil
		}
		if t, err = time.Parse(time.RFC3339, text); err != nil {
			return t, fmt.Errorf("%s is not an RFC 3339 time", name)
		}
		return t, nil
	}
	start, startErr := parse("start")
	end, endErr := parse("end")
	return start, end, errors.Join(startErr, endErr)
}
