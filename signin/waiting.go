package signin

import (
	"context"
	"errors"
	"net/http"
	"time"

	"docker-credential-cgr/signin/prompt"
)

// waiting is what goes on here while a person signs in on another device: a server
// is polled, and the prompt shows the time that is left.
type waiting struct {
	prompt *prompt.Prompt
	wait   time.Duration // how long it is, as the person was told
	end    time.Time     // when it is over
	now    func() time.Time
	debug  func(format string, args ...any)
}

// errNotYet is a poll's answer that nobody has signed in.
var errNotYet = errors.New("nobody has signed in yet")

// passing is the failure of a poll that may pass by itself.
type passing struct{ error }

// pollLimit bounds one poll.
const pollLimit = 8 * time.Second

// poll calls ask time and again, with a pause before each, until it has an answer
// or the time is up. errNotYet and *passing leave it going on; any other error of
// ask ends it. pause and ask are called by one goroutine, which may outlast poll by
// one ask where that does not heed its context.
func (w waiting) poll(ctx context.Context, pause func() time.Duration, ask func(context.Context) error) error {
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
			limited, cancel := context.WithTimeout(ctx, pollLimit)
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

// follow shows the person how the polls go, and gives their end.
func (w waiting) follow(ctx context.Context, asked <-chan error) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case err := <-asked:
			var trouble *passing
			switch {
			case err == nil:
				return nil
			case ctx.Err() != nil:
				return stopped(ctx)
			case errors.Is(err, errNotYet):
			case !errors.As(err, &trouble):
				return err
			default:
				w.prompt.SayOnce("%v; going on until the time is up", err)
				w.debug("a poll failed: %v", err)
			}
		case <-tick.C:
			w.prompt.Tick()
		case <-ctx.Done():
			return stopped(ctx)
		}
		// The clock on the wall counts, which goes on while a laptop sleeps.
		if !w.now().Before(w.end) {
			return timeUp(w.wait)
		}
	}
}

// statusMayPass says whether a server that answered with an HTTP status could not
// say what was asked, and may be able to later.
func statusMayPass(status int) bool {
	return status == http.StatusTooManyRequests || status >= 500
}
