package signin

import (
	"context"
	"errors"
	"time"

	"docker-credential-cgr/signin/prompt"
)

// waiter waits for a person who signs in.
type waiter struct {
	prompt *prompt.Prompt
	wait   time.Duration // as shown to the person
	end    time.Time
	now    func() time.Time
}

// await waits until done is closed, and shows the time that is left. It returns an error if
// that is over first, or ctx has ended.
func (w waiter) await(ctx context.Context, done <-chan struct{}) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return nil
		case <-tick.C:
			w.prompt.Tick()
			// Compares wall-clock times, since a laptop may sleep.
			if !w.now().Before(w.end) {
				return timedOut(w.wait)
			}
		case <-ctx.Done():
			return stopped(ctx)
		}
	}
}

// errPending means that the person has not signed in yet.
var errPending = errors.New("the person has not signed in yet")

// temporaryError is an error after which polling continues.
type temporaryError struct{ error }

// poll calls ask, which pauses before each request, until it succeeds or the time is up.
// Other errors of ask than errPending and *temporaryError end it. Its goroutine may outlast
// poll by one call of ask.
func (w waiter) poll(ctx context.Context, ask func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var result error
	done := make(chan struct{})
	go func() {
		defer close(done)
		var temporary *temporaryError
		for w.now().Before(w.end) {
			result = ask(ctx)
			switch {
			case ctx.Err() != nil:
				return
			case errors.As(result, &temporary):
				w.prompt.SayOnce("%v; still waiting", result)
			case !errors.Is(result, errPending):
				return
			}
		}
		result = timedOut(w.wait)
	}()
	if err := w.await(ctx, done); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return stopped(ctx)
	}
	return result
}
