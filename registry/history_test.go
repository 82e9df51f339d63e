package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"docker-credential-cgr/hint"
)

var (
	since = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	until = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
)

// numbered is a digest that tells records apart.
func numbered(i int) string { return fmt.Sprintf("sha256:%064x", i) }

// hourly gives n records, an hour apart.
func hourly(n int) []Record {
	records := make([]Record, n)
	for i := range records {
		records[i] = Record{Updated: since.Add(time.Duration(i) * time.Hour), Digest: numbered(i)}
	}
	return records
}

// api tells records as the registry does.
type api struct {
	records []Record // the oldest first
	deaf    bool     // to start and end
}

func (a api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	bound := func(name string) (t time.Time) {
		if text := r.URL.Query().Get(name); text != "" && !a.deaf {
			var err error
			if t, err = time.Parse(time.RFC3339, text); err != nil {
				refuse(w, 400, "BAD_REQUEST", err.Error())
			}
		}
		return t
	}
	start, end := bound("start"), bound("end")
	told := []wireRecord{}
	records := slices.Clone(a.records)
	for _, r := range records {
		if r.Updated.Before(start) || !end.IsZero() && r.Updated.After(end) || len(told) == fullPage {
			continue
		}
		told = append(told, wireRecord{r.Updated.Format("2006-01-02T15:04:05.000Z"), r.Digest})
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"history": told})
}

// tells is a registry with a history.
func tells(handler http.Handler) *fake {
	f := newFake()
	f.handlers["history"] = handler.ServeHTTP
	return f
}

func digests(records []Record) []string {
	var all []string
	for _, r := range records {
		all = append(all, r.Digest)
	}
	return all
}

var image = Reference{Repository: private, Tag: "3.13"}

func TestHistory(t *testing.T) {
	fine := hourly(2500) // told to the millisecond, but known better
	for i := range fine {
		fine[i].Updated = since.Add(time.Duration(i)*time.Hour + 777_777*time.Nanosecond)
	}
	finer := make([]Record, 1502) // four in each millisecond
	for i := range finer {
		finer[i] = Record{Updated: since.Add(time.Duration(i) * time.Millisecond / 4), Digest: numbered(i)}
	}
	for _, test := range []struct {
		name         string
		api          api
		since, until time.Time
		asked        int
		want         []Record
	}{
		{"one page", api{records: hourly(4)}, time.Time{}, time.Time{}, 1, hourly(4)},
		{"999", api{records: hourly(999)}, time.Time{}, time.Time{}, 1, hourly(999)},
		{"1,000", api{records: hourly(1000)}, time.Time{}, time.Time{}, 2, hourly(1000)},
		{"2,500", api{records: hourly(2500)}, time.Time{}, time.Time{}, 3, hourly(2500)},
		{"2,500 that are told less exactly", api{records: fine}, time.Time{}, time.Time{}, 3, hourly(2500)},
		{"several in a millisecond", api{records: finer}, time.Time{}, time.Time{}, 2, finer},
		{"I61 many of a registry that knows no bounds", api{records: hourly(2500), deaf: true}, since.Add(2 * time.Hour), since.Add(3 * time.Hour), 1, hourly(4)[2:]},
		{"from a record's time on", api{records: hourly(10)}, since.Add(4 * time.Hour), time.Time{}, 1, hourly(10)[4:]},
		{"up to a record's time", api{records: hourly(10)}, time.Time{}, since.Add(4 * time.Hour), 1, hourly(10)[:5]},
		{"between", api{records: hourly(2500)}, since.Add(time.Hour), since.Add(2000 * time.Hour), 3, hourly(2500)[1:2001]},
		{"I61 a registry that knows no bounds", api{records: hourly(10), deaf: true}, since.Add(2 * time.Hour), since.Add(3 * time.Hour), 1, hourly(10)[2:4]},
		{"I61 empty between", api{records: hourly(10)}, until, until, 1, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := tells(test.api)
			got, err := f.reader().History(t.Context(), image, test.since, test.until)
			if err != nil || got.Incomplete != "" {
				t.Fatalf("got %v, incomplete: %q, want all", err, got.Incomplete)
			}
			if !slices.Equal(digests(got.Records), digests(test.want)) {
				t.Errorf("got %d records, want %d, the oldest first and each once", len(got.Records), len(test.want))
			}
			if got := f.count("GET history"); got != test.asked {
				t.Errorf("got %d requests, want %d", got, test.asked)
			}
			if got := f.count("GET token"); got != 1 {
				t.Errorf("got %d tokens, want 1", got)
			}
		})
	}
	t.Run("a tag that is not public is asked for without a credential once", func(t *testing.T) {
		f := tells(unless(refuses(403, "FORBIDDEN"), api{records: hourly(2500)}.ServeHTTP))
		got, err := f.reader().History(t.Context(), Reference{Repository: public, Tag: "3.13"}, time.Time{}, time.Time{})
		if err != nil || len(got.Records) != 2500 || f.count("GET history") != 4 {
			t.Errorf("got %d records in %d requests, %v, want 2500 in 4", len(got.Records), f.count("GET history"), err)
		}
	})
}

