package images

import (
	"fmt"
	"strconv"
	"time"

	"docker-credential-cgr/platform"
)

// parseTime parses a time in the past: RFC 3339, a date in UTC, or an age such as 90m, 12h,
// 7d, 2w or 1y (365 days). A date, or a time without fractions of a second as tables show
// it, means its first moment, or its last one if end is set.
func parseTime(text string, now time.Time, end bool) (time.Time, error) {
	length := time.Second
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		length = 24 * time.Hour
		t, err = time.Parse(time.DateOnly, text)
	}
	if err == nil && end && t.Nanosecond() == 0 && !t.After(now) {
		if t = t.Add(length - 1); t.After(now) {
			t = now
		}
	}
	if err != nil {
		var ago time.Duration
		if ago, err = parseAge(text); err == nil {
			t = now.Add(-ago)
		}
	}
	switch {
	case err != nil:
		return time.Time{}, fmt.Errorf("%q is not a time: use one such as 2025-08-11T15:22:00Z, 2025-08-11 (UTC) or, "+
			"for a week ago, 7d (also m, h, w, y)", platform.Printable(text))
	case t.After(now):
		return time.Time{}, fmt.Errorf("%q is in the future", platform.Printable(text))
	case t.Year() < 0 || t.UTC().Year() < 1:
		return time.Time{}, fmt.Errorf("%q is before the year 1", platform.Printable(text))
	}
	return t, nil
}

// parseAge parses a duration with days, weeks and years, of at most a hundred years.
func parseAge(text string) (time.Duration, error) {
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

// formatDuration returns a duration in its largest unit and, if there are less than 10 of
// it, in the next one too. A negative one, from a clock that is behind the registry's,
// counts as zero.
func formatDuration(d time.Duration) string {
	const day = 24 * time.Hour
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
	if n < 10 && i+1 < len(units) {
		if rest := d % units[i].Duration / units[i+1].Duration; rest > 0 {
			text += strconv.Itoa(int(rest)) + units[i+1].name
		}
	}
	return text
}
