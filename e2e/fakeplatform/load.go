package fakeplatform

import (
	"context"
	"maps"
	"sync"
)

// load counts open requests by name. The zero value is ready to use.
type load struct {
	mu   sync.Mutex
	now  map[string]int
	peak map[string]int
}

// Peak returns the maximum number of concurrent requests with a name (see Count) since ResetCounts. A request is open
// from when its header was read until its response was written.
func (p *Platform) Peak(what string) int {
	p.load.mu.Lock()
	defer p.load.mu.Unlock()
	return p.load.peak[what]
}

func (c *load) open(name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now[name]
}

func (c *load) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.peak)
	for name, n := range c.now {
		c.peak[name] = n
	}
}

// enter counts a request with these names as open until leave is called.
func (c *load) enter(names []string) (leave func()) {
	c.add(names, 1)
	return func() { c.add(names, -1) }
}

func (c *load) add(names []string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now == nil {
		c.now, c.peak = make(map[string]int), make(map[string]int)
	}
	for _, name := range names {
		c.now[name] += n
		c.peak[name] = max(c.peak[name], c.now[name])
	}
}

// gather holds an open request with these names until Behavior.Gather lets it continue. It reports false if the client
// disconnects.
func (p *Platform) gather(ctx context.Context, names []string) bool {
	for _, name := range names {
		gate := p.gate(name)
		if gate == nil {
			continue
		}
		select {
		case <-gate:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// gate returns a channel that is closed when a request with this name may continue, or nil if it may at once.
func (p *Platform) gate(name string) <-chan struct{} {
	p.behaviorMu.Lock()
	defer p.behaviorMu.Unlock()
	want := p.behavior.Gather[name]
	if want == 0 {
		return nil
	}
	gate, waiting := p.gates[name]
	if p.load.open(name) < want {
		if !waiting {
			gate = make(chan struct{})
			p.gates[name] = gate
		}
		return gate
	}
	if waiting {
		close(gate)
		delete(p.gates, name)
	}
	p.behavior.Gather = maps.Clone(p.behavior.Gather) // snapshots share the map
	delete(p.behavior.Gather, name)
	return nil
}