// at is one record as the registry tells it.
func at(text string, i int) string {
	return fmt.Sprintf(`{"updateTimestamp":%q,"digest":%q}`, text, numbered(i))
}

func tellsText(text string) *fake {
	return tells(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w, "application/json", text) }))
}

func page(records ...string) string { return `{"history":[` + strings.Join(records, ",") + `]}` }

func TestHistoryOrder(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"I61 unsorted", page(at("2024-01-03T00:00:00Z", 3), at("2024-01-01T00:00:00Z", 1), at("2024-01-02T00:00:00Z", 2)), "1 2 3"},
		{"a tie keeps its order", page(at("2024-01-02T00:00:00Z", 9), at("2024-01-02T00:00:00Z", 3), at("2024-01-01T00:00:00Z", 1), at("2024-01-02T00:00:00.000Z", 5)), "1 9 3 5"},
		{"one after another of the same digest", page(at("2024-01-01T00:00:00Z", 1), at("2024-01-02T00:00:00Z", 1)), "1 1"},
		{"one told twice", page(at("2024-01-01T00:00:00Z", 1), at("2024-01-01T00:00:00Z", 1)), "1"},
		{"other zones", page(at("2024-01-01T01:00:00+02:00", 1), at("2023-12-31T23:30:00Z", 2), at("2024-01-01T02:00:00.123456789+02:00", 3)), "1 2 3"},
		{"I61 year 0", page(at("2024-01-01T00:00:00Z", 2), at("0000-01-01T00:00:00Z", 1)), "1 2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := tellsText(test.text)
			f.handlers["tags"] = lists(image.Tag)
			got, err := f.reader().History(t.Context(), image, time.Time{}, time.Time{})
			if err != nil || got.Incomplete != "" {
				t.Fatalf("got %v, incomplete: %q", err, got.Incomplete)
			}
			var numbers []string
			for _, r := range got.Records {
				numbers = append(numbers, strings.TrimLeft(strings.TrimPrefix(r.Digest, "sha256:"), "0"))
			}
			if got := strings.Join(numbers, " "); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestRecordJSON(t *testing.T) {
	for _, text := range []string{"2023-05-12T13:46:10.555Z", "2023-05-12T13:46:10.500Z", "2023-05-12T15:46:10+02:00"} {
		history, err := tellsText(page(at(text, 1))).reader().History(t.Context(), image, time.Time{}, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := json.Marshal(history.Records[0])
		if want := at(text, 1); err != nil || string(got) != want {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
	}
}

// What is not a history is never taken for a part of one.
func TestHistoryWrong(t *testing.T) {
	good := at("2024-01-01T00:00:00Z", 1)
	for name, text := range map[string]string{
		"I44 HTML": "<html>Welcome to the hotel \x1b[2J", "empty": "", "a list": `[]`, "a text": `{"history":"x"}`, "null in it": page("null"), "numbers": page("1"),
		"a text that is cut": page(good)[:90], "more behind it": page(good) + "}", "I45 2 MB": page(good) + strings.Repeat(" ", 2<<20),
		"I60 a short digest":      page(good, `{"updateTimestamp":"2024-01-02T00:00:00Z","digest":"sha256:xyz\u001b[2J"}`),
		"I60 md5":                 page(good, `{"updateTimestamp":"2024-01-02T00:00:00Z","digest":"md5:0123456789abcdef0123456789abcdef"}`),
		"I60 no digest":           page(good, `{"updateTimestamp":"2024-01-02T00:00:00Z"}`),
		"I61 no time":             page(good, `{"digest":"`+digest+`"}`),
		"I61 a time that is none": page(good, at("2024-02-30T00:00:00Z", 1)), "I61 a date": page(good, at("2024-02-03", 1)),
		"I61 seconds": page(good, at("1700000000", 1)), "I61 a long one": page(good, at("2024-01-01T00:00:00."+strings.Repeat("0", 100)+"Z", 1)),
	} {
		t.Run(name, func(t *testing.T) {
			f := tellsText(text)
			got, err := f.reader().History(t.Context(), image, time.Time{}, time.Time{})
			oneLine(t, err)
			if !strings.HasPrefix(err.Error(), "cgr.dev answered for the history of org/python:3.13 with ") || len(got.Records) > 0 {
				t.Errorf("got %d records and %q, want none, and the image in the error", len(got.Records), err)
			}
			_, err = f.reader().DigestAt(t.Context(), image, until, "")
			oneLine(t, err)
		})
	}
	t.Run("a later page", func(t *testing.T) {
		f := tells(turns(api{records: hourly(2500)}.ServeHTTP, func(w http.ResponseWriter, _ *http.Request) { answer(w, "text/html", "<html>") }))
		got, err := f.reader().History(t.Context(), image, time.Time{}, time.Time{})
		oneLine(t, err)
		if len(got.Records) > 0 {
			t.Errorf("got %d records beside an error, want none", len(got.Records))
		}
	})
	t.Run("P14 our token in it", func(t *testing.T) {
		f := tells(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			text, _ := json.Marshal(r.Header.Get("Authorization"))
			answer(w, "text/html; "+r.Header.Get("Authorization"), `{"history":[{"updateTimestamp":`+string(text)+`}]}`)
		}))
		f.handlers["token"] = func(w http.ResponseWriter, _ *http.Request) { answer(w, "", `{"token":"`+secret+`"}`) }
		_, err := f.reader().History(t.Context(), image, time.Time{}, time.Time{})
		oneLine(t, err)
	})
}

// Every answer about a history that the registry is known to give is told by its cause.
func TestHistoryRefused(t *testing.T) {
	for _, test := range []struct {
		name   string
		status int
		code   string
		want   string
	}{
		{"no right", 403, "FORBIDDEN", "role registry.pull"},
		{"no repository", 404, "NAME_UNKNOWN", "no repository org/python"},
		{"no tag", 404, "MANIFEST_UNKNOWN", `there is no tag "3.13" in it; similar tags: 3.12, 3.13-dev, 20`},
		{"token refused", 401, "UNAUTHORIZED", "clock"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := tells(refuses(test.status, test.code))
			f.handlers["tags"] = lists("latest", "3.12", "3.13-dev", "20")
			_, err := f.reader().History(t.Context(), image, time.Time{}, time.Time{})
			oneLine(t, err)
			var refused *Error
			if !errors.As(err, &refused) || refused.Step != StepHistory || refused.Status != test.status || refused.Reference != "3.13" || !strings.Contains(cause(refused)+fmt.Sprint(hint.Of(err)), test.want) {
				t.Errorf("got %v, want %q in it", err, test.want)
			}
			if listed := f.count("GET tags") > 0; listed != (test.code == "MANIFEST_UNKNOWN") {
				t.Errorf("got a list of tags: %t, want it for an unknown tag alone", listed)
			}
		})
	}
}

