package registry

import (
	"context"
	"time"

	"docker-credential-cgr/platform"
)

// retry makes a request, and repeats it after temporary errors, as long as r.Timeout and
// the registry's Retry-After allow.
func (r *Reader) retry(ctx context.Context, request func() error) error {
	retry := platform.Retry{Endpoint: platform.RegistryEndpoint, Pause: time.Second, Timeout: r.Timeout}
	return retry.Do(ctx, request)
}

// retryAfter returns how long a busy registry asks clients to wait, or 0.
func retryAfter(response platform.Response) time.Duration {
	if !platform.RegistryEndpoint.IsTemporaryStatus(response.Status) {
		return 0
	}
	return response.RetryAfter()
}
