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
	// tries is how often a service is asked that cannot answer just now. GitHub's
	// own client asks ten times.
	tries = 3
	// pause is how long to wait before the next try.
	pause = 200 * time.Millisecond
)

// retry lets ask ask the service at host, again where that may help, until the
// context or this package's patience ends.
func retry(ctx context.Context, name, host string, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for try := 1; ; try++ {
		err := ask(ctx)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return unfinished(name+" at "+host, ctx.Err())
		case try == tries || !passing(err):
			return fmt.Errorf("no ID token from %s: %w", name, err)
		}
		select {
		case <-ctx.Done():
			return unfinished(name+" at "+host, ctx.Err())
		case <-time.After(pause):
		}
	}
}

// passing says whether err may be gone in a moment.
func passing(err error) bool {
	var refused *platform.AnswerError
	if errors.As(err, &refused) {
		return refused.Status >= 500 || refused.Status == http.StatusTooManyRequests
	}
	var missing *unreachable
	return platform.Unanswered(err) || errors.As(err, &missing)
}
