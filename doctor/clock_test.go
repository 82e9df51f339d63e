package doctor

import (
	"testing"
	"time"
)

func TestClock(t *testing.T) {
	for _, test := range []struct {
		name         string
		ahead        time.Duration
		status       Status
		message, fix string
	}{
		{"right", 0, OK, "agrees with the issuer's", ""},
		{"a network that takes its time", -29 * time.Second, OK, "agrees with the issuer's", ""},
		{"F21 behind", 31 * time.Second, Warning, "this machine's clock is 31s behind the issuer's", "set the clock"},
		{"F21 ahead", -5 * time.Minute, Warning, "is 5m0s ahead of the issuer's", "set the clock"},
		{"F21 far ahead", -301 * time.Second, Failure, "is 5m1s ahead of the issuer's", "set the clock"},
		{"F21 a day behind", 24 * time.Hour, Failure, "is 24h0m0s behind the issuer's", "set the clock"},
	} {
		t.Run(test.name, func(t *testing.T) {
			want(t, new(Checker).checkClock(networkState{ahead: test.ahead, knowsTime: true}), test.status, test.message, test.fix)
		})
	}
	want(t, new(Checker).checkClock(networkState{}), Skipped, "issuer's time is not known", "")
}

// The issuer's Date is read, and compared with this machine's time.
func TestClockOfIssuer(t *testing.T) {
	p := newChecker(t)
	p.Now = func() time.Time { return now.Add(time.Hour) }
	found := p.checkNetwork(t.Context())
	if want := -time.Hour + time.Second/2; !found.knowsTime || found.ahead != want {
		t.Errorf("got %s (%v), want %s", found.ahead, found.knowsTime, want)
	}
}
