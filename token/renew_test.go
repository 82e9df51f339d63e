package token

import (
	"context"
	"docker-credential-cgr/token/store"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"docker-credential-cgr/platform"
)

// logout removes all that there is, as a process without our lock does.
func (f *fixture) logout() {
	for _, name := range []string{"session " + f.url, "credential " + registry + " " + f.url} {
		if err := f.store.Delete(name); err != nil {
			f.t.Error(err)
		}
	}
}

// replaceSession has somebody else's session in place of the one there, as a
// process without our lock writes it.
func (f *fixture) replaceSession(subject, refresh, accessToken string) {
	s := f.session()
	there, err := s.ReadSession()
	if err == nil {
		there.Subject, there.Hosts = subject, []string{registry}
		_, err = s.WriteSession(there, refresh)
	}
	if err == nil && accessToken != "" {
		s.save(registry, accessToken, f.clock.Now().Add(time.Hour), store.Session{})
	}
	if err != nil {
		f.t.Error(err)
	}
}

// wantNothing checks that neither a session nor a credential is kept.
func (f *fixture) wantNothing(what string) {
	f.t.Helper()
	f.wantSession(what, "", "")
	if r, err := f.session().ReadCredential(registry); err != nil || r.Secret != "" {
		f.t.Errorf("%s: got credential %q, %v, want none", what, r.Secret, err)
	}
}

func TestLogoutMeanwhile(t *testing.T) {
	t.Run("C7 refresh of an expired token", func(t *testing.T) {
		f := newFixture(t)
		f.signedIn()
		f.clock.add(2 * time.Hour)
		f.wants("R1", first(f.logout, gives(f.access(alice, "A2"), "R2")))
		if c, err := f.get(); !errors.Is(err, errSuperseded) {
			t.Errorf("got %q, %v, want errSuperseded", c.Secret, err)
		}
		f.wantNothing("C7 after logout")
	})
	t.Run("C7 early refresh", func(t *testing.T) {
		f := newFixture(t)
		f.signedIn()
		f.clock.add(55 * time.Minute)
		f.wants("R1", first(f.logout, gives(f.access(alice, "A2"), "R2")))
		if _, err := f.get(); err != nil {
			t.Errorf("got %v, want the token that was kept when it was asked", err)
		}
		f.wantNothing("C7 after logout")
	})
	t.Run("C7 early refresh that fails", func(t *testing.T) {
		f := newFixture(t)
		f.signedIn()
		f.clock.add(55 * time.Minute)
		f.wants("R1", first(f.logout, fails(503, platform.CodeUnavailable, "")))
		if _, err := f.get(); err != nil {
			t.Errorf("got %v, want the token that was kept when it was asked", err)
		}
		f.wantNothing("C7 after logout")
	})
	t.Run("C7 with the lock, logout comes after the refresh", func(t *testing.T) {
		f := newFixture(t)
		f.signedIn()
		f.clock.add(2 * time.Hour)
		done := make(chan error, 1)
		a2 := f.access(alice, "A2")
		f.wants("R1", first(func() {
			go func() { done <- f.session().Erase(context.Background(), registry) }()
		}, gives(a2, "R2")))
		if c, err := f.get(); err != nil || c.Secret != a2 {
			t.Errorf("got %q, %v, want what was refreshed", c.Secret, err)
		}
		if err := <-done; err != nil {
			t.Errorf("logout: got %v, want no error", err)
		}
		f.wantNothing("C7 after logout")
	})
}

func TestLoginMeanwhile(t *testing.T) {
	for name, age := range map[string]time.Duration{"C8 refresh of an expired token": 2 * time.Hour, "C8 early refresh": 55 * time.Minute} {
		for how, answer := range map[string]func(f *fixture) http.HandlerFunc{
			"that succeeds": func(f *fixture) http.HandlerFunc { return gives(f.access(alice, "A2"), "R2") },
			"that fails":    func(*fixture) http.HandlerFunc { return fails(403, 7, "no") },
			"that ends":     func(*fixture) http.HandlerFunc { return fails(401, platform.CodeUnauthenticated, "spent") },
		} {
			t.Run(name+" "+how, func(t *testing.T) {
				f := newFixture(t)
				f.signedIn()
				f.clock.add(age)
				b1 := f.access(bob, "B1")
				f.wants("R1", first(func() { f.replaceSession(bob, "R10", b1) }, answer(f)))
				if strings.HasSuffix(t.Name(), "ends") {
					// The newer refresh token is tried in its place.
					f.wants("R10", gives(b1, "R11"))
				}
				_, _ = f.get() // whatever it gives
				if r, err := f.session().ReadCredential(registry); err != nil || r.Secret != b1 {
					t.Errorf("got credential %q, %v, want the later sign-in's", r.Secret, err)
				}
				session, err := f.session().ReadSession()
				if err != nil || session.Subject != bob || session.Refresh != "R10" && session.Refresh != "R11" {
					t.Errorf("got session %+v, %v, want the later sign-in's", session, err)
				}
			})
		}
	}
}