// A history without records may be one of a tag that is not there.
func TestHistoryEmpty(t *testing.T) {
	for _, test := range []struct {
		name string
		tags http.HandlerFunc
		want string
	}{
		{"no such tag", lists("3.13-dev", "latest"), `cgr.dev has no history of org/python:3.13: there is no tag "3.13" in it; similar tags: 3.13-dev, latest`},
		{"a tag without one", lists("3.12", "3.13"), "cgr.dev/org/python: 3.13 has no recorded history"},
		{"the tags are not to be had", refuses(403, "FORBIDDEN"), "cgr.dev/org/python: 3.13 has no recorded history"},
	} {
		t.Run("I61 "+test.name, func(t *testing.T) {
			f := tells(api{})
			f.handlers["tags"] = test.tags
			got, err := f.reader().History(t.Context(), image, time.Time{}, time.Time{})
			if len(got.Records) > 0 || fmt.Sprint(err) != test.want {
				t.Errorf("got %v, %v, want %q", got, err, test.want)
			}
			if _, err := f.reader().History(t.Context(), image, since, time.Time{}); err != nil {
				t.Errorf("got %v for a part of it, want nothing", err)
			}
		})
	}
}

func TestHistoryNull(t *testing.T) {
	for _, text := range []string{`{"history":null}`, `{}`} {
		f := tellsText(text)
		f.handlers["tags"] = lists(image.Tag)
		if got, err := f.reader().History(t.Context(), image, time.Time{}, until); err != nil || len(got.Records) > 0 {
			t.Errorf("I61 %s: got %v, %v, want no records", text, got, err)
		}
	}
}

