package signin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"docker-credential-cgr/platform"
)

// The paths of the listener.
const (
	callbackPath = "/callback"
	donePath     = "/done"
)

// callback is what the issuer sent the browser back with. Exactly one of token
// and error is set.
type callback struct {
	token, refreshToken string
	err                 string // the issuer's words
	status              int    // 0 where it gave none
}

// parseOnce reads a query. A parameter that comes twice is no answer of anybody
// (RFC 6749, section 3.1).
func parseOnce(rawQuery string) (url.Values, error) {
	q, err := url.ParseQuery(rawQuery)
	if err != nil {
		return nil, errors.New("the query cannot be read")
	}
	for name, values := range q {
		if len(values) > 1 {
			return nil, fmt.Errorf("%s comes twice", strconv.Quote(name))
		}
	}
	return q, nil
}

// parseCallback reads the query of a callback. One with both of token and error is
// no answer of the issuer.
func parseCallback(rawQuery string) (callback, error) {
	q, err := parseOnce(rawQuery)
	if err != nil {
		return callback{}, err
	}
	c := callback{token: q.Get("token"), refreshToken: q.Get("refresh_token"), err: q.Get("error")}
	// "true" is what the redirect that we gave the issuer has for both: it says
	// which of them we take, and is no answer.
	if c.token == "true" {
		c.token = ""
	}
	if c.err == "true" {
		c.err = ""
	}
	c.status, _ = strconv.Atoi(q.Get("status_code"))
	switch {
	case c.token != "" && (c.err != "" || c.status != 0):
		return callback{}, errors.New("it holds a token and an error")
	case c.token == "" && c.err == "" && c.status == 0:
		return callback{}, errors.New("it holds neither a token nor an error")
	case platform.HasControl(c.token) || platform.HasControl(c.refreshToken):
		return callback{}, errors.New("its token holds control characters")
	case len(c.token) > platform.MaxToken || len(c.refreshToken) > platform.MaxToken:
		return callback{}, errors.New("its token is too long")
	}
	return c, nil
}

// listener waits on the loopback interface for the one callback of a sign-in.
type listener struct {
	host   string // as the redirect names it
	port   int
	server *http.Server
	// take looks at a callback's query: an error leaves the sign-in waiting for
	// another, since anyone on this machine can send one. The outcome is what the
	// page then says, or where the browser is sent on to. Several requests may call
	// it at once.
	take func(rawQuery string) (outcome, error)

	mu     sync.Mutex
	result *outcome      // the last one that a page is to show; nil at first
	over   bool          // result is the last one
	shown  chan struct{} // closed when a page has shown the last one
	first  []net.Conn    // that have sent no request, the oldest first
}

// maxSilent bounds the connections that have sent no request: whoever opens
// more pushes out their own, not the browser's, which sends at once.
const maxSilent = 128

// The hosts that a redirect can name.
const (
	localhost = "localhost" // the issuer's own word
	loopback4 = "127.0.0.1" // what RFC 8252, section 8.3, recommends
)

// listen opens the listener for callbacks to host.
//
// overTLS is called when a browser speaks TLS, as it does where it is told to use
// https alone: it cannot be answered, since nobody certifies the loopback interface.
func listen(host string, take func(rawQuery string) (outcome, error), overTLS func()) (*listener, error) {
	sockets, err := listenAt(host)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on the loopback interface for the sign-in: %w", err)
	}
	l := &listener{
		host:  host,
		port:  sockets[0].Addr().(*net.TCPAddr).Port,
		take:  take,
		shown: make(chan struct{}),
	}
	l.server = &http.Server{
		Handler:           l,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      time.Minute, // take may have to ask a server
		MaxHeaderBytes:    64 << 10,
		ConnState:         l.connState,
		ErrorLog:          silent,
	}
	for _, socket := range sockets {
		go func() { _ = l.server.Serve(sniffer{socket, overTLS}) }() // ends with close
	}
	return l, nil
}

// listenAt opens the sockets for host.
func listenAt(host string) ([]net.Listener, error) {
	if host == localhost {
		return ListenLocalhost()
	}
	socket, err := net.Listen("tcp4", loopback4+":0")
	return []net.Listener{socket}, err
}

