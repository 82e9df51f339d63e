package registry

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// crowd gives n records of one time, numbered from first.
func crowd(n, first int, at time.Time) []Record {
	records := make([]Record, n)
	for i := range records {
		records[i] = Record{Updated: at, Digest: numbered(first + i)}
	}
	return records
}

// teller tells the records between two times, a page at most.
type teller func(start, end time.Time) []Record

func (a api) tell(start, end time.Time) []Record {
	records := slices.Clone(a.records)
	records = slices.DeleteFunc(records, func(r Record) bool {
		return !a.deaf && (r.Updated.Before(start) || !end.IsZero() && r.Updated.After(end))
	})
	return records[:min(fullPage, len(records))]
}

// forever goes on from until by one step for each record.
func forever(step time.Duration) teller {
	n := 0
	return func(_, _ time.Time) []Record {
		page := make([]Record, fullPage)
		for i := range page {
			n++
			page[i] = Record{Updated: until.Add(time.Duration(n) * step), Digest: digest}
		}
		return page
	}
}

// anew tells more and more records of one time.
func anew() teller {
	n := 0
	return func(_, _ time.Time) []Record { n += fullPage; return crowd(fullPage, n, since) }
}

// shuffled tells records in no order.
func shuffled(records []Record) []Record {
	records = slices.Clone(records)
	records[0], records[len(records)/2] = records[len(records)/2], records[0]
	return records
}

func TestPages(t *testing.T) {
	noon := since.Add(12 * time.Hour)
	const more, long = "the registry returned 1000 records and not those after", "more than 100 pages"
	around := slices.Concat(hourly(5), crowd(1500, 100, noon), []Record{{Updated: noon.Add(time.Hour), Digest: numbered(6)}})
	newest := hourly(2500)
	slices.Reverse(newest)
	for _, test := range []struct {
		name       string
		tell       teller
		asked      int
		known      int
		incomplete string
	}{
		{"1,000 of one time", api{records: crowd(1000, 0, noon)}.tell, 2, 1000, more},
		{"I61 1,500 of one time, and others", api{records: around}.tell, 2, 1005, more},
		{"I61 always the same page", api{records: hourly(2500), deaf: true}.tell, 2, 1000, more},
		{"I61 no order", api{records: shuffled(hourly(2500))}.tell, 1, 1000, more},
		{"I61 the newest first", api{records: newest}.tell, 1, 1000, more},
		{"I61 without end", forever(time.Second), maxPages, maxPages * fullPage, long},
		{"I61 without beginning", forever(-time.Second), 1, fullPage, more},
		{"I61 more of one time for ever", anew(), 2, 2 * fullPage, more},
	} {
		t.Run(test.name, func(t *testing.T) {
			asked := 0
			got, err := collect(time.Time{}, time.Time{}, func(start, end time.Time) ([]Record, error) { asked++; return test.tell(start, end), nil })
			if err != nil || !strings.Contains(got.Incomplete, test.incomplete) || len(got.Records) != test.known || asked != test.asked {
				t.Errorf("got %d records in %d requests, %q, %v, want %d in %d, and %q", len(got.Records), asked, got.Incomplete, err, test.known, test.asked, test.incomplete)
			}
			if !slices.IsSortedFunc(got.Records, byTime) {
				t.Error("got them unsorted")
			}
		})
	}
}

// An answer is given where what is missing cannot change it, and only there.
func TestDigestAtInDoubt(t *testing.T) {
	noon := since.Add(12 * time.Hour)
	around := slices.Concat(hourly(5), crowd(1500, 100, noon), []Record{{Updated: noon.Add(time.Hour), Digest: numbered(6)}})
	for _, test := range []struct {
		name string
		api  api
		at   time.Time
		want int // -1: not known
	}{
		{"before the crowd", api{records: around}, noon.Add(-time.Hour), 4},
		{"in the crowd", api{records: around}, noon, -1},
		{"after the crowd", api{records: around}, noon.Add(time.Minute), -1},
		{"at the record after it", api{records: around}, noon.Add(time.Hour), -1},
		{"no order", api{records: shuffled(hourly(2500))}, since.Add(2000 * time.Hour), -1},
	} {
		t.Run("I61 "+test.name, func(t *testing.T) {
			got, err := tells(test.api).reader().DigestAt(t.Context(), image, test.at, "")
			if test.want < 0 {
				if oneLine(t, err); !strings.Contains(err.Error(), "is not known: ") || got != (Record{}) {
					t.Errorf("got %v, %v, want no guess", got, err)
				}
				return
			}
			if err != nil || got.Digest != numbered(test.want) {
				t.Errorf("got %v, %v, want the record %d", got, err, test.want)
			}
		})
	}
}

