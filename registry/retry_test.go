package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"docker-credential-cgr/hint"
	"docker-credential-cgr/platform"
)

// turns answers each request with the next handler, and more requests with the last.
func turns(handlers ...http.HandlerFunc) http.HandlerFunc {
	n := 0
	return func(w http.ResponseWriter, r *http.Request) {
		n++
		handlers[min(n, len(handlers))-1](w, r)
	}
}

// later answers as a busy registry with a Retry-After header.
func later(status int, after string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", after)
		refuse(w, status, "TOOMANYREQUESTS", "slow down")
	}
}

func TestRetry(t *testing.T) {
	lost := func(http.ResponseWriter, *http.Request) { panic(errors.New("connection reset")) }
	good := found
	for _, test := range []struct {
		name    string
		timeout time.Duration
		answers []http.HandlerFunc
		asked   int
		waited  time.Duration
		err     string // in the error; empty for none
	}{
		{"busy once", time.Minute, []http.HandlerFunc{refuses(429, "TOOMANYREQUESTS"), good}, 2, time.Second, ""},
		{"twice as long each time", time.Minute, []http.HandlerFunc{refuses(502, ""), refuses(503, ""), refuses(504, ""), good}, 4, 7 * time.Second, ""},
		{"until the timeout", 10 * time.Second, []http.HandlerFunc{refuses(503, "")}, 4, 7 * time.Second, "503"},
		{"exactly as long", 7 * time.Second, []http.HandlerFunc{refuses(503, "")}, 4, 7 * time.Second, "503"},
		{"no timeout", 0, []http.HandlerFunc{refuses(429, "TOOMANYREQUESTS"), good}, 1, 0, "429"},
		{"Retry-After in seconds", time.Minute, []http.HandlerFunc{later(429, "17"), good}, 2, 17 * time.Second, ""},
		{"Retry-After of 503", time.Minute, []http.HandlerFunc{later(503, "3"), later(503, "4"), good}, 3, 7 * time.Second, ""},
		{"Retry-After beyond it", time.Minute, []http.HandlerFunc{later(429, "120"), good}, 1, 0, "try again in 2m0s"},
		{"Retry-After beyond what is left", time.Minute, []http.HandlerFunc{later(429, "40"), later(429, "40"), good}, 2, 40 * time.Second, "try again in 40s"},
		{"Retry-After without end", time.Minute, []http.HandlerFunc{later(429, "99999999999999999999"), good}, 1, 0, "try again in"},
		{"Retry-After 0 does not allow endless requests", 10 * time.Second, []http.HandlerFunc{later(429, "0")}, 4, 7 * time.Second, "429"},
		{"Retry-After that is none", 10 * time.Second, []http.HandlerFunc{later(429, "soon\x1b"), good}, 2, time.Second, ""},
		{"I54 Retry-After as a date", 10 * time.Second, []http.HandlerFunc{later(429, "Wed, 21 Oct 2015 07:28:00 GMT"), good}, 2, time.Second, ""},
		{"Retry-After below nothing", 10 * time.Second, []http.HandlerFunc{later(429, "-5"), good}, 2, time.Second, ""},
		{"no response once", time.Minute, []http.HandlerFunc{lost, good}, 2, time.Second, ""},
		{"no response twice", time.Minute, []http.HandlerFunc{lost, lost, good}, 3, 3 * time.Second, ""},
		{"no response three times", time.Minute, []http.HandlerFunc{lost, lost, lost, good}, 3, 3 * time.Second, "connection reset"},
		{"no response between busy ones", time.Minute, []http.HandlerFunc{refuses(503, ""), lost, refuses(503, ""), good}, 4, 7 * time.Second, ""},
		{"500 is not temporary", time.Minute, []http.HandlerFunc{later(500, "1"), good}, 1, 0, "500"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, kind := range []string{"token", "manifest"} {
				synctest.Test(t, func(t *testing.T) {
					f := newFake()
					answers := append([]http.HandlerFunc(nil), test.answers...)
					if kind == "token" && test.err == "" {
						answers[len(answers)-1] = giveToken
					}
					f.handlers[kind] = turns(answers...)
					r := f.reader()
					r.Timeout = test.timeout
					began := time.Now()
					_, err := r.Digest(t.Context(), Reference{Repository: private}, "")
					if test.err != "" {
						oneLine(t, err)
					}
					if (err == nil) != (test.err == "") || err != nil && !strings.Contains(fmt.Sprint(err, hint.Of(err)), test.err) {
						t.Errorf("%s: got %v, want %q in it", kind, err, test.err)
					}
					if got := time.Since(began); got != test.waited {
						t.Errorf("%s: got a wait of %s, want %s", kind, got, test.waited)
					}
					entry := map[string]string{"token": "GET token", "manifest": "GET manifest"}[kind]
					if got := f.count(entry); got != test.asked {
						t.Errorf("%s: got %d requests, want %d", kind, got, test.asked)
					}
				})
			}
		})
	}
}

func TestRetryAfterOfOthers(t *testing.T) {
	f := newFake()
	f.handlers["manifest"] = later(404, "7")
	_, err := f.reader().Digest(t.Context(), Reference{Repository: private}, "")
	if oneLine(t, err); !strings.Contains(err.Error(), `there is no tag "latest" in it`) {
		t.Errorf("got %v, want what 404 means", err)
	}
}

func TestWaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.handlers["manifest"] = func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
		r := f.reader()
		r.Timeout = time.Minute
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if _, err := r.Digest(ctx, Reference{Repository: private}, ""); !platform.IsUnreachable(err) || f.count("GET manifest") != 1 {
			t.Errorf("got %v after %d requests, want no answer to one", err, f.count("GET manifest"))
		}
	})
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.handlers["manifest"] = later(429, "50")
		r := f.reader()
		r.Timeout = time.Minute
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("interrupted")
		time.AfterFunc(5*time.Second, func() { cancel(why) })
		began := time.Now()
		_, err := r.Digest(ctx, Reference{Repository: private}, "")
		oneLine(t, err)
		if got := time.Since(began); !errors.Is(err, why) || got != 5*time.Second {
			t.Errorf("got %v after %s, want %v at once", err, got, why)
		}
	})
}