// ListenLocalhost takes a port of the system's choice for a server that a browser
// reaches at "localhost". That may mean 127.0.0.1 or ::1 to it, so that the port is
// the same on both, where the machine has both: whoever had it on the other would be
// handed what is meant for the server. There is at least one socket.
func ListenLocalhost() (sockets []net.Listener, err error) {
	var taken []net.Listener // held until the end, so that the system picks another port each time
	defer func() {
		for _, socket := range taken {
			_ = socket.Close()
		}
	}()
	for range 100 { // a port that is free on both is likely at the first
		four, err4 := net.Listen("tcp4", loopback4+":0")
		if err4 != nil { // no IPv4 here, or no port left
			six, err6 := net.Listen("tcp6", "[::1]:0")
			switch {
			case err != nil: // all were taken on the other
				if err6 == nil {
					_ = six.Close()
				}
				return nil, err
			case err6 != nil:
				return nil, err4
			}
			return []net.Listener{six}, nil
		}
		var six net.Listener
		six, err = net.Listen("tcp6", fmt.Sprintf("[::1]:%d", four.Addr().(*net.TCPAddr).Port))
		if err == nil {
			return []net.Listener{four, six}, nil
		}
		// Does another program have this port, or is there no IPv6 here?
		const wsaeAddrInUse = syscall.Errno(10048) // Windows' own number for it
		if !errors.Is(err, syscall.EADDRINUSE) && !errors.Is(err, wsaeAddrInUse) {
			return []net.Listener{four}, nil
		}
		taken = append(taken, four)
	}
	return nil, err
}

// sniffer looks at the first byte that each connection sends.
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
	looked  bool
}

// tlsHandshake is the first byte of a ClientHello (RFC 8446, section 5.1), and of
// no HTTP request.
const tlsHandshake = 22

func (c *sniffed) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 && !c.looked {
		if c.looked = true; b[0] == tlsHandshake {
			c.overTLS()
		}
	}
	return n, err
}

// url is where the browser has to be sent.
func (l *listener) url() string {
	return fmt.Sprintf("http://%s:%d%s", l.host, l.port, callbackPath)
}

// shownLimit is how long to wait for the browser to fetch the last page.
const shownLimit = 2 * time.Second

// awaitShown waits until the browser has the last page.
func (l *listener) awaitShown(ctx context.Context) {
	select {
	case <-l.shown:
	case <-time.After(shownLimit):
	case <-ctx.Done():
	}
}

// close ends the listener, once an answer that is going out has gone.
func (l *listener) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if l.server.Shutdown(ctx) != nil {
		_ = l.server.Close()
	}
}

// connState drops the oldest connection that stays silent where there are too many.
func (l *listener) connState(conn net.Conn, state http.ConnState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if state != http.StateNew {
		l.first = slices.DeleteFunc(l.first, func(c net.Conn) bool { return c == conn })
		return
	}
	if len(l.first) >= maxSilent {
		_ = l.first[0].Close()
		l.first = l.first[1:]
	}
	l.first = append(l.first, conn)
}

func (l *listener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	setHeaders(w.Header())
	switch {
	case !l.ownHost(r.Host):
		// Another name for this address: DNS rebinding (RFC 9110, section 15.5.20).
		w.WriteHeader(http.StatusMisdirectedRequest)
	case r.Method == http.MethodOptions:
		w.WriteHeader(http.StatusNoContent) // a preflight, granted nothing
	case r.URL.Path != callbackPath && r.URL.Path != donePath:
		w.WriteHeader(http.StatusNotFound)
	case r.Method != http.MethodGet:
		w.Header().Set("Allow", http.MethodGet)
		w.WriteHeader(http.StatusMethodNotAllowed)
	case r.URL.Path == callbackPath:
		l.deliver(w, r)
	default:
		l.done(w)
	}
}

func (l *listener) ownHost(host string) bool {
	name, port, err := net.SplitHostPort(host)
	return err == nil && port == strconv.Itoa(l.port) && (name == localhost || name == loopback4 || name == "::1")
}

// deliver takes a callback and sends the browser on to an address without its
// query, before anything is shown. 303 is not cached, as 301 and 308 would be.
func (l *listener) deliver(w http.ResponseWriter, r *http.Request) {
	if dest := r.Header.Get("Sec-Fetch-Dest"); dest != "" && dest != "document" {
		w.WriteHeader(http.StatusBadRequest) // a script, an image, a frame: no sign-in ends so
		return
	}
	o, err := l.takeUntilOver(r.URL.RawQuery)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		writePage(w, outcome{title: "Sign-in not accepted", text: "The terminal says why. It still waits: sign in again in the window where the sign-in began."})
		return
	}
	next := o.next
	if next == "" {
		next = donePath
		l.mu.Lock()
		if !l.over {
			l.result, l.over = &o, !o.more
		}
		l.mu.Unlock()
	}
	w.Header().Set("Location", next)
	w.WriteHeader(http.StatusSeeOther)
}

// takeUntilOver is take, until an answer has ended the sign-in: that one counts.
func (l *listener) takeUntilOver(rawQuery string) (outcome, error) {
	l.mu.Lock()
	if l.over {
		defer l.mu.Unlock()
		return *l.result, nil
	}
	l.mu.Unlock()
	return l.take(rawQuery)
}

func (l *listener) done(w http.ResponseWriter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.result == nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	writePage(w, *l.result)
	select {
	case <-l.shown:
	default:
		if l.over {
			close(l.shown)
		}
	}
}
