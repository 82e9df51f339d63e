package doctor

import (
	"fmt"
	"runtime"
	"time"

	"docker-credential-cgr/platform"
)

// How far the clocks may be apart.
const (
	clockNoted = 30 * time.Second
	// clockRefused is where token lifetimes and certificates begin to fail.
	clockRefused = platform.ClockSlack
)

// clock compares this machine's clock with the issuer's.
func (p *Patient) clock(net reached) Result {
	const check = "clock"
	if !net.told {
		return skipped(check, "the issuer did not say what time it is")
	}
	off, direction := net.ahead.Round(time.Second), "behind"
	if off < 0 {
		off, direction = -off, "ahead of"
	}
	switch says := fmt.Sprintf("this machine's clock is %s %s the issuer's", off, direction); {
	case off > clockRefused:
		return failure(check, setClock(), "%s", says)
	case off > clockNoted:
		return warning(check, setClock(), "%s", says)
	}
	return ok(check, "this machine's clock goes with the issuer's")
}

// setClock says how this machine's clock is set.
func setClock() string {
	switch runtime.GOOS {
	case "darwin":
		return "set the clock: sudo sntp -sS time.apple.com"
	case "windows":
		return "set the clock, as administrator: w32tm /resync"
	}
	return "set the clock: sudo timedatectl set-ntp true (in a virtual machine that slept: sudo hwclock --hctosys)"
}
