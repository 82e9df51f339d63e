package command

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// A command that waits for a server says so, once, however many requests wait for it.
func TestProgress(t *testing.T) {
	release := make(chan struct{})
	var said []string
	var mu sync.Mutex
	p := &progress{delay: time.Nanosecond, noted: map[string]bool{}, note: func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		if said = append(said, fmt.Sprintf(format, args...)); len(said) == 1 {
			close(release)
		}
	}}
	p.next = roundTrip(func(*http.Request) (*http.Response, error) {
		<-release // which comes when it is said that this is waited for
		return nil, errors.New("no answer")
	})
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() { _, _ = p.RoundTrip(httptest.NewRequest(http.MethodGet, "https://api.example/x", nil)) })
	}
	all.Wait()
	mu.Lock()
	defer mu.Unlock()
	if len(said) != 1 || said[0] != "waiting for api.example" {
		t.Errorf("got %q, want one line", said)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