// Another process without our lock has spent the refresh token first.
func TestRefreshMeanwhile(t *testing.T) {
	f := newFixture(t)
	f.signedIn()
	f.clock.add(2 * time.Hour)
	a3 := f.access(alice, "A3")
	f.wants("R1", first(func() { f.replaceSession(alice, "R2", "") }, fails(401, platform.CodeUnauthenticated, "already used")))
	f.wants("R2", gives(a3, "R3"))
	f.wantGet("C9 the newer one is used", a3, 2, 0)
	f.wantSession("C9 and not deleted", "R3", alice)
}

// A slow writer with an older result finishes last.
func TestSlowWriter(t *testing.T) {
	f := newFixture(t)
	f.signedIn()
	f.clock.add(2 * time.Hour)
	newer := f.access(alice, "A5")
	f.wants("R1", first(func() { f.replaceSession(alice, "R5", newer) }, gives(f.access(alice, "A2"), "R2")))
	c, err := f.get()
	if err != nil || c.Secret != newer {
		t.Errorf("C10 got %q, %v, want the newer token", c.Secret, err)
	}
	f.wantSession("C10 the older result is dropped", "R5", alice)
}

// Many that ask at once cause one request, or one window.
func TestBurst(t *testing.T) {
	burst := func(f *fixture, want string) {
		f.t.Helper()
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if c, err := f.get(); err != nil || c.Secret != want {
					f.t.Errorf("got %q, %v, want %q", c.Secret, err, want)
				}
			})
		}
		all.Wait()
	}
	t.Run("C2 expired", func(t *testing.T) {
		f := newFixture(t)
		f.signedIn()
		f.clock.add(2 * time.Hour)
		a2 := f.access(alice, "A2")
		f.wants("R1", gives(a2, "R2"))
		f.counts()
		burst(f, a2)
		if asked, _, _ := f.counts(); asked != 1 {
			t.Errorf("got %d requests, want 1", asked)
		}
	})
	t.Run("C2 tokens that live for half a minute", func(t *testing.T) {
		f := newFixture(t)
		f.signedIn()
		f.clock.add(2 * time.Hour)
		end := f.clock.Now().Add(30 * time.Second)
		a2 := jwt(t, map[string]any{"iss": f.url, "sub": alice, "aud": []string{registry}, "exp": end.Unix()})
		othersWait := func() {
			for waiting := 0; waiting < 19; time.Sleep(time.Millisecond) {
				f.mu.Lock()
				waiting = strings.Count(strings.Join(f.said, "\n"), "waiting for")
				f.mu.Unlock()
			}
		}
		f.counts()
		f.wants("R1", first(othersWait, gives(a2, "R2")))
		burst(f, a2)
		// Whoever comes later gets another one.
		f.clock.add(time.Second)
		a3 := f.access(alice, "A3")
		f.wants("R2", gives(a3, "R3"))
		f.wantGet("later", a3, 1, 0)
	})
	t.Run("C1 nobody signed in", func(t *testing.T) {
		f := newFixture(t)
		f.signsIn(alice, "R0")
		a1 := f.access(alice, "A1")
		f.wants("R0", gives(a1, "R1"))
		burst(f, a1)
		if asked, windows, _ := f.counts(); asked != 1 || windows != 1 {
			t.Errorf("got %d requests and %d windows, want 1 and 1", asked, windows)
		}
	})
	t.Run("C14 cooling down", func(t *testing.T) {
		f := newFixture(t)
		f.person = func(context.Context) (*Grant, error) { return nil, &SignInError{Why: "was refused"} }
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if c, err := f.get(); err == nil {
					t.Errorf("got %+v, want an error", c)
				}
			})
		}
		all.Wait()
		if _, windows, _ := f.counts(); windows != 1 {
			t.Errorf("got %d windows, want 1", windows)
		}
	})
}

