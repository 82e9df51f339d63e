package registry

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"docker-credential-cgr/platform"
)

// retry makes a request, and repeats it after temporary errors, as long as r.Timeout and
// the registry's Retry-After allow.
func (r *Reader) retry(ctx context.Context, request func() error) error {
	retry := platform.Retry{Endpoint: platform.RegistryEndpoint, Pause: time.Second, Timeout: r.Timeout}
	return retry.Do(ctx, request)
}

// retryAfter returns how long the registry asks clients to wait: seconds, or a time by its
// own clock (RFC 9110, section 10.2.3). It returns 0 if the response does not say, or says
// a time in the past.
func retryAfter(response platform.Response) time.Duration {
	text := response.Header.Get("Retry-After")
	if text == "" || !platform.RegistryEndpoint.IsTemporaryStatus(response.Status) {
		return 0
	}
	seconds, err := strconv.ParseUint(text, 10, 32)
	if err == nil || errors.Is(err, strconv.ErrRange) { // then seconds is the maximum
		return time.Duration(seconds) * time.Second
	}
	until, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	now := response.Date
	if now.IsZero() {
		now = time.Now()
	}
	return max(0, until.Sub(now))
}
