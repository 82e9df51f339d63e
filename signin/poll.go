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

// pollTimeout bounds one poll.
const pollTimeout = 8 * time.Second

// poll calls ask, with a pause before each call, until it succeeds or the time is up. Other
// errors of ask than errPending and *temporaryError end it. One goroutine calls pause and
// ask; it may outlast poll by one call of ask.
func (w poller) poll(ctx context.Context, pause func() time.Duration, ask func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	asked := make(chan error)
	go func() {
		for {
			select {
			case <-time.After(pause()):
			case <-ctx.Done():
				return
			}
			limited, cancel := context.WithTimeout(ctx, pollTimeout)
			err := ask(limited)
			cancel()
			select {
			case asked <- err:
			case <-ctx.Done():
				return
			}
		}
	}()
	return w.follow(ctx, asked)
}

// follow shows the person temporary errors and the time that is left. It returns the final
// result of the polls.
func (w poller) follow(ctx context.Context, asked <-chan error) error {
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
