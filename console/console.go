// Package console serves a web page for this machine alone that lists, creates and revokes
// pull tokens. It does not sign the user in.
package console

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"docker-credential-cgr/iam"
	"docker-credential-cgr/pulltoken"
	"docker-credential-cgr/signin/loopback"
)

// PullTokens lists, creates and revokes pull tokens for the page, which shows its errors:
// each is one line of text without a secret.
type PullTokens interface {
	// List returns the pull tokens that the user may list. With an *iam.PartialError
	// they are not all that there are.
	List(ctx context.Context) ([]Token, error)
	// Saved returns the id of the pull token that is saved on this machine, or "".
	Saved() (id string, err error)
	// Create creates a pull token from a request that has been checked, and returns the
	// ways to use it. If it fails, no pull token is left behind.
	Create(ctx context.Context, parent iam.Group, r pulltoken.Request) (pulltoken.Credential, []Snippet, error)
	// Revoke revokes the pull token with an id.
	Revoke(ctx context.Context, id string) error
}

// Token is a pull token in the list.
type Token struct {
	pulltoken.Info
	DaysLeft *int `json:"daysLeft,omitempty"` // until it expires; negative once it has, nil if that is unknown
	Soon     bool `json:"soon,omitempty"`     // expires soon, or has expired
}

// Snippet is a way to use a pull token, ready to be copied.
type Snippet struct {
	Title string `json:"title"`
	Text  string `json:"text"` // contains the pull token
}

// Console is the page of one user.
type Console struct {
	PullTokens    PullTokens
	Organizations []iam.Group   // for new pull tokens; at least one
	Account       string        // of the user, to show; may be empty
	Registry      string        // host that the pull tokens are for
	Idle          time.Duration // without a request, after which the page ends
}

// ErrIdle reports that the page ended because it was not used.
var ErrIdle = errors.New("the page was not used")

// stopLimit is how long Serve waits for running requests when it ends, so that an
// incomplete pull token is deleted.
const stopLimit = 20 * time.Second

// Serve serves the page until ctx ends, and returns its cause, or until the page was not
// used for c.Idle, and returns ErrIdle. It calls ready once with the page's address, which
// contains a key for one browser, and a channel that is closed when the key is used.
func (c *Console) Serve(ctx context.Context, ready func(address string, used <-chan struct{})) error {
	sockets, err := loopback.Listen(loopback.Localhost)
	if err != nil {
		return fmt.Errorf("cannot listen on the loopback interface for the page: %w", err)
	}
	port := loopback.Port(sockets[0])
	s := newServer(c, port)
	requests, cancel := context.WithCancel(context.Background())
	defer cancel()
	web := &http.Server{
		Handler:           loopback.Guard(port, policy, s),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		BaseContext:       func(net.Listener) context.Context { return requests },
		ErrorLog:          log.New(io.Discard, "", 0), // other programs on this machine can cause errors
	}
	for _, socket := range sockets {
		go func() { _ = web.Serve(socket) }() // ends with Shutdown
	}
	ready(s.address(), s.used)
	err = s.await(ctx)
	close(s.ended)
	cancel()
	end, cancelEnd := context.WithTimeout(context.Background(), stopLimit)
	defer cancelEnd()
	if web.Shutdown(end) != nil {
		_ = web.Close()
	}
	return err
}

// await waits until the page ends, and returns the reason.
func (s *server) await(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-s.idle.over():
		return ErrIdle
	}
}
