package console

import (
	"sync"
	"time"
)

// idle tells when nothing has been done for a while.
type idle struct {
	limit time.Duration

	mu     sync.Mutex
	active int // what is being done
	timer  *time.Timer
}

func newIdle(limit time.Duration) *idle {
	return &idle{limit: limit, timer: time.NewTimer(limit)}
}

// over is ready once nothing has been done for the limit.
func (i *idle) over() <-chan time.Time { return i.timer.C }

// begin says that something is being done, until done is called.
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
