package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"docker-credential-cgr/token"
)

// eight calls work eight times at once, in a bubble.
func eight(t *testing.T, work func(i int) error) {
	t.Helper()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			if err := work(i); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

func TestOneTokenForARepository(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		gate := make(chan struct{})
		f.handlers["token"] = func(w http.ResponseWriter, r *http.Request) { <-gate; giveToken(w, r) }
		r := f.reader()
		asked := 0
		r.Credential = func(context.Context, bool) (*token.Credential, error) {
			asked++
			<-gate
			return &token.Credential{Username: token.Username, Secret: secret}, nil
		}
		go func() {
			synctest.Wait() // until all wait for the gate, or for who does
			close(gate)
		}()
		eight(t, func(i int) error {
			_, err := r.Digest(t.Context(), Reference{Repository: private, Tag: fmt.Sprint(i)}, "")
			return err
		})
		if got := f.count("GET token"); got != 1 {
			t.Errorf("got %d tokens, want one", got)
		}
		if got := f.count("GET manifest"); got != 8 {
			t.Errorf("got %d manifests, want 8", got)
		}
		eight(t, func(i int) error {
			_, err := r.Digest(t.Context(), Reference{Repository: fmt.Sprintf("org/image%d", i)}, "")
			return err
		})
		if got := f.count("GET token"); got != 9 {
			t.Errorf("got %d tokens, want one for each of nine repositories", got)
		}
		if asked != 1 {
			t.Errorf("got asked for a credential %d times, want once", asked)
		}
	})
}

func TestTokenEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		var mu sync.Mutex
		given, good := 0, 1 // the number of the token that is taken
		f.handlers["token"] = func(w http.ResponseWriter, _ *http.Request) {
			mu.Lock()
			given++
			answer(w, "application/json", fmt.Sprintf(`{"token":"%d"}`, given))
			mu.Unlock()
		}
		gate := make(chan struct{})
		f.handlers["manifest"] = func(w http.ResponseWriter, r *http.Request) {
			<-gate
			mu.Lock()
			taken := r.Header.Get("Authorization") == fmt.Sprintf("Bearer %d", good)
			mu.Unlock()
			if !taken {
				refuse(w, 401, "UNAUTHORIZED", "ended")
				return
			}
			found(w, r)
		}
		r := f.reader()
		digestOf := func(int) error {
			_, err := r.Digest(t.Context(), Reference{Repository: private}, "")
			return err
		}
		for good = 1; good <= 2; good++ {
			gate = make(chan struct{})
			go func() {
				synctest.Wait() // until all have asked with the token that there is
				close(gate)
			}()
			eight(t, digestOf)
		}
		if given != 2 {
			t.Errorf("got %d tokens, want another one once the first has ended", given)
		}
		good = 0
		err := digestOf(0)
		oneLine(t, err)
		if given != 3 || !strings.Contains(err.Error(), "rejected the token") {
			t.Errorf("got %d tokens and %v, want one more try", given, err)
		}
	})
	t.Run("a new one is not replaced", func(t *testing.T) {
		f := newFake()
		f.handlers["manifest"] = refuses(401, "UNAUTHORIZED")
		_, err := f.reader().Digest(t.Context(), Reference{Repository: private}, "")
		oneLine(t, err)
		f.wantAsked(t, "GET token", "GET manifest")
	})
}

// Who was to get the token for all goes away: another gets it.
func TestTokenAbandoned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		first := make(chan struct{}, 1)
		first <- struct{}{}
		f.handlers["token"] = func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-first:
				<-r.Context().Done()
			default:
				giveToken(w, r)
			}
		}
		r := f.reader()
		leaving, leave := context.WithCancelCause(t.Context())
		gone := make(chan error)
		go func() {
			_, err := r.Digest(leaving, Reference{Repository: private}, "")
			gone <- err
		}()
		synctest.Wait()
		go func() {
			synctest.Wait() // for the others
			leave(errors.New("enough"))
		}()
		go func() { <-gone }()
		eight(t, func(int) error {
			_, err := r.Digest(t.Context(), Reference{Repository: private}, "")
			return err
		})
		if got := f.count("GET token"); got != 2 {
			t.Errorf("got %d tokens, want one by who left and one by another", got)
		}
	})
	t.Run("who waits can leave", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFake()
			gate := make(chan struct{})
			f.handlers["token"] = func(w http.ResponseWriter, r *http.Request) { <-gate; giveToken(w, r) }
			r := f.reader()
			go func() { _, _ = r.Digest(t.Context(), Reference{Repository: private}, "") }()
			synctest.Wait()
			ctx, leave := context.WithCancelCause(t.Context())
			why := errors.New("enough")
			leave(why)
			if _, err := r.Digest(ctx, Reference{Repository: private}, ""); !errors.Is(err, why) {
				t.Errorf("got %v, want %v", err, why)
			}
			close(gate)
		})
	})
}

// That there is no leave is asked once; what may pass is asked again.
func TestRefusalKept(t *testing.T) {
	for _, test := range []struct {
		name    string
		handler http.HandlerFunc
		want    int
	}{
		{"403", refuses(403, "FORBIDDEN"), 1},
		{"no organization", refuses(400, "BAD_REQUEST"), 1},
		{"429", refuses(429, "TOOMANYREQUESTS"), 2},
		{"500", refuses(500, "UNKNOWN"), 2},
		{"a proxy", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) }, 2},
		{"no answer", func(http.ResponseWriter, *http.Request) { panic(errors.New("connection reset")) }, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFake()
			f.handlers["token"] = test.handler
			r := f.reader()
			for range 2 {
				_, err := r.Digest(t.Context(), Reference{Repository: private}, "")
				oneLine(t, err)
			}
			if got := f.count("GET token"); got != test.want {
				t.Errorf("got %d requests, want %d", got, test.want)
			}
		})
	}
}
