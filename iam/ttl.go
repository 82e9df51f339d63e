package iam

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// How long a pull token lives. An organization's plan may allow less than MaxTTL,
// which the service says when it is asked for more.
const (
	MinTTL     = time.Minute
	DefaultTTL = 720 * time.Hour
	MaxTTL     = 8760 * time.Hour
)

// ParseTTL reads a time from MinTTL to MaxTTL: what time.ParseDuration takes, with
// years (365 days) and days before it, as in "720h", "30d", "1d12h" and "1y".
func ParseTTL(text string) (time.Duration, error) {
	ttl, err := parseDuration(text)
	if err == nil {
		err = checkTTL(ttl)
	}
	if err != nil {
		return 0, fmt.Errorf("the time %s %w: give one from 1m to 8760h, such as 720h, 30d or 1y", quote(text), err)
	}
	return ttl, nil
}

func checkTTL(ttl time.Duration) error {
	switch {
	case ttl < MinTTL:
		return errors.New("is too short")
	case ttl > MaxTTL:
		return errTooLong
	}
	return nil
}

var (
	errTooLong    = errors.New("is too long")
	errNoDuration = errors.New("is not understood")
)

// parseDuration never gives more than three times MaxTTL, so nothing overflows.
func parseDuration(text string) (time.Duration, error) {
	var sum time.Duration
	rest := text
	for _, unit := range []struct {
		name string
		time.Duration
	}{{"y", MaxTTL}, {"d", 24 * time.Hour}} {
		digits, after, found := strings.Cut(rest, unit.name)
		if !found {
			continue
		}
		n, err := strconv.ParseUint(digits, 10, 63)
		switch {
		case errors.Is(err, strconv.ErrRange), err == nil && n > uint64(MaxTTL/unit.Duration):
			return 0, errTooLong
		case err != nil:
			return 0, errNoDuration
		}
		sum += time.Duration(n) * unit.Duration
		rest = after
	}
	if rest == "" && text != "" {
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

// maxStaticLife is how long the keys of a static identity are good at most.
const maxStaticLife = 30 * 24 * time.Hour

// ParseExpiration reads when the keys of a static identity end: a day as yyyy-mm-dd,
// at whose beginning (UTC) they end, at most 30 days on; 30 days on where text is
// empty.
func ParseExpiration(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return now.Add(maxStaticLife).UTC().Truncate(time.Second), nil
	}
	end, err := time.Parse(time.DateOnly, text)
	first, last := now.UTC().AddDate(0, 0, 1).Format(time.DateOnly), now.Add(maxStaticLife).UTC().Format(time.DateOnly)
	switch {
	case err != nil:
		return time.Time{}, fmt.Errorf("the expiration %s is no day as yyyy-mm-dd: give one from %s to %s", quote(text), first, last)
	case !end.After(now):
		return time.Time{}, fmt.Errorf("the expiration %s is over: give a day from %s to %s", text, first, last)
	case end.Sub(now) > maxStaticLife:
		return time.Time{}, fmt.Errorf("the expiration %s is more than 30 days on: give a day from %s to %s", text, first, last)
	}
	return end, nil
}
