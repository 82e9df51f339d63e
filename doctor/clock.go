package doctor

import (
	"fmt"
	"time"

	"docker-credential-cgr/platform"
)

// The differences between this machine's clock and the issuer's that matter. From
// platform.ClockSlack on, token lifetimes and certificates begin to fail.
const (
	clockWarning = 30 * time.Second
	clockFailure = platform.ClockSlack
)

// checkClock compares this machine's clock with the issuer's.
func (c *Checker) checkClock(net networkState) Result {
	const check = "clock"
	if !net.knowsTime {
		return skipped(check, "the issuer's time is not known")
	}
	difference, direction := net.ahead.Round(time.Second), "behind"
	if difference < 0 {
		difference, direction = -difference, "ahead of"
	}
	switch message := fmt.Sprintf("this machine's clock is %s %s the issuer's", difference, direction); {
	case difference > clockFailure:
		return failure(check, message, platform.SetClock())
	case difference > clockWarning:
		return warning(check, message, platform.SetClock())
	}
	return ok(check, "this machine's clock agrees with the issuer's")
}
