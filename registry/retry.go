package registry

import (
	"context"
	"errors"
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

// retryAfter returns how long the registry asks clients to wait (RFC 9110, section 10.2.3).
// It returns 0 if the response does not say, or not in seconds.
func retryAfter(response platform.Response) time.Duration {
	text := response.Header.Get("Retry-After")
	if !platform.RegistryEndpoint.IsTemporaryStatus(response.Status) {
		return 0
	}
	seconds, err := strconv.ParseUint(text, 10, 32)
	if err != nil && !errors.Is(err, strconv.ErrRange) { // then seconds is the maximum
		return 0
	}
	return time.Duration(seconds) * time.Second
}