// A waiter says for whom it waits, and ends at its limit.
func TestWaitEnds(t *testing.T) {
	f := newFixture(t)
	f.signsIn(alice, "R0")
	lock, err := f.store.TryLock(f.session().LockName())
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Unlock()
	f.store.SetLockOwner(f.session().LockName(), "signing in")
	s := f.session()
	s.LockTimeout = 40 * time.Millisecond
	_, err = s.Credential(t.Context(), registry, true)
	var nobody *NotSignedInError
	if err == nil || errors.As(err, &nobody) || !strings.Contains(err.Error(), "gave up after waiting 40ms") || !strings.Contains(err.Error(), "signing in") {
		t.Errorf("C5 got %v, want one that says how long and for whom", err)
	}
	if _, windows, said := f.counts(); windows != 0 || len(said) != 1 || !strings.Contains(said[0], "waiting for process") {
		t.Errorf("C5 got %d windows, said %q, want none, and one line", windows, said)
	}
	if _, err := s.Login(t.Context()); err == nil || !strings.Contains(err.Error(), "gave up after") {
		t.Errorf("C5 login: got %v, want one that says how long", err)
	}
}

// A token that cannot be kept is given all the same, and that is said.
func TestKeepingFails(t *testing.T) {
	unixOnly(t)
	f := newFixture(t)
	f.signedIn()
	f.clock.add(2 * time.Hour)
	a2 := f.access(alice, "A2")
	f.wants("R1", first(f.openToOthers, gives(a2, "R2")))
	f.counts()
	c, err := f.get()
	if err != nil || c.Secret != a2 {
		t.Errorf("P7 got %q, %v, want the token", c.Secret, err)
	}
	if _, _, said := f.counts(); !contains(said, "sign in again") || contains(said, a2) || contains(said, "R2") {
		t.Errorf("P7 got %q, want one that says the next run signs in, without a secret", said)
	}
}

// What has replaced the refresh token is kept even where the access token that
// came with it cannot be used.
func TestRotatedBesideBadToken(t *testing.T) {
	f := newFixture(t)
	for name, bad := range map[string]string{
		"I49 no JWT":            "not-a-jwt",
		"I44 empty":             "",
		"I51 another audience":  jwt(t, map[string]any{"iss": f.url, "sub": alice, "aud": "other", "exp": f.clock.Now().Add(time.Hour).Unix()}),
		"I51 another issuer":    jwt(t, map[string]any{"iss": "https://other", "sub": alice, "aud": registry, "exp": f.clock.Now().Add(time.Hour).Unix()}),
		"I51 another's subject": f.access(bob, "A2"),
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			bad = strings.ReplaceAll(bad, "ISSUER", f.url)
			if name == "I51 another's subject" {
				bad = f.access(bob, "A2")
			}
			f.signedIn()
			f.clock.add(2 * time.Hour)
			f.wants("R1", gives(bad, "R2"))
			if c, err := f.get(); err == nil || bad != "" && strings.Contains(err.Error(), bad) {
				t.Errorf("got %q, %v, want an error without the token", c.Secret, err)
			}
			f.wantSession("P7 the rotated one is kept", "R2", alice)
			if r, err := f.session().ReadCredential(registry); err != nil || r.IsValid(f.clock.Now()) {
				t.Errorf("I51 got %q kept, %v, want it not cached", r.Secret, err)
			}
		})
	}
}

