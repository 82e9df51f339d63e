// Package console serves a page, on this machine alone, on which a person sees, makes
// and revokes pull tokens. It knows nothing of how that person signed in.
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
)

// PullTokens is what the page is about. Its errors are shown on the page, and so are one
// line of text without a secret.
type PullTokens interface {
	// List gives the pull tokens that the person may see.
	List(ctx context.Context) ([]iam.PullTokenInfo, error)
	// Saved gives the id of the pull token that is saved on this machine, or "".
	Saved() (id string, err error)
	// Create makes a pull token of a request that has been checked.
	Create(ctx context.Context, r iam.PullTokenRequest) (iam.PullToken, error)
	// Revoke ends the pull token that has an id.
	Revoke(ctx context.Context, id string) error
}

// Console is the page of one person.
type Console struct {
	PullTokens    PullTokens
	Organizations []iam.Group   // that new pull tokens can be for, at least one
	Account       string        // who is signed in, for the page to show; may be empty
	Registry      string        // host that the pull tokens are for
	Idle          time.Duration // without a request, after which the page ends
}

// ErrIdle says that the page ended because nobody used it.
var ErrIdle = errors.New("nobody has used the page")

// stopLimit is how long the end waits for what is being done: a pull token that is
// half made is taken back.
const stopLimit = 20 * time.Second

// Serve serves the page until ctx ends, whose cause it gives, or until nobody has used
// it for c.Idle, which is ErrIdle. ready is called once with the page's address, which
// holds a key that lets in whoever uses it first.
func (c *Console) Serve(ctx context.Context, ready func(address string)) error {
	sockets, err := listen()
	if err != nil {
		return fmt.Errorf("cannot listen on the loopback interface for the page: %w", err)
	}
	s := newServer(c, sockets[0].Addr().(*net.TCPAddr).Port)
	requests, cancel := context.WithCancel(context.Background())
	defer cancel()
	web := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		BaseContext:       func(net.Listener) context.Context { return requests },
		ErrorLog:          log.New(io.Discard, "", 0), // others on this machine can make it speak
	}
	for _, socket := range sockets {
		go func() { _ = web.Serve(socket) }() // ends with Shutdown
	}
	ready(s.address())
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

// await waits for the end of the page, and gives its reason.
func (s *server) await(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-s.idle.over():
		return ErrIdle
	}
}

// listen takes a port of the system's choice, on both 127.0.0.1 and ::1 where the
// machine has both: "localhost" may mean either to a browser, and whoever has the port
// on the other would be handed the key.
func listen() (sockets []net.Listener, err error) {
	for range 100 { // a port that is free on both is likely at the first
		if sockets, err = listenOnce(); err == nil {
			break
		}
	}
	return sockets, err
}

func listenOnce() ([]net.Listener, error) {
	four, err4 := net.Listen("tcp4", "127.0.0.1:0")
	six, err6 := net.Listen("tcp6", "[::1]:0")
	switch {
	case err4 != nil && err6 != nil:
		return nil, err4
	case err6 != nil:
		return []net.Listener{four}, nil
	case err4 != nil:
		return []net.Listener{six}, nil
	}
	_ = six.Close()
	six, err := net.Listen("tcp6", fmt.Sprintf("[::1]:%d", four.Addr().(*net.TCPAddr).Port))
	if err != nil {
		_ = four.Close()
		return nil, err
	}
	return []net.Listener{four, six}, nil
}
