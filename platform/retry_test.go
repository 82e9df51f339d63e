package platform

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// How often a request is sent that gets no response.
func TestRetryUnreachable(t *testing.T) {
	for unreachable, want := range map[int]int{0: 3, 1: 1, 6: 6} {
		synctest.Test(t, func(t *testing.T) {
			sent, down := 0, &UnreachableError{"down", errors.New("refused")}
			retry := Retry{Endpoint: KubernetesEndpoint, Pause: time.Second, Timeout: time.Hour, Unreachable: unreachable}
			err := retry.Do(t.Context(), func() error { sent++; return down })
			if !errors.Is(err, down) || sent != want {
				t.Errorf("%d: got %d requests and %v, want %d", unreachable, sent, err, want)
			}
		})
	}
}
