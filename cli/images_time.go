package cli

import (
	"fmt"
	"strconv"
	"time"

	"docker-credential-cgr/platform"
)

// parseMoment reads a time that is not to come: RFC 3339, a date of UTC, or how long
// ago it was, as in 90m, 12h, 7d, 2w or 1y (365 days). A date and a time without
// fractions of a second, as our tables have it, stand for their first moment or, at the
// end of a span, for their last.
func parseMoment(text string, now time.Time, end bool) (time.Time, error) {
	long := time.Second
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		long = 24 * time.Hour
		t, err = time.Parse(time.DateOnly, text)
	}
	if err == nil && end && t.Nanosecond() == 0 && !t.After(now) {
		if t = t.Add(long - 1); t.After(now) {
			t = now // it is not over
		}
	}
	if err != nil {
		var ago time.Duration
		if ago, err = parseAgo(text); err == nil {
			t = now.Add(-ago)
		}
	}
	switch {
	case err != nil:
		return time.Time{}, fmt.Errorf("%q is no time that is understood: give one such as 2025-08-11T15:22:00Z, 2025-08-11 (UTC) or, for a week ago, 7d (also m, h, w, y)", platform.Printable(text))
	case t.After(now):
		return time.Time{}, fmt.Errorf("%q is still to come", platform.Printable(text))
	case t.Year() < 0 || t.UTC().Year() < 1:
		return time.Time{}, fmt.Errorf("%q is before there were images", platform.Printable(text))
	}
	return t, nil
}

// parseAgo reads a duration with days, weeks and years, of at most a hundred years.
func parseAgo(text string) (time.Duration, error) {
	if text == "" {
		return 0, strconv.ErrSyntax
	}
	const day = 24 * time.Hour
	unit, ok := map[byte]time.Duration{'d': day, 'w': 7 * day, 'y': 365 * day}[text[len(text)-1]]
	if !ok {
		ago, err := time.ParseDuration(text)
		if err == nil && ago < 0 {
			err = strconv.ErrRange
		}
		return ago, err
	}
	n, err := strconv.ParseUint(text[:len(text)-1], 10, 63)
	if err == nil && n > uint64(100*365*day/unit) {
		err = strconv.ErrRange
	}
	return time.Duration(n) * unit, err
}

// span is a time for people, in its largest unit, and where there are few of it in the
// next one too. Below zero, as by a clock that is behind the registry's, it is none.
func span(d time.Duration) string {
	const day, few = 24 * time.Hour, 10
	units := []struct {
		name string
		time.Duration
	}{{"d", day}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}}
	d = max(d, 0)
	i := 0
	for i < len(units)-1 && d < units[i].Duration {
		i++
	}
	n := d / units[i].Duration
	text := strconv.Itoa(int(n)) + units[i].name
	if n < few && i+1 < len(units) {
		if rest := d % units[i].Duration / units[i+1].Duration; rest > 0 {
			text += strconv.Itoa(int(rest)) + units[i+1].name
		}
	}
	return text
}
