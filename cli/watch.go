package cli

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"time"

	"docker-credential-cgr/token"
)

// errClientGone says that whoever ran us no longer reads our answer.
var errClientGone = errors.New("the client that asked has ended")

// clientPoll is how often the client is looked at while a person signs in.
const clientPoll = 500 * time.Millisecond

// watch gives a context that ends when a signal tells us to stop. It is called
// before work that takes a while, not at the start of each run: catching signals
// costs a fifth of a warm `get`, which has nothing to clean up.
func (p Program) watch(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, p.Signals...)
	go func() {
		select {
		case s := <-signals:
			if s == os.Interrupt {
				cancel(token.ErrInterrupted)
			} else {
				cancel(errors.New("stopped by a signal: " + s.String()))
			}
		case <-ctx.Done():
		}
		signal.Stop(signals) // a second signal kills
	}()
	return ctx, func() { cancel(nil) }
}

// watchClient is watch for the protocol's verbs: it also ends when the client
// does, which would otherwise leave a window and the lock behind.
func (p Program) watchClient(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := p.watch(ctx)
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		tick := time.NewTicker(clientPoll)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if readerGone(p.Stdout) {
					cancel(errClientGone)
					return
				}
			}
		}
	}()
	return ctx, func() { cancel(nil); stop() }
}