// Of an honest registry, a history is whole or says that it is not. shape holds, for each
// group of records, how many hundreds there are and how many quarters of a millisecond one
// is from the next.
func FuzzPages(f *testing.F) {
	f.Add([]byte{0xf1}, uint16(0))
	f.Add([]byte{0xf1, 0xf0, 0x11}, uint16(900))
	f.Add([]byte{0xf1, 0xf0, 0x11}, uint16(1))
	f.Add([]byte{0xa0, 0xa2, 0xa0, 0xa0}, uint16(40000))
	f.Fuzz(func(t *testing.T, shape []byte, ms uint16) {
		var records []Record
		when := since
		for _, group := range shape[:min(len(shape), 16)] {
			for range int(group>>4) * 100 {
				when = when.Add(time.Duration(group&0xf) * time.Millisecond / 4)
				records = append(records, Record{Updated: when, Digest: numbered(len(records))})
			}
			when = when.Add(time.Millisecond)
		}
		end := time.Time{}
		if ms > 0 {
			end = since.Add(time.Duration(ms) * time.Millisecond)
		}
		asked := 0
		told := api{records: records}
		h, err := collect(time.Time{}, end, func(start, end time.Time) ([]Record, error) {
			asked++
			page := told.tell(start, end)
			for i := range page { // a registry knows its times better than it tells them
				page[i].Updated = page[i].Updated.Truncate(time.Millisecond)
			}
			return page, nil
		})
		if err != nil || asked > maxPages {
			t.Fatalf("got %d requests, %v", asked, err)
		}
		want := slices.DeleteFunc(records, func(r Record) bool { return ms > 0 && r.Updated.Truncate(time.Millisecond).After(end) })
		if !slices.IsSortedFunc(h.Records, byTime) || h.Incomplete == "" && !slices.Equal(digests(h.Records), digests(want)) {
			t.Errorf("got %d records, want all %d in their order", len(h.Records), len(want))
		}
	})
}

// Whatever a registry tells, a history ends in time, is sorted, and holds digests alone.
// The first bytes of shape make full pages, each with a step between the records and a
// distance from the page before.
func FuzzHistory(f *testing.F) {
	f.Add([]byte(page(at("2024-01-01T00:00:00Z", 1), at("2023-01-01T00:00:00.5Z", 2))), []byte{})
	f.Add([]byte(`{"history":[{"updateTimestamp":"0000-01-01T00:00:00Z","digest":"sha256:xyz\u001b"}]}`), []byte{0x11})
	f.Add([]byte(`{}`), []byte{0x10, 0x10, 0x10})
	f.Add([]byte("<html>\x1b[2J"), []byte{0xff, 0x0f, 0xf0})
	f.Add([]byte(page()), []byte{0, 0, 0})
	f.Fuzz(func(t *testing.T, last []byte, shape []byte) {
		shape = shape[:min(len(shape), 3)]
		n, first := 0, 0
		fake := tells(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if n >= len(shape) {
				answer(w, "application/json", string(last))
				return
			}
			step, jump := int(int8(shape[n])>>4), int(int8(shape[n]<<4)>>4)
			n++
			first += jump
			told := make([]wireRecord, fullPage)
			for i := range told {
				told[i] = wireRecord{since.Add(time.Duration(first+i*step) * time.Millisecond).Format(time.RFC3339Nano), numbered(i % 7)}
			}
			first += fullPage * step
			_ = json.NewEncoder(w).Encode(map[string]any{"history": told})
		}))
		check := func(records []Record, err error) {
			if err != nil {
				oneLine(t, err)
				if strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' || r == 0x7f || r == 0x202e }) {
					t.Errorf("got %q, want it printable", err)
				}
				return
			}
			if !slices.IsSortedFunc(records, byTime) {
				t.Error("got records unsorted")
			}
			for _, r := range records {
				if !ValidDigest(r.Digest) {
					t.Errorf("got %q for a digest", r.Digest)
				}
				if text, err := json.Marshal(r); err != nil || !json.Valid(text) {
					t.Errorf("got %s, %v, want JSON", text, err)
				}
			}
		}
		got, err := fake.reader().History(t.Context(), image, time.Time{}, time.Time{})
		check(got.Records, err)
		if strings.ContainsFunc(got.Incomplete, func(r rune) bool { return r < ' ' }) {
			t.Errorf("got %q, want it printable", got.Incomplete)
		}
		if asked := fake.count("GET history"); asked > maxPages {
			t.Errorf("got %d requests, want %d at most", asked, maxPages)
		}
		n, first = 0, 0
		record, err := fake.reader().DigestAt(t.Context(), image, until, "")
		if err == nil && record.Updated.After(until) {
			t.Errorf("got %v, want what was before %v", record, until)
		}
		check(nil, err)
	})
}
