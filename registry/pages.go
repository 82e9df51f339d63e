package registry

import (
	"fmt"
	"slices"
	"time"
)

const (
	fullPage = 1000 // records: as many as the registry tells at once
	maxPages = 100  // that are asked for
	// precision is how exactly the registry tells times. It may know them better, so
	// that what it tells as the end of a span is 1 ms further on.
	precision = time.Millisecond
)

// collection is a history on its way.
type collection struct {
	History
	// doubt is the time up to which records may be missing, where Incomplete says so and
	// the history was asked for with an end.
	doubt time.Time

	start, end time.Time  // between which there may be more; zero: no bound
	pages      [][]Record // what was new in each, the oldest first
	seen       map[key]bool
	descending bool // the pages begin with the newest
	stuck      bool // the last page did not narrow where there may be more
}

// key is what tells records apart.
type key struct {
	updated time.Time
	digest  string
}

// collect asks for the pages of a history between two times, which are included, until
// the registry has told all. A page that is not full is the last. After a full one, the
// next begins with the time at which that ended, for there may be more records of it,
// and each is kept once.
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
		fresh := c.add(page)
		if len(page) < fullPage || !c.narrow(page, fresh) {
			break
		}
		if n == maxPages {
			c.stop(fmt.Sprintf("it is longer than %d requests can tell", maxPages))
			break
		}
	}
	c.finish(since, until)
	return c, nil
}

// add puts the records of a page that are new among the others, and says whether there
// are any. Those of a page that begins with the newest are turned round, and put before
// what came in the pages before, so that records of one time are in their order.
func (c *collection) add(page []Record) (fresh bool) {
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

// narrow notes, after a full page, where there may be more: later than the page, or
// earlier where it began with the newest. It gives false where no more can be had.
func (c *collection) narrow(page []Record, fresh bool) bool {
	ascending, descending := order(page)
	if !ascending && !descending {
		c.stop(fmt.Sprintf("the registry told %d records in no order, and may have more", len(page)))
		return false
	}
	if ascending != descending {
		c.descending = descending
	}
	wasStuck, last := c.stuck, page[len(page)-1].Updated
	if c.descending {
		c.narrowEnd(last, fresh)
	} else {
		c.narrowStart(last, fresh)
	}
	if wasStuck && !fresh {
		c.stop("the registry tells the same records again and again, and may have more")
		return false
	}
	return c.start.IsZero() || c.end.IsZero() || !c.end.Before(c.start)
}

func (c *collection) narrowStart(last time.Time, fresh bool) {
	if c.stuck = !fresh || !c.start.IsZero() && !last.After(c.start); !c.stuck {
		c.start = last
		return
	}
	c.start = last.Add(precision)
	c.skip(last, c.start.Add(-1))
}

func (c *collection) narrowEnd(last time.Time, fresh bool) {
	next := last.Add(precision)
	if c.stuck = !fresh || !c.end.IsZero() && !next.Before(c.end); !c.stuck {
		c.end = next
		return
	}
	c.end = last.Add(-precision)
	c.skip(last, last)
}

// skip says that records of one time, or a little beside it, may be missing.
func (c *collection) skip(at, doubt time.Time) {
	c.Incomplete = fmt.Sprintf("more records are of %s than the %d that the registry tells at once", told(at), fullPage)
	if doubt.After(c.doubt) {
		c.doubt = doubt
	}
}

// stop says why there may be more wherever that was not ruled out.
func (c *collection) stop(why string) {
	c.Incomplete = why
	if c.end.After(c.doubt) {
		c.doubt = c.end
	}
}

// finish puts the pages together, sorted, and leaves out what was not asked for.
func (c *collection) finish(since, until time.Time) {
	c.Records = slices.DeleteFunc(slices.Concat(c.pages...), func(r Record) bool {
		return !since.IsZero() && r.Updated.Before(since) || !until.IsZero() && r.Updated.After(until)
	})
	slices.SortStableFunc(c.Records, byTime)
}

// last gives the newest record; sure says that there is one, and that none that is
// newer can be missing.
func (c *collection) last() (newest Record, sure bool) {
	if len(c.Records) == 0 {
		return Record{}, false
	}
	newest = c.Records[len(c.Records)-1]
	return newest, c.Incomplete == "" || newest.Updated.After(c.doubt)
}

// order says how a page is sorted: both ways where all of it is of one time.
func order(page []Record) (ascending, descending bool) {
	return slices.IsSortedFunc(page, byTime), slices.IsSortedFunc(page, func(a, b Record) int { return byTime(b, a) })
}

func byTime(a, b Record) int { return a.Updated.Compare(b.Updated) }
