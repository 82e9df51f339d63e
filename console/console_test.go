package console

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		begun := time.Now()
		ended := make(chan time.Duration, 1)
		go func() {
			if err := f.await(t.Context()); !errors.Is(err, ErrIdle) {
				t.Errorf("got %v, want %v", err, ErrIdle)
			}
			ended <- time.Since(begun)
		}()
		time.Sleep(50 * time.Second)
		f.wantStatus(f.request("GET", apiPath, ""), 200) // the end is at 1:50 from now on
		time.Sleep(30 * time.Second)
		f.fake.during = func() { time.Sleep(5 * time.Minute) } // from 1:20 to 6:20
		f.wantStatus(f.request("POST", apiPath, creation), 200)
		// What nobody did on the page does not count.
		time.Sleep(30 * time.Second)
		f.wantRefused(f.get(""))
		f.wantRefused(f.get("?key=wrong"))
		strange := f.request("POST", apiPath, creation)
		strange.Header.Set("Origin", "https://evil.example")
		f.wantStatus(strange, 403)
		waiting, leave := context.WithCancel(t.Context())
		go f.serve(f.request("GET", alivePath, "").WithContext(waiting))
		if got, want := <-ended, 7*time.Minute+20*time.Second; got != want {
			t.Errorf("got the end after %s, want it after %s: a minute after the last thing done", got, want)
		}
		leave()
	})
}

func TestServe(t *testing.T) {
	f := newFixture(t)
	ctx, stop := context.WithCancelCause(t.Context())
	addresses, served := make(chan string, 1), make(chan error, 1)
	var used <-chan struct{}
	go func() {
		served <- f.Console.Serve(ctx, func(address string, u <-chan struct{}) {
			used = u
			addresses <- address
		})
	}()
	address := <-addresses
	page, _, _ := strings.Cut(address, "?")
	jar, _ := cookiejar.New(nil)
	browser := &http.Client{Jar: jar}
	for _, wanted := range []struct{ address, text string }{{address, `content="0;url=./"`}, {page, "New pull token"}} {
		response, err := browser.Get(wanted.address)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if !strings.Contains(string(text), wanted.text) {
			t.Errorf("I69 got %s at %s, want %s", text, wanted.address, wanted.text)
		}
		select {
		case <-used:
		default:
			t.Error("the key counts as unused, want it used")
		}
	}
	u, _ := url.Parse(address)
	for _, name := range []string{"127.0.0.1", "[::1]", "localhost"} {
		response, err := http.Get("http://" + name + ":" + u.Port() + u.Path)
		if err != nil {
			if name == "[::1]" {
				t.Logf("no IPv6 here: %v", err)
				continue
			}
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusForbidden {
			t.Errorf("I72 got status %d at %s without a cookie, want 403", response.StatusCode, name)
		}
	}
	r, _ := http.NewRequest(http.MethodGet, page+alivePath, nil)
	r.Header.Set(header, "1")
	alive, err := browser.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	why := errors.New("interrupted")
	stop(why)
	if _, err := io.ReadAll(alive.Body); err != nil {
		t.Errorf("got %v, want the page told of the end", err)
	}
	_ = alive.Body.Close()
	if err := <-served; !errors.Is(err, why) {
		t.Errorf("got %v, want %v", err, why)
	}
	if response, err := http.Get(address); err == nil {
		_ = response.Body.Close()
		t.Error("got an answer after the end, want none")
	}
}
