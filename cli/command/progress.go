package command

import (
	"net/http"
	"sync"
	"time"

	"golang.org/x/term"

	"docker-credential-cgr/platform"
)

// Transport returns the transport for requests to the platform. At a terminal it prints
// which server a command waits for.
func (a *App) Transport() http.RoundTripper {
	next := platform.NewTransport()
	if a.IsHelper || !term.IsTerminal(int(a.Stderr.Fd())) {
		return next
	}
	return &progress{next: next, delay: time.Second, note: a.Note, noted: map[string]bool{}}
}

// progress is a transport that reports, once for each host, that a request takes longer
// than delay.
type progress struct {
	next  http.RoundTripper
	delay time.Duration
	note  func(format string, args ...any)

	mu    sync.Mutex
	noted map[string]bool // by host
}

func (t *progress) RoundTrip(r *http.Request) (*http.Response, error) {
	timer := time.AfterFunc(t.delay, func() { t.reportWait(r.URL.Host) })
	defer timer.Stop()
	return t.next.RoundTrip(r)
}

func (t *progress) reportWait(host string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.noted[host] {
		t.noted[host] = true
		t.note("waiting for %s", host)
	}
}
