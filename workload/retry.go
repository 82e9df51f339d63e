package workload

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"docker-credential-cgr/platform"
)

const (
	// tries is how often a request is sent to a service that fails temporarily. GitHub's
	// own client sends it ten times.
	tries = 3
	// pause is the time between two tries.
	pause = 200 * time.Millisecond
	// timeout is how long all tries may take.
	timeout = 10 * time.Second
)

// retry calls send until it succeeds, fails for good, or has failed too often, and until
// the context or this package's timeout ends.
func retry(ctx context.Context, name, host string, send func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errors.New("it timed out"))
	defer cancel()
	for try := 1; ; try++ {
		err := send(ctx)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("no ID token from %s at %s: %w", name, host, context.Cause(ctx))
		case try == tries || !isTemporary(err):
			return fmt.Errorf("no ID token from %s: %w", name, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("no ID token from %s at %s: %w", name, host, context.Cause(ctx))
		case <-time.After(pause):
		}
	}
}

// isTemporary reports whether the same request may succeed in a moment.
func isTemporary(err error) bool {
	var answer *platform.ResponseError
	if errors.As(err, &answer) {
		return answer.Status >= 500 || answer.Status == http.StatusTooManyRequests
	}
	var unreachable *unreachableError
	return platform.IsUnreachable(err) || errors.As(err, &unreachable)
}
