package workload

import (
	"context"
	"errors"
	"fmt"
	"time"

	"docker-credential-cgr/platform"
)

const (
	// tries is how often a request is sent to a service that fails temporarily. GitHub's
	// own client sends it ten times.
	tries = 3
	// timeout is how long all tries may take.
	timeout = 10 * time.Second
)

// retry calls send until it succeeds, fails for good, or has failed too often, and until
// the context or this package's timeout ends.
func retry(ctx context.Context, name, host string, send func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errors.New("it timed out"))
	defer cancel()
	again := platform.Retry{Endpoint: platform.PollEndpoint, Tries: tries, Pause: 200 * time.Millisecond}
	err := again.Do(ctx, func() error { return send(ctx) })
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("no ID token from %s at %s: %w", name, host, context.Cause(ctx))
	}
	return fmt.Errorf("no ID token from %s: %w", name, err)
}
