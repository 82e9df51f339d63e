package registry

import (
	"context"
	"sync"
)

// cache fetches each value once, also if several goroutines need it at the same time.
type cache[K comparable, V any] struct {
	mu      sync.Mutex
	entries map[K]*entry[V]
}

type entry[V any] struct {
	done     chan struct{} // closed when the other fields are set
	value    V
	err      error
	canceled bool // err is that the context of the goroutine that fetched it ended
}

// get returns the entry for key. If there is none, or only stale, it calls fetch for all
// goroutines that wait for the entry. An error stays in the cache if isFinal returns true.
// isCached reports whether this call did not fetch the entry.
func (c *cache[K, V]) get(ctx context.Context, key K, stale *entry[V], fetch func() (V, error), isFinal func(error) bool) (e *entry[V], isCached bool, err error) {
	for {
		c.mu.Lock()
		e := c.entries[key]
		isNew := e == nil || e == stale
		if isNew {
			e = &entry[V]{done: make(chan struct{})}
			if c.entries == nil {
				c.entries = map[K]*entry[V]{}
			}
			c.entries[key] = e
		}
		c.mu.Unlock()
		if isNew {
			e.value, e.err = fetch()
			e.canceled = e.err != nil && ctx.Err() != nil
			if e.err != nil && (e.canceled || !isFinal(e.err)) {
				c.mu.Lock()
				delete(c.entries, key)
				c.mu.Unlock()
			}
			close(e.done)
			return e, false, e.err
		}
		select {
		case <-e.done:
		case <-ctx.Done():
			return nil, false, context.Cause(ctx)
		}
		if !e.canceled {
			return e, true, e.err
		}
	}
}
