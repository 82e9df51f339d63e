package cli

import (
	"net/http"
	"sync"
	"time"

	"golang.org/x/term"

	"docker-credential-cgr/platform"
)

// progressAfter is how long a request may take before a person is told of it.
const progressAfter = time.Second

// progress is a transport that says at a terminal which server a command waits for,
// once for each.
type progress struct {
	next  http.RoundTripper
	after time.Duration
	say   func(format string, args ...any)

	mu   sync.Mutex
	said map[string]bool // by host
}

// transport returns what sends requests to the platform.
func (p Program) transport() http.RoundTripper {
	next := platform.NewTransport()
	if !p.typed || !term.IsTerminal(int(p.Stderr.Fd())) {
		return next
	}
	return &progress{next: next, after: progressAfter, say: p.note, said: map[string]bool{}}
}

func (t *progress) RoundTrip(r *http.Request) (*http.Response, error) {
	timer := time.AfterFunc(t.after, func() { t.waitFor(r.URL.Host) })
	defer timer.Stop()
	return t.next.RoundTrip(r)
}

func (t *progress) waitFor(host string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.said[host] {
		t.said[host] = true
		t.say("waiting for %s", host)
	}
}