func TestClock(t *testing.T) {
	for name, skew := range map[string]time.Duration{
		"F21 issuer 5 min ahead":  5 * time.Minute,
		"F21 issuer 5 min behind": -5 * time.Minute,
		"F21 issuer a day ahead":  24 * time.Hour,
		"F21 issuer a day behind": -24 * time.Hour,
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.skew = skew
			kept := f.signedIn()
			c, err := f.get()
			if err != nil || c.Secret != kept || c.Expires.Sub(f.clock.Now()).Round(time.Second) != time.Hour {
				t.Errorf("got %q until %v, %v, want the kept token for an hour by our clock", c.Secret, c.Expires, err)
			}
			f.clock.add(49 * time.Minute)
			f.wantGet("kept, by our clock", kept, 0, 0)
			f.clock.add(10*time.Minute + 30*time.Second)
			a2 := f.access(alice, "A2")
			f.wants("R1", gives(a2, ""))
			if c, err := f.get(); err != nil || c.Secret != a2 {
				t.Errorf("over, by our clock: got %q, %v, want a new token", c.Secret, err)
			}
			if _, _, said := f.counts(); contains(said, "clock") != (skew.Abs() > platform.ClockSlack) {
				t.Errorf("got %q said, want a word about the clock beyond %v alone", said, platform.ClockSlack)
			}
		})
	}
	t.Run("F21 a clock that jumps back", func(t *testing.T) {
		f := newFixture(t)
		kept := f.signedIn()
		f.clock.add(-4 * time.Minute)
		f.wantGet("by a little", kept, 0, 0)
		f.clock.add(-24 * time.Hour)
		a2 := f.access(alice, "A2")
		f.wants("R1", gives(a2, ""))
		f.wantGet("by a day: the kept times say nothing", a2, 1, 0)
		f.wantGet("and no loop", a2, 0, 0)
	})
	t.Run("F21 asleep for 8 hours", func(t *testing.T) {
		f := newFixture(t)
		f.signedIn()
		f.clock.add(8 * time.Hour)
		a2 := f.access(alice, "A2")
		f.wants("R1", gives(a2, "R2"))
		f.wantGet("woken", a2, 1, 0)
	})
}

// A refresh token that says it is over is not tried.
func TestRefreshTokenOver(t *testing.T) {
	f := newFixture(t)
	f.signsIn(alice, "R0")
	a1 := f.access(alice, "A1")
	f.wants("R0", gives(a1, f.refreshToken("R1", 3*time.Hour)))
	f.wantGet("sign-in", a1, 1, 1)
	f.person = nil
	f.clock.add(3*time.Hour + platform.ClockSlack + time.Second)
	var nobody *NotSignedInError
	if _, err := f.get(); !errors.As(err, &nobody) {
		t.Errorf("got %v, want a *NotSignedInError", err)
	}
}

// The access tokens' life is bounded, whatever they claim.
func TestKept(t *testing.T) {
	tests := []struct {
		name string
		exp  any
		want time.Duration // kept for; 0: used once
	}{
		{"an hour", time.Hour, time.Hour},
		{"I43 a year", 365 * 24 * time.Hour, store.MaxStored},
		{"I43 none", nil, 0},
		{"I43 the year 9999", int64(253402300799), 0},
		{"I43 1e300", 1e300, 0},
		{"I43 negative", -1, 0},
		{"I43 text", "tomorrow", 0},
		{"I43 past", -time.Hour, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t)
			claims := map[string]any{"iss": f.url, "sub": alice, "aud": registry, "exp": test.exp}
			if d, ok := test.exp.(time.Duration); ok {
				claims["exp"] = float64(f.clock.Now().Add(d).Unix()) + 0.5
			}
			token := jwt(t, claims)
			f.signsIn(alice, "R0")
			f.wants("R0", gives(token, "R1"))
			f.wantGet("given at once", token, 1, 1)
			r, err := f.session().ReadCredential(registry)
			if err != nil || (test.want == 0) != (r.Secret == "") {
				t.Fatalf("got %q kept, %v, want it kept for %v", r.Secret, err, test.want)
			}
			if test.want > 0 && time.Unix(r.Expires, 0).Sub(f.clock.Now()) != test.want {
				t.Errorf("got it kept until %v, want for %v", time.Unix(r.Expires, 0), test.want)
			}
		})
	}
}

// Somebody who could take no lock presented the token that was being spent, and noted
// the session as ended: the token that comes for it is kept all the same.
func TestEndedMeanwhile(t *testing.T) {
	f := newFixture(t)
	f.signedIn()
	f.clock.add(2 * time.Hour)
	a2 := f.access(alice, "A2")
	f.wants("R1", first(func() { f.replaceSession(alice, "", "") }, gives(a2, "R2")))
	f.wantGet("F31 ended meanwhile", a2, 1, 0)
	f.wantSession("F31 ended meanwhile", "R2", alice)
}
