package console

import (
	"sync"
	"time"
)

// idle measures how long nothing has been done.
type idle struct {
	limit time.Duration

	mu     sync.Mutex
	active int // requests
	timer  *time.Timer
}

func newIdle(limit time.Duration) *idle {
	return &idle{limit: limit, timer: time.NewTimer(limit)}
}

// over receives when nothing has been done for the limit.
func (i *idle) over() <-chan time.Time { return i.timer.C }

// begin records that something is being done until done is called.
func (i *idle) begin() (done func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.active++
	i.timer.Stop()
	return func() {
		i.mu.Lock()
		defer i.mu.Unlock()
		if i.active--; i.active == 0 {
			i.timer.Reset(i.limit)
		}
	}
}
