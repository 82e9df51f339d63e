package kubernetes

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// watchFor watches for a while and returns when each round ended, and what it did.
func watchFor(t *testing.T, r *Refresher, d time.Duration) (times []time.Duration, outcomes []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	started := time.Now()
	r.Watch(ctx, func(results []Result, err error) {
		times = append(times, time.Since(started))
		switch {
		case err != nil:
			outcomes = append(outcomes, "error")
		case len(results) == 0:
			outcomes = append(outcomes, "nothing")
		default:
			outcomes = append(outcomes, string(results[0].Action))
		}
	})
	if took := time.Since(started); took != d {
		t.Errorf("it ended after %s, want %s", took, d)
	}
	return times, outcomes
}

// The secret is fresh through three lifetimes of a token.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		r, source := newRefresher(c, "web")
		times, outcomes := watchFor(t, r, 3*time.Hour)
		for i, at := range times {
			if i > 0 && (at-times[i-1] < 27*time.Minute-time.Second || at-times[i-1] > 30*time.Minute+time.Second) {
				t.Errorf("got rounds at %s, want one when half of the token's life is over, or up to a tenth sooner", times)
			}
		}
		if n := len(outcomes); n < 6 || n > 7 || outcomes[0] != "created" || slices.Contains(outcomes[1:], "unchanged") || source.exchanges != n {
			t.Errorf("got %q with %d exchanges, want 6 or 7 rounds that update", outcomes, source.exchanges)
		}
	})
}

func TestWatchGoesOn(t *testing.T) {
	pause := func(t *testing.T, times []time.Duration) {
		t.Helper()
		for i, at := range times {
			if i > 0 && (at-times[i-1] < time.Minute || at-times[i-1] > time.Minute+time.Second) {
				t.Errorf("got rounds at %s, want one a minute", times)
			}
		}
	}
	t.Run("no right", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t)
			c.before = func(w http.ResponseWriter, method, _ string, n int) bool {
				if method != http.MethodGet || n > 3 {
					return false
				}
				forbid(w, "get", "secrets", "web")
				return true
			}
			r, source := newRefresher(c, "web")
			times, outcomes := watchFor(t, r, 10*time.Minute)
			if want := []string{"failed", "failed", "failed", "created"}; !slices.Equal(outcomes, want) || source.exchanges != 1 {
				t.Errorf("got %q with %d exchanges, want %q with one", outcomes, source.exchanges, want)
			}
			pause(t, times)
		})
	})
	t.Run("no exchange", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t)
			r, source := newRefresher(c, "web")
			started := time.Now()
			source.down = func() bool { return time.Since(started) < 150*time.Second }
			times, outcomes := watchFor(t, r, 10*time.Minute)
			if want := []string{"error", "error", "error", "created"}; !slices.Equal(outcomes, want) {
				t.Errorf("got %q, want %q", outcomes, want)
			}
			pause(t, times)
		})
	})
	t.Run("no namespace yet", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t)
			r, _ := newRefresher(c)
			r.Selector = "pull=cgr"
			time.AfterFunc(90*time.Second, func() { c.mu.Lock(); c.namespaces = []string{"web"}; c.mu.Unlock() })
			times, outcomes := watchFor(t, r, 10*time.Minute)
			if want := []string{"nothing", "nothing", "created"}; !slices.Equal(outcomes, want) {
				t.Errorf("got %q, want %q", outcomes, want)
			}
			pause(t, times)
		})
	})
	t.Run("the old token is kept until it is half over", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t)
			r, source := newRefresher(c, "web")
			started := time.Now()
			source.down = func() bool { d := time.Since(started); return d > time.Minute && d < 31*time.Minute }
			_, outcomes := watchFor(t, r, 40*time.Minute)
			if outcomes[0] != "created" || outcomes[len(outcomes)-1] != "updated" {
				t.Errorf("got %q, want it created, and updated when the issuer is back", outcomes)
			}
		})
	})
}
