package kubernetes

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/oauth2"

	"docker-credential-cgr/hint"
	"docker-credential-cgr/platform"
)

// workers is how many namespaces are refreshed at once.
const workers = 8

// Refresher keeps pull secrets fresh: one with the same name in each of several namespaces,
// with an access token for a registry.
type Refresher struct {
	Open     func() (*API, error)                         // called for every round: the authority's file may change
	Exchange func(context.Context) (*oauth2.Token, error) // returns a new access token for Registry, a JWT
	Registry string                                       // host, with its port if it has one
	Username string                                       // of access tokens
	Now      func() time.Time

	Name string // of the secrets
	// Namespaces are where the secrets are. If it is empty, they are where the labels match
	// Selector or, if that is empty too, in the namespace of this pod.
	Namespaces []string
	Selector   string
	// ServiceAccounts are those whose pods pull with the secrets, in each namespace.
	ServiceAccounts []string
	// Force takes over fields that another program manages.
	Force bool

	token *oauth2.Token // of the last exchange
	renew time.Time     // when the next one is due: when half of its life is over, or a little sooner
}

// Action is what happened to a secret.
type Action string

// The actions.
const (
	Created   Action = "created"
	Updated   Action = "updated"
	Unchanged Action = "unchanged" // fresh enough
	Failed    Action = "failed"
)

// Result is what happened in a namespace.
type Result struct {
	Namespace       string
	Action          Action
	Expires         time.Time // when the token in the secret expires; zero if unknown
	ServiceAccounts []string  // those that were changed
	Err             error     // why Action is Failed
}

// Refresh makes the secrets fresh, once. It exchanges an ID token unless the last access
// token has more than half of its life ahead. A namespace that fails does not stop the others;
// if the API server stays unreachable, all that are left fail with that error. The results
// are sorted by namespace. An error means that no secret was touched.
func (r *Refresher) Refresh(ctx context.Context) ([]Result, error) {
	api, err := r.Open()
	if err != nil {
		return nil, err
	}
	defer api.close()
	namespaces := r.Namespaces
	switch {
	case len(namespaces) > 0:
	case r.Selector != "":
		if namespaces, err = api.namespaces(ctx, r.Selector); err != nil || len(namespaces) == 0 {
			return nil, err
		}
	default:
		namespaces = []string{api.Namespace}
	}
	if r.token == nil || !r.Now().Before(r.renew) {
		if err := r.exchange(ctx); err != nil {
			return nil, err
		}
	}
	claims, err := platform.ParseClaims(r.token.AccessToken)
	if err != nil {
		return nil, fmt.Errorf("the access token is %w", err)
	}
	namespaces = slices.Compact(slices.Sorted(slices.Values(namespaces)))
	return round{r, api, claims}.all(ctx, namespaces), nil
}

// unknownLife is how long a token is taken to be valid that does not say.
const unknownLife = time.Hour

func (r *Refresher) exchange(ctx context.Context) error {
	token, err := r.Exchange(ctx)
	if err != nil {
		return fmt.Errorf("cannot get a token for %s: %w", r.Registry, err)
	}
	life := unknownLife
	if !token.Expiry.IsZero() {
		life = token.Expiry.Sub(r.Now())
	}
	if life <= 0 {
		return hint.With(fmt.Errorf("the token for %s has expired already, by the clock of this machine", r.Registry), platform.SetClock())
	}
	// The jitter spreads the requests of clusters that started at the same time.
	r.token, r.renew = token, r.Now().Add(life/2-rand.N(life/20+1))
	return nil
}

// all refreshes the secrets in namespaces, several at once.
func (r round) all(ctx context.Context, namespaces []string) []Result {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	results := make([]Result, len(namespaces))
	next := make(chan int)
	var group sync.WaitGroup
	for range min(workers, len(namespaces)) {
		group.Go(func() {
			for i := range next {
				results[i] = r.namespace(ctx, namespaces[i])
				if isDown(results[i].Err) {
					stop(results[i].Err) // else each of hundreds would be waited for
				}
			}
		})
	}
	for i := range namespaces {
		next <- i
	}
	close(next)
	group.Wait()
	return results
}

// isDown reports whether err is that the API server, after several tries, serves no one.
func isDown(err error) bool {
	return platform.IsUnreachable(err) || isStatus(err, http.StatusServiceUnavailable)
}

// Pauses of Watch.
const (
	retryPause = time.Minute // after a failure, at most
	minPause   = time.Second
)

// Watch refreshes the secrets whenever half of the remaining life of the token is over, and
// sooner after a failure, until ctx ends. It calls report after each round.
func (r *Refresher) Watch(ctx context.Context, report func([]Result, error)) {
	for {
		results, err := r.Refresh(ctx)
		if ctx.Err() != nil {
			return
		}
		report(results, err)
		pause := r.renew.Sub(r.Now())
		switch failed := slices.ContainsFunc(results, func(result Result) bool { return result.Action == Failed }); {
		case len(results) == 0: // nothing was done, or there is no namespace yet
			pause = retryPause
		case failed:
			pause = min(pause, retryPause)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(pause, minPause)):
		}
	}
}
