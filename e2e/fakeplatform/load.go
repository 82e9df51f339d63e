package fakeplatform

import (
	"context"
	"maps"
	"sync"
)

// load knows which requests are under way at once, by their names. Its zero value is one where nothing is.
type load struct {
	mu   sync.Mutex
	now  map[string]int
	peak map[string]int
}

// Peak says how many requests of a name (see Count) were under way at the same time, at most, since ResetCounts. A
// request is under way from when its header was read until its answer was written.
func (p *Platform) Peak(what string) int {
	p.load.mu.Lock()
	defer p.load.mu.Unlock()
	return p.load.peak[what]
}

func (c *load) underWay(name string) int {
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

// enter notes a request of these names, until leave.
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

// gather holds a request of these names, which has entered, as Behavior.Gather says. It reports whether the other
// side is still there.
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

// gate gives what is closed when a request of a name may go on; nil where it may at once.
func (p *Platform) gate(name string) <-chan struct{} {
	p.behaviorMu.Lock()
	defer p.behaviorMu.Unlock()
	want := p.behavior.Gather[name]
	if want == 0 {
		return nil
	}
	gate, waiting := p.gates[name]
	if p.load.underWay(name) < want {
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
	p.behavior.Gather = maps.Clone(p.behavior.Gather) // snapshots are read without a lock
	delete(p.behavior.Gather, name)
	return nil
}
