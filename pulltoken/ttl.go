package pulltoken

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// The limits of how long a pull token is valid. An organization's plan may allow less
// than MaxTTL; then the platform says so.
const (
	MinTTL = time.Minute
	MaxTTL = 8760 * time.Hour
)

var (
	errTooShort   = errors.New("is too short")
	errTooLong    = errors.New("is too long")
	errNoDuration = errors.New("is not a duration")
)

// ParseTTL parses a duration from MinTTL to MaxTTL: a value for time.ParseDuration, with
// years (365 days) and days in front, such as "720h", "30d", "1d12h" and "1y".
func ParseTTL(text string) (time.Duration, error) {
	ttl, err := parseDuration(text)
	if err == nil {
		err = checkTTL(ttl)
	}
	if err != nil {
		return 0, fmt.Errorf("%s %w: give a duration from 1m to 8760h, such as 720h, 30d or 1y", quote(text), err)
	}
	return ttl, nil
}

func checkTTL(ttl time.Duration) error {
	switch {
	case ttl < MinTTL:
		return errTooShort
	case ttl > MaxTTL:
		return errTooLong
	}
	return nil
}

// parseDuration returns at most three times MaxTTL, so that nothing overflows.
func parseDuration(text string) (sum time.Duration, err error) {
	parts := regexp.MustCompile(`^(?:(\d+)y)?(?:(\d+)d)?(.*)$`).FindStringSubmatch(text)
	if text == "" || parts == nil {
		return 0, errNoDuration
	}
	for i, unit := range []time.Duration{MaxTTL, 24 * time.Hour} {
		if parts[i+1] == "" {
			continue
		}
		n, err := strconv.Atoi(parts[i+1])
		if err != nil || n > int(MaxTTL/unit) {
			return 0, errTooLong
		}
		sum += time.Duration(n) * unit
	}
	rest := parts[3]
	if rest == "" {
		return sum, nil
	}
	d, err := time.ParseDuration(rest)
	switch {
	case err != nil, d < 0 && rest != text:
		return 0, errNoDuration
	case d > MaxTTL:
		return 0, errTooLong
	}
	return sum + d, nil
}
