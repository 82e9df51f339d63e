package standin

import (
	"context"
	"maps"
	"sync"
)

// crowd knows which requests are under way at once, by their names. Its zero value is one where nothing is.
type crowd struct {
	mu   sync.Mutex
	now  map[string]int
	peak map[string]int
}

// Peak says how many requests of a name (see Count) were under way at the same time, at most, since ResetCounts. A
// request is under way from when its header was read until its answer was written.
func (p *Platform) Peak(what string) int {
	p.crowd.mu.Lock()
	defer p.crowd.mu.Unlock()
	return p.crowd.peak[what]
}

func (c *crowd) underWay(name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now[name]
}

func (c *crowd) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.peak)
	for name, n := range c.now {
		c.peak[name] = n
	}
}

// enter notes a request of these names, until leave.
func (c *crowd) enter(names []string) (leave func()) {
	c.add(names, 1)
	return func() { c.add(names, -1) }
}

func (c *crowd) add(names []string, n int) {
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

// gather holds a request of these names, which has entered, as Behaviour.Gather says. It reports whether the other
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
	p.behaviourMu.Lock()
	defer p.behaviourMu.Unlock()
	want := p.behaviour.Gather[name]
	if want == 0 {
		return nil
	}
	gate, waiting := p.gates[name]
	if p.crowd.underWay(name) < want {
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
	p.behaviour.Gather = maps.Clone(p.behaviour.Gather) // snapshots are read without a lock
	delete(p.behaviour.Gather, name)
	return nil
}
