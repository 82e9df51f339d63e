package fakeplatform_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"docker-credential-cgr/e2e/fakeplatform"
)

// TestGather asks for more than is let through one by one: what is held shows, and goes on when enough are there.
func TestGather(t *testing.T) {
	p := start(t)
	const load = 5
	p.Change(func(b *fakeplatform.Behavior) { b.Gather["orgcheck"] = load })
	if a := do(t, http.MethodGet, p.Issuer+"/jwks", "", nil); a.status != 200 {
		t.Errorf("a request of another name: %v", a)
	}
	p.ResetCounts()
	var all sync.WaitGroup
	for range load {
		all.Go(func() {
			resp, err := http.Get(p.Issuer + "/orgcheck?name=x")
			if err != nil {
				t.Error(err)
				return
			}
			_ = resp.Body.Close()
		})
	}
	all.Wait()
	for _, name := range []string{"orgcheck", "issuer", ""} {
		if got := p.Peak(name); got != load {
			t.Errorf("%d at once named %q, want %d", got, name, load)
		}
	}
	if got := p.Peak("registry"); got != 0 {
		t.Errorf("%d at once at the registry, want 0", got)
	}

	p.ResetCounts()
	for range 2 {
		if a := do(t, http.MethodGet, p.Issuer+"/orgcheck", "", nil); a.status != 200 {
			t.Errorf("once they were there: %v", a)
		}
	}
	if got := p.Peak("orgcheck"); got != 1 {
		t.Errorf("one after the other are %d at once, want 1", got)
	}
}

func TestGatherEndsWithTheClient(t *testing.T) {
	p := start(t)
	p.Change(func(b *fakeplatform.Behavior) { b.Gather[""] = 2 })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.Issuer+"/orgcheck", nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := http.DefaultClient.Do(r); !errors.Is(err, context.DeadlineExceeded) {
		if err == nil {
			_ = resp.Body.Close()
		}
		t.Errorf("ended with %v", err)
	}
}
