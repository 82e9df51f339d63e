package platform

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// Endpoint lists the error responses of a service that are temporary: the same request
// may succeed in a moment.
type Endpoint struct {
	statuses     []int // HTTP
	serverErrors bool  // all HTTP statuses from 500 on
	codes        []int // gRPC
}

// The endpoints differ in what a second request can do.
var (
	// ExchangeEndpoint redeems an ID token. The codes, here and for a refresh, are those
	// after which the vendor's client tries again.
	ExchangeEndpoint = Endpoint{
		statuses: []int{http.StatusBadGateway, http.StatusServiceUnavailable},
		codes:    []int{CodeUnavailable},
	}
	// RefreshEndpoint redeems a refresh token.
	RefreshEndpoint = Endpoint{
		statuses: []int{http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout},
		codes:    []int{CodeUnavailable, CodeInternal, CodeDeadlineExceeded},
	}
	// RegistryEndpoint is the registry, which limits the rate of requests. It answers 500
	// to a request that it cannot serve.
	RegistryEndpoint = Endpoint{statuses: []int{
		http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
	}}
	// KubernetesEndpoint is the API server of a cluster, which limits the rate of requests,
	// and fails for a moment when it or its storage restarts.
	KubernetesEndpoint = Endpoint{statuses: []int{http.StatusTooManyRequests}, serverErrors: true}
	// PollEndpoint only reads: a CI system's ID token, or the state of a sign-in. So every
	// error of the server is worth another request.
	PollEndpoint = Endpoint{statuses: []int{http.StatusTooManyRequests}, serverErrors: true}
)

// IsTemporary reports whether err is temporary: there was no complete response, or one
// that e lists.
func (e Endpoint) IsTemporary(err error) bool {
	var response interface{ HTTPStatus() int }
	return IsUnreachable(err) || HasCode(err, e.codes...) || errors.As(err, &response) && e.IsTemporaryStatus(response.HTTPStatus())
}

// IsTemporaryStatus reports whether a response with an HTTP status is temporary.
func (e Endpoint) IsTemporaryStatus(status int) bool {
	return slices.Contains(e.statuses, status) || e.serverErrors && status >= 500
}

// maxUnreachable is how often a request is sent that gets no response, unless Retry says
// otherwise.
const maxUnreachable = 3

// Retry sends a request again after temporary errors.
type Retry struct {
	Endpoint Endpoint
	Tries    int           // at most; 0 for as many as Timeout allows
	Pause    time.Duration // before the second try; it doubles before each later one
	// Timeout is, if Tries is 0, the time after which no further try starts. A server can
	// ask for a longer pause: an error with a method RetryDelay.
	Timeout time.Duration
	// Unreachable is how often a request is sent that gets no response; 0 for three times.
	Unreachable int
	Debug       func(format string, args ...any) // may be nil
}

// Do calls send until it succeeds, fails for good, or has failed too often. It returns
// the last error of send.
func (r Retry) Do(ctx context.Context, send func() error) error {
	start, unreachable := time.Now(), 0
	for try, pause := 1, r.Pause; ; try, pause = try+1, 2*pause {
		err := send()
		if err == nil {
			return nil
		}
		if r.Debug != nil {
			r.Debug("try %d failed: %v", try, err)
		}
		if IsUnreachable(err) {
			unreachable++
		}
		wait := pause
		var delayed interface{ RetryDelay() time.Duration }
		if errors.As(err, &delayed) && delayed.RetryDelay() > 0 {
			wait = delayed.RetryDelay()
		}
		switch {
		case ctx.Err() != nil, !r.Endpoint.IsTemporary(err), unreachable == cmp.Or(r.Unreachable, maxUnreachable):
			return err
		case r.Tries > 0 && try == r.Tries:
			return err
		case r.Tries == 0 && (time.Since(start)+wait > r.Timeout || errors.Is(err, context.DeadlineExceeded)):
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w, while waiting to try again after: %w", context.Cause(ctx), err)
		case <-time.After(wait):
		}
	}
}
