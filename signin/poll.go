package signin

import (
	"context"
	"errors"
	"time"

	"docker-credential-cgr/signin/prompt"
)

// poller polls a server while a person signs in on another device.
type poller struct {
	prompt *prompt.Prompt
	wait   time.Duration // as shown to the person
	end    time.Time
	now    func() time.Time
	debug  func(format string, args ...any)
}

// errPending means that the person has not signed in yet.
var errPending = errors.New("the person has not signed in yet")

// temporaryError is an error after which polling continues.
type temporaryError struct{ error }

// poll calls ask, which pauses before each request, until it succeeds or the time is up.
// Other errors of ask than errPending and *temporaryError end it. One goroutine calls ask; it
// may outlast poll by one call.
func (w poller) poll(ctx context.Context, ask func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	asked := make(chan error)
	go func() {
		for ctx.Err() == nil {
			err := ask(ctx)
			select {
			case asked <- err:
			case <-ctx.Done():
			}
		}
	}()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case err := <-asked:
			var temporary *temporaryError
			switch {
			case err == nil:
				return nil
			case ctx.Err() != nil:
				return stopped(ctx)
			case errors.Is(err, errPending):
			case !errors.As(err, &temporary):
				return err
			default:
				w.prompt.SayOnce("%v; still waiting", err)
				w.debug("a poll failed: %v", err)
			}
		case <-tick.C:
			w.prompt.Tick()
		case <-ctx.Done():
			return stopped(ctx)
		}
		// Compares wall-clock times, since a laptop may sleep.
		if !w.now().Before(w.end) {
			return timedOut(w.wait)
		}
	}
}
