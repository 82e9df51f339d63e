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

// A command reports once that it waits for a server, however many requests wait for it.
func TestProgress(t *testing.T) {
	release := make(chan struct{})
	var noted []string
	var mu sync.Mutex
	p := &progress{delay: time.Nanosecond, noted: map[string]bool{}, note: func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		if noted = append(noted, fmt.Sprintf(format, args...)); len(noted) == 1 {
			close(release)
		}
	}}
	p.next = roundTrip(func(*http.Request) (*http.Response, error) {
		<-release // closed once the wait is reported
		return nil, errors.New("no answer")
	})
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() { _, _ = p.RoundTrip(httptest.NewRequest(http.MethodGet, "https://api.example/x", nil)) })
	}
	all.Wait()
	mu.Lock()
	defer mu.Unlock()
	if len(noted) != 1 || noted[0] != "waiting for api.example" {
		t.Errorf("got %q, want one line", noted)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
