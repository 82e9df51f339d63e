package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"docker-credential-cgr/platform"
)

// firstPause is how long a registry is left alone that does not say how long; each time
// after that it is twice as long.
const firstPause = time.Second

// patiently makes a request, and makes it again where the registry is busy, as long as
// the waits add up to no more than Patience. A request that could not be made is made
// again once; one that got no answer in time has taken long enough.
func (r *Reader) patiently(ctx context.Context, request func() error) error {
	unanswered := 0
	var waited time.Duration
	for pause := firstPause; ; pause *= 2 {
		err := request()
		wait := pause
		var refused *Error
		switch {
		case err == nil || ctx.Err() != nil:
			return err
		case errors.Is(err, context.DeadlineExceeded):
			return err
		case platform.IsUnreachable(err):
			unanswered++
		case errors.As(err, &refused) && busy(refused.Status):
			if refused.RetryAfter > 0 {
				wait = refused.RetryAfter
			}
		default:
			return err
		}
		if unanswered > 1 || wait > r.Patience-waited {
			return err
		}
		waited += wait
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w, while waiting to ask again after: %v", context.Cause(ctx), err)
		case <-time.After(wait):
		}
	}
}

// busy says whether a status is one that passes.
func busy(status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// retryAfter reads how long a busy server wants to be left alone: seconds, or a time by
// its own clock (RFC 9110, section 10.2.3). Zero where it does not say, or says what is
// over.
func retryAfter(answer platform.Response) time.Duration {
	text := answer.Header.Get("Retry-After")
	if text == "" || !busy(answer.Status) {
		return 0
	}
	seconds, err := strconv.ParseUint(text, 10, 32)
	if err == nil || errors.Is(err, strconv.ErrRange) { // then it is the greatest
		return time.Duration(seconds) * time.Second
	}
	until, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	now := answer.Date
	if now.IsZero() {
		now = time.Now()
	}
	return max(0, until.Sub(now))
}
