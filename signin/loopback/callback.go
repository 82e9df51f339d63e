package loopback

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"
)

// The paths of a Callback.
const (
	callbackPath = "/callback"
	donePath     = "/done"
)

// ParseQuery parses the query of a callback. A parameter that occurs twice is an error
// (RFC 6749, section 3.1).
func ParseQuery(rawQuery string) (url.Values, error) {
	q, err := url.ParseQuery(rawQuery)
	if err != nil {
		return nil, errors.New("its query is not valid")
	}
	for name, values := range q {
		if len(values) > 1 {
			return nil, fmt.Errorf("it has %s twice", strconv.Quote(name))
		}
	}
	return q, nil
}

// Callback listens on the loopback interface for the callback of one sign-in.
type Callback struct {
	// Host and Port are those of the URL.
	Host string
	Port int

	server *http.Server
	accept func(rawQuery string) (Page, error)

	mu    sync.Mutex
	page  *Page         // that is shown now; nil at first
	final bool          // page is the last one
	shown chan struct{} // closed when a browser has the last page
	new   []net.Conn    // that have sent no request yet, the oldest first
}

// maxNew bounds the connections that have sent no request. A program that opens more loses
// its own: a browser sends its request at once.
const maxNew = 128

// ListenForCallback opens a Callback at host.
//
// accept judges the query of each callback and returns what the browser shows or where it
// is redirected. After an error the sign-in goes on: any program on this machine can send a
// callback. It may be called by several goroutines at once.
//
// insistsOnTLS is called when a browser uses TLS, as one that is set to https only does.
// It cannot be answered: there are no certificates for the loopback interface.
func ListenForCallback(host string, accept func(rawQuery string) (Page, error), insistsOnTLS func()) (*Callback, error) {
	sockets, err := Listen(host)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on the loopback interface for the sign-in: %w", err)
	}
	c := &Callback{Host: host, Port: Port(sockets[0]), accept: accept, shown: make(chan struct{})}
	c.server = &http.Server{
		Handler:           Guard(c.Port, pagePolicy(), c),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      time.Minute, // accept may send requests
		MaxHeaderBytes:    64 << 10,
		ConnState:         c.connState,
		ErrorLog:          log.New(io.Discard, "", 0), // standard error is the user's
	}
	for _, socket := range sockets {
		go func() { _ = c.server.Serve(sniffer{socket, insistsOnTLS}) }() // ends with Close
	}
	return c, nil
}

// sniffer calls overTLS when a connection begins with TLS.
type sniffer struct {
	net.Listener
	overTLS func()
}

func (s sniffer) Accept() (net.Conn, error) {
	conn, err := s.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &sniffed{Conn: conn, overTLS: s.overTLS}, nil
}

type sniffed struct {
	net.Conn
	overTLS func()
	isRead  bool
}

// tlsHandshake is the first byte of a ClientHello (RFC 8446, section 5.1). No HTTP request
// begins with it.
const tlsHandshake = 22

func (c *sniffed) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 && !c.isRead {
		if c.isRead = true; b[0] == tlsHandshake {
			c.overTLS()
		}
	}
	return n, err
}

// URL returns the address to which the browser is redirected after the sign-in.
func (c *Callback) URL() string {
	return fmt.Sprintf("http://%s:%d%s", c.Host, c.Port, callbackPath)
}

// AwaitShown waits up to two seconds until the browser has the last page.
func (c *Callback) AwaitShown(ctx context.Context) {
	select {
	case <-c.shown:
	case <-time.After(2 * time.Second):
	case <-ctx.Done():
	}
}

// Close stops listening. An answer that is being sent is completed.
func (c *Callback) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if c.server.Shutdown(ctx) != nil {
		_ = c.server.Close()
	}
}

// connState closes the oldest connection that has sent no request if there are too many.
func (c *Callback) connState(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if state != http.StateNew {
		c.new = slices.DeleteFunc(c.new, func(n net.Conn) bool { return n == conn })
		return
	}
	if len(c.new) >= maxNew {
		_ = c.new[0].Close()
		c.new = c.new[1:]
	}
	c.new = append(c.new, conn)
}

// ServeHTTP answers the browser.
func (c *Callback) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path != callbackPath && r.URL.Path != donePath:
		w.WriteHeader(http.StatusNotFound)
	case !Allow(w, r, http.MethodGet):
	case r.URL.Path == callbackPath:
		c.deliver(w, r)
	default:
		c.done(w)
	}
}

// deliver accepts a callback and redirects the browser to an address without its query.
// 303 is not cached; 301 and 308 would be.
func (c *Callback) deliver(w http.ResponseWriter, r *http.Request) {
	if !IsNavigation(r) {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	page, err := c.acceptUnlessFinal(r.URL.RawQuery)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		writePage(w, Page{Title: "Sign-in not accepted", Text: "See the terminal for the reason. The program is still waiting: sign in again in the window where you started."})
		return
	}
	next := page.Next
	if next == "" {
		next = donePath
		c.mu.Lock()
		if !c.final {
			c.page, c.final = &page, !page.More
		}
		c.mu.Unlock()
	}
	w.Header().Set("Location", next)
	w.WriteHeader(http.StatusSeeOther)
}

// acceptUnlessFinal is accept until a callback has ended the sign-in. Its page is shown from
// then on.
func (c *Callback) acceptUnlessFinal(rawQuery string) (Page, error) {
	c.mu.Lock()
	if c.final {
		defer c.mu.Unlock()
		return *c.page, nil
	}
	c.mu.Unlock()
	return c.accept(rawQuery)
}

func (c *Callback) done(w http.ResponseWriter) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.page == nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	writePage(w, *c.page)
	select {
	case <-c.shown:
	default:
		if c.final {
			close(c.shown)
		}
	}
}