func TestDigestAt(t *testing.T) {
	old := []Record{{Updated: since, Digest: numbered(1)}, {Updated: since.Add(time.Hour), Digest: numbered(2)}, {Updated: until, Digest: numbered(3)}}
	year := since.AddDate(1, 0, 0)
	for _, test := range []struct {
		name  string
		api   api
		at    time.Time
		want  int
		asked int
	}{
		{"the very time", api{records: hourly(10)}, since.Add(4 * time.Hour), 4, 1},
		{"1 ns before", api{records: hourly(10)}, since.Add(4*time.Hour - 1), 3, 1},
		{"in the future", api{records: hourly(10)}, until.AddDate(100, 0, 0), 9, 2},
		{"long before", api{records: old}, year, 2, 2},
		{"the very time, of one that is told less exactly", api{records: []Record{{Updated: since.Add(5), Digest: numbered(1)}}}, since, 1, 1},
		{"many", api{records: hourly(2160)}, since.Add(2159 * time.Hour), 2159, 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := tells(test.api)
			got, err := f.reader().DigestAt(t.Context(), image, test.at, "")
			if err != nil || got.Digest != numbered(test.want) {
				t.Errorf("got %v, %v, want the record %d", got, err, test.want)
			}
			if got := f.count("GET history"); got != test.asked {
				t.Errorf("got %d requests, want %d", got, test.asked)
			}
		})
	}
	t.Run("before its history", func(t *testing.T) {
		f := tells(api{records: hourly(10)})
		_, err := f.reader().DigestAt(t.Context(), Reference{Repository: private}, since.Add(-1), "")
		oneLine(t, err)
		want := "nothing is recorded for cgr.dev/org/python:latest at 2023-12-31T23:59:59.999999999Z: its history begins at 2024-01-01T00:00:00Z"
		if err.Error() != want || !slices.Contains(hint.Of(err), hint.Do(hint.ShowHistory, "cgr.dev/org/python:latest")) {
			t.Errorf("got %q, %v, want %q and the history as a hint", err, hint.Of(err), want)
		}
	})
	t.Run("no such tag", func(t *testing.T) {
		for name, f := range map[string]*fake{"404": tells(refuses(404, "MANIFEST_UNKNOWN")), "empty": tells(api{})} {
			f.handlers["tags"] = lists("3.13-dev")
			_, err := f.reader().DigestAt(t.Context(), image, until, "")
			if oneLine(t, err); !strings.Contains(err.Error(), `there is no tag "3.13" in it; similar tags: 3.13-dev`) {
				t.Errorf("%s: got %v, want the near tags", name, err)
			}
		}
	})
	t.Run("a tag that is there without a history", func(t *testing.T) {
		for name, f := range map[string]*fake{"404": tells(refuses(404, "MANIFEST_UNKNOWN")), "empty": tells(api{})} {
			f.handlers["tags"] = lists("3.11", "3.13", "3.12")
			_, err := f.reader().DigestAt(t.Context(), image, until, "")
			if oneLine(t, err); !strings.Contains(err.Error(), "3.13 has no recorded history") || strings.Contains(err.Error(), "no tag") {
				t.Errorf("%s: got %v, want that it has no history", name, err)
			}
		}
	})
	t.Run("a reference without a tag", func(t *testing.T) {
		f := tells(api{records: hourly(10)})
		_, err := f.reader().DigestAt(t.Context(), Reference{Repository: private, Digest: digest}, until, "")
		oneLine(t, err)
		f.wantAsked(t)
		got, err := f.reader().DigestAt(t.Context(), Reference{Repository: private, Tag: "3.13", Digest: digest}, until, "")
		if err != nil || got.Digest != numbered(9) {
			t.Errorf("got %v, %v, want what the tag pointed to", got, err)
		}
	})
}
