package images

import (
	"testing"
	"time"
)

func TestParseTime(t *testing.T) {
	now := time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		text string
		end  bool
		want string // RFC 3339, or "" for an error
	}{
		{"2025-08-11T15:22:00Z", false, "2025-08-11T15:22:00Z"},
		{"2025-08-11T15:22:00Z", true, "2025-08-11T15:22:00.999999999Z"}, // a table shows no more of 15:22:00.555
		{"2026-03-31T12:00:00Z", true, "2026-03-31T12:00:00Z"},
		{"2025-08-11T15:22:00.5+02:00", true, "2025-08-11T13:22:00.5Z"},
		{"2025-08-11", false, "2025-08-11T00:00:00Z"},
		{"2025-08-11", true, "2025-08-11T23:59:59.999999999Z"},
		{"2026-03-31", false, "2026-03-31T00:00:00Z"},
		{"2026-03-31", true, "2026-03-31T12:00:00Z"},
		{"7d", false, "2026-03-24T12:00:00Z"},
		{"2w", true, "2026-03-17T12:00:00Z"},
		{"1y", true, "2025-03-31T12:00:00Z"},
		{"1h30m", true, "2026-03-31T10:30:00Z"},
		{"0s", true, "2026-03-31T12:00:00Z"},
		{"0d", true, "2026-03-31T12:00:00Z"},

		{"", false, ""}, {"d", false, ""}, {"-7d", false, ""}, {"+7d", false, ""}, {"-1h", false, ""}, {"7", false, ""}, {"seven days", false, ""},
		{"7 d", false, ""}, {"1.5d", false, ""}, {"999999999999999999999d", false, ""}, {"101y", false, ""}, {"36501d", false, ""},
		{"2025-02-30", false, ""}, {"2025-8-1", false, ""}, {"2025-08-11 15:22", false, ""}, {"20250811", false, ""},
		{"2026-03-31T12:00:01Z", false, ""}, {"2026-04-01", false, ""}, {"2026-04-01", true, ""}, {"0000-01-01T00:00:00Z", false, ""}, {"\x1b[31m", false, ""},
	} {
		got, err := parseTime(test.text, now, test.end)
		if test.want == "" {
			if err == nil {
				t.Errorf("%q: got %s, want an error", test.text, got)
			}
			continue
		}
		if want, _ := time.Parse(time.RFC3339, test.want); err != nil || !got.Equal(want) {
			t.Errorf("%q, end %v: got %s, %v, want %s", test.text, test.end, got, err, test.want)
		}
	}
}

func TestFormatDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 59 * time.Second: "59s", 119 * time.Second: "1m59s", 2 * time.Minute: "2m", 61 * time.Minute: "1h1m", 10*time.Hour + time.Minute: "10h",
		24 * time.Hour: "1d", 7*24*time.Hour - time.Minute: "6d23h", 3000 * time.Hour: "125d", time.Millisecond: "0s", -time.Hour: "0s",
	} {
		if got := formatDuration(d); got != want {
			t.Errorf("%s: got %s, want %s", d, got, want)
		}
	}
}

func FuzzParseTime(f *testing.F) {
	for _, text := range []string{"2025-08-11", "2025-08-11T15:22:00Z", "7d", "1y", "1h30m", "-1d", "9223372036854775807d"} {
		f.Add(text, true)
	}
	now := time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string, end bool) {
		got, err := parseTime(text, now, end)
		if err == nil && (got.After(now) || got.UTC().Year() < 1) {
			t.Errorf("%q: got %s, want a time that an image may have", text, got)
		}
	})
}
