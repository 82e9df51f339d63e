package registry

import (
	"fmt"
	"slices"
	"sort"
	"time"
)

const (
	fullPage = 1000 // records: the registry returns at most this many at once
	maxPages = 100  // to request
	// precision is the unit in which the registry returns times. It may store them more
	// exactly, so the end of a span must be 1 ms later.
	precision = time.Millisecond
)

// collection is a history that is being read.
type collection struct {
	History
	// doubt is the time up to which records may be missing, if Incomplete is set and the
	// history has an end.
	doubt time.Time

	start, end time.Time  // of the next page; zero for no bound
	pages      [][]Record // the new records of each, the oldest first
	seen       map[key]bool
	descending bool // the pages begin with the newest
	stuck      bool // the last page did not narrow start and end
}

// key identifies a record.
type key struct {
	updated time.Time
	digest  string
}

// collect requests all pages of a history from since to until, inclusive. A page that is
// not full is the last. The page after a full one begins with the last time of that, since
// there may be more records of that time.
func collect(since, until time.Time, ask func(start, end time.Time) ([]Record, error)) (collection, error) {
	c := collection{start: since, seen: map[key]bool{}}
	if !until.IsZero() {
		c.end = until.Add(precision)
	}
	for n := 1; ; n++ {
		page, err := ask(c.start, c.end)
		if err != nil {
			return collection{}, err
		}
		hasNew := c.add(page)
		if len(page) < fullPage || !c.narrow(page, hasNew) {
			break
		}
		if n == maxPages {
			c.stop(fmt.Sprintf("it has more than %d pages", maxPages))
			break
		}
	}
	c.finish(since, until)
	return c, nil
}

// add adds the new records of a page, and reports whether there are any. It reverses a page
// that begins with the newest, and adds it before the other pages, so that records of one
// time stay in their order.
func (c *collection) add(page []Record) (hasNew bool) {
	var found []Record
	for _, r := range page {
		if k := (key{r.Updated, r.Digest}); !c.seen[k] {
			c.seen[k] = true
			found = append(found, r)
		}
	}
	if ascending, descending := order(page); descending && (!ascending || c.descending) {
		slices.Reverse(found)
		c.pages = slices.Insert(c.pages, 0, found)
	} else {
		c.pages = append(c.pages, found)
	}
	return len(found) > 0
}

// narrow sets start and end after a full page: later than the page, or earlier if it begins
// with the newest. It returns false if there is nothing more to request.
func (c *collection) narrow(page []Record, hasNew bool) bool {
	ascending, descending := order(page)
	if !ascending && !descending {
		c.stop(fmt.Sprintf("the registry returned %d records in no order, and may have more", len(page)))
		return false
	}
	if ascending != descending {
		c.descending = descending
	}
	wasStuck, last := c.stuck, page[len(page)-1].Updated
	if c.descending {
		c.narrowEnd(last, hasNew)
	} else {
		c.narrowStart(last, hasNew)
	}
	if wasStuck && !hasNew {
		c.stop("the registry returns the same records again, and may have more")
		return false
	}
	return c.start.IsZero() || c.end.IsZero() || !c.end.Before(c.start)
}

func (c *collection) narrowStart(last time.Time, hasNew bool) {
	if c.stuck = !hasNew || !c.start.IsZero() && !last.After(c.start); !c.stuck {
		c.start = last
		return
	}
	c.start = last.Add(precision)
	c.skip(last, c.start.Add(-1))
}

func (c *collection) narrowEnd(last time.Time, hasNew bool) {
	next := last.Add(precision)
	if c.stuck = !hasNew || !c.end.IsZero() && !next.Before(c.end); !c.stuck {
		c.end = next
		return
	}
	c.end = last.Add(-precision)
	c.skip(last, last)
}

// skip notes that records of the time at may be missing.
func (c *collection) skip(at, doubt time.Time) {
	c.Incomplete = fmt.Sprintf("there are more records of %s than the %d that the registry returns at once", rfc3339(at), fullPage)
	if doubt.After(c.doubt) {
		c.doubt = doubt
	}
}

// stop notes why records may be missing from here on.
func (c *collection) stop(why string) {
	c.Incomplete = why
	if c.end.After(c.doubt) {
		c.doubt = c.end
	}
}

// finish joins the pages, sorted, without the records that are out of bounds.
func (c *collection) finish(since, until time.Time) {
	c.Records = slices.DeleteFunc(slices.Concat(c.pages...), func(r Record) bool {
		return !since.IsZero() && r.Updated.Before(since) || !until.IsZero() && r.Updated.After(until)
	})
	sort.SliceStable(c.Records, func(i, j int) bool { return c.Records[i].Updated.Before(c.Records[j].Updated) })
}

// last returns the newest record. isCertain reports whether there is one and no newer one
// can be missing.
func (c *collection) last() (newest Record, isCertain bool) {
	if len(c.Records) == 0 {
		return Record{}, false
	}
	newest = c.Records[len(c.Records)-1]
	return newest, c.Incomplete == "" || newest.Updated.After(c.doubt)
}

// order reports how a page is sorted: in both ways if all records are of one time.
func order(page []Record) (ascending, descending bool) {
	return slices.IsSortedFunc(page, byTime), slices.IsSortedFunc(page, func(a, b Record) int { return byTime(b, a) })
}

func byTime(a, b Record) int { return a.Updated.Compare(b.Updated) }
