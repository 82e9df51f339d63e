package pulltoken

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
		"0": "too short", "-1": "not a duration", "-1h": "too short", "59s": "too short", "1ns": "too short", "0d": "too short",
		"8761h": "too long", "8760h0m1s": "too long", "366d": "too long", "2y": "too long", "1y1h": "too long", "1y365d": "too long", "365d8760h": "too long",
		"99999999999999999999d": "not a duration", "18446744073709551615y": "not a duration", "9999d": "too long", "99y9999d2562047h": "too long", "2562047h": "too long",
		"1 week": "not a duration", "9e99h": "not a duration", "": "not a duration", " ": "not a duration", "720": "not a duration", "d": "not a duration",
		"y": "not a duration", "1d1y": "not a duration", "1y1y": "not a duration", "30d-1h": "not a duration", "-30d": "not a duration", "+30d": "not a duration",
		"1.5d": "not a duration", "30D": "not a duration", "30 d": "not a duration", "٣d": "not a duration", "1h\x1b[2J": "not a duration", "9999999999999999999h": "not a duration",
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

func TestParseRepositories(t *testing.T) {
	for text, want := range map[string][]Repository{
		"oci": {OCI}, "oci,apk": {OCI, APK}, " java , python": {Java, Python}, "apk,apk,oci": {APK, OCI},
		"all": {OCI, APK}, "javascript,all,oci": {JavaScript, OCI, APK},
		"go,java_athena,new-kind2": {"go", "java_athena", "new-kind2"}, // the platform knows them
	} {
		if got, err := ParseRepositories(text); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: got %q, %v, want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"", ",", "oci,", "OCI", "oci apk", "2", "_go", "oci,\x1b[2J", "libraries.java.pull", strings.Repeat("x", 41)} {
		got, err := ParseRepositories(text)
		oneLine(t, err)
		if got != nil || !strings.Contains(err.Error(), "oci, apk, java, python or javascript") {
			t.Errorf("%q: got %q, %q, want nothing, and what there is", text, got, err)
		}
	}
	var roles []string
	all := []Repository{OCI, APK, Java, "go_athena"}
	for _, r := range all {
		roles = append(roles, r.Role())
	}
	if want := []string{"registry.pull", "apk.pull", "libraries.java.pull", "libraries.go_athena.pull"}; !slices.Equal(roles, want) {
		t.Errorf("got the roles %q, want %q", roles, want)
	}
	if got := repositoriesOf(append(roles, "owner", "libraries.java.push", "libraries.pull")); !slices.Equal(got, all) {
		t.Errorf("got the types %q of roles, want %q", got, all)
	}
}

func TestDaysLeft(t *testing.T) {
	now := time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC)
	for left, want := range map[time.Duration]int{
		30*24*time.Hour - time.Minute: 30,
		25 * time.Hour:                1,
		23 * time.Hour:                0,
		time.Minute:                   0,
		-time.Minute:                  -1,
		-25 * time.Hour:               -2,
	} {
		if got := (Info{Expires: now.Add(left)}).DaysLeft(now); got == nil || *got != want {
			t.Errorf("%v: got %v, want %d", left, got, want)
		}
	}
}
