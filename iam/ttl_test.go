package iam

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseTTL(t *testing.T) {
	const day = 24 * time.Hour
	for text, want := range map[string]time.Duration{
		"720h": 720 * time.Hour, "30d": 30 * day, "1y": 365 * day, "365d": 365 * day, "8760h": MaxTTL, "1m": MinTTL, "60s": MinTTL,
		"1d12h": 36 * time.Hour, "1h30m": 90 * time.Minute, "0d1m": MinTTL, "0y30d": 30 * day, "1.5h": 90 * time.Minute, "364d24h": MaxTTL,
	} {
		t.Run(text, func(t *testing.T) {
			if got, err := ParseTTL(text); err != nil || got != want {
				t.Errorf("got %s, %v, want %s", got, err, want)
			}
		})
	}
	for text, why := range map[string]string{
		"0": "too short", "-1": "not understood", "-1h": "too short", "59s": "too short", "1ns": "too short", "0d": "too short",
		"8761h": "too long", "8760h0m1s": "too long", "366d": "too long", "2y": "too long", "1y1h": "too long", "1y365d": "too long", "365d8760h": "too long",
		"99999999999999999999d": "too long", "18446744073709551615y": "too long", "106751d23h": "too long", "2562047h": "too long",
		"1 week": "not understood", "9e99h": "not understood", "": "not understood", " ": "not understood", "720": "not understood", "d": "not understood",
		"y": "not understood", "1d1y": "not understood", "1y1y": "not understood", "30d-1h": "not understood", "-30d": "not understood", "+30d": "not understood",
		"1.5d": "not understood", "30D": "not understood", "30 d": "not understood", "٣d": "not understood", "1h\x1b[2J": "not understood", "9999999999999999999h": "not understood",
	} {
		t.Run("I73 "+text, func(t *testing.T) {
			got, err := ParseTTL(text)
			oneLine(t, err)
			if !strings.Contains(err.Error(), why) || !strings.Contains(err.Error(), "8760h") || got != 0 {
				t.Errorf("got %s, %q, want that it is %s, and what is allowed", got, err, why)
			}
		})
	}
}

// Whatever is taken is in the bounds; what Go has for it is read back the same.
func FuzzParseTTL(f *testing.F) {
	for _, text := range []string{"30d", "1y", "1d12h", "8761h", "9e99h", "18446744073709551615y1d1ns", "1y1d-1ns"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ttl, err := ParseTTL(text)
		if err != nil {
			oneLine(t, err)
			return
		}
		if again, err := ParseTTL(ttl.String()); ttl < MinTTL || ttl > MaxTTL || err != nil || again != ttl {
			t.Errorf("%q: got %s, and %s, %v for that, want the same, in bounds", text, ttl, again, err)
		}
	})
}

func TestParseExpiration(t *testing.T) {
	now := time.Date(2026, 1, 31, 23, 30, 0, 0, time.FixedZone("", -3600)) // the 1st of February, 00:30 UTC
	for text, want := range map[string]string{
		"": "2026-03-03T00:30:00Z", "2026-02-02": "2026-02-02T00:00:00Z", "2026-03-03": "2026-03-03T00:00:00Z",
	} {
		if got, err := ParseExpiration(text, now); err != nil || got.Format(time.RFC3339) != want {
			t.Errorf("%q: got %s, %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"2026-02-01", "2020-01-01", "2026-03-04", "9999-12-31", "2026-02-30", "30d", "2026-02-02T00:00:00Z", "2026-02-02\n", "02/02/2026"} {
		_, err := ParseExpiration(text, now)
		oneLine(t, err)
		if !strings.Contains(err.Error(), "from 2026-02-02 to 2026-03-03") {
			t.Errorf("%q: got %q, want the days that could be", text, err)
		}
	}
}

func TestParseRepositories(t *testing.T) {
	for text, want := range map[string][]Repository{
		"oci": {OCI}, "oci,apk": {OCI, APK}, " java , python": {Java, Python}, "apk,apk,oci": {APK, OCI},
		"all": {OCI, APK}, "javascript,all,oci": {JavaScript, OCI, APK},
	} {
		if got, err := ParseRepositories(text); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: got %q, %v, want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"", ",", "oci,", "OCI", "oci apk", "cobol", "oci,\x1b[2J", "libraries.java.pull"} {
		got, err := ParseRepositories(text)
		oneLine(t, err)
		if got != nil || !strings.Contains(err.Error(), "oci, apk, java, python or javascript") {
			t.Errorf("%q: got %q, %q, want nothing, and what there is", text, got, err)
		}
	}
	var roles []string
	for _, r := range Repositories() {
		roles = append(roles, r.Role())
	}
	if want := []string{"registry.pull", "apk.pull", "libraries.java.pull", "libraries.python.pull", "libraries.javascript.pull"}; !slices.Equal(roles, want) {
		t.Errorf("got the roles %q, want %q", roles, want)
	}
}
