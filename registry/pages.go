package registry

import (
	"fmt"
	"slices"
	"time"
)

const (
	fullPage = 1000 // records: the registry returns at most this many at once
	maxPages = 100  // to request
	// precision is the unit in which the registry returns times. It may store them more
	// exactly, so the end of a span must be 1 ms later.
	precision = time.Millisecond
)

// collect requests all pages of a history from since to until, inclusive. The registry
// returns the oldest records first, and a page that is not full is the last. The page after
// a full one begins with the last time of that, since there may be more records of that
// time. If a full page does not lead on, records may be missing, and it stops.
func collect(since, until time.Time, ask func(start, end time.Time) ([]Record, error)) (h History, err error) {
	start, end := since, until
	if !until.IsZero() {
		end = until.Add(precision)
	}
	seen := map[Record]bool{}
	for n := 0; end.IsZero() || !start.After(end); n++ {
		if n == maxPages {
			h.Incomplete = fmt.Sprintf("it has more than %d pages", maxPages)
			break
		}
		page, err := ask(start, end)
		if err != nil {
			return History{}, err
		}
		for _, r := range page {
			if !seen[r] {
				seen[r] = true
				h.Records = append(h.Records, r)
			}
		}
		if len(page) < fullPage {
			break
		}
		last := page[len(page)-1].Updated
		if !slices.IsSortedFunc(page, byTime) || !last.After(start) {
			h.Incomplete = fmt.Sprintf("the registry returned %d records and not those after %s", len(page), rfc3339(last))
			break
		}
		start = last
	}
	h.Records = slices.DeleteFunc(h.Records, func(r Record) bool {
		return !since.IsZero() && r.Updated.Before(since) || !until.IsZero() && r.Updated.After(until)
	})
	slices.SortStableFunc(h.Records, byTime)
	return h, nil
}

func byTime(a, b Record) int { return a.Updated.Compare(b.Updated) }
