package pulltoken

import (
	"cmp"
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
		return errors.New("is too short")
	case ttl > MaxTTL:
		return errors.New("is too long")
	}
	return nil
}

// parseDuration accepts so few digits of years and days that their sum does not overflow.
func parseDuration(text string) (time.Duration, error) {
	parts := regexp.MustCompile(`^(?:(\d{1,2})y)?(?:(\d{1,4})d)?(.*)$`).FindStringSubmatch(text)
	if text == "" || parts == nil {
		return 0, errors.New("is not a duration")
	}
	years, _ := strconv.Atoi(parts[1]) // 0 for none
	days, _ := strconv.Atoi(parts[2])
	rest, err := time.ParseDuration(cmp.Or(parts[3], "0s"))
	if err != nil || rest < 0 && parts[3] != text {
		return 0, errors.New("is not a duration")
	}
	return time.Duration(365*years+days)*24*time.Hour + min(rest, MaxTTL+1), nil
}
