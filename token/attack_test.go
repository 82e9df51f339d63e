package token

import (
	"context"
	"strings"
	"testing"
	"time"

	"docker-credential-cgr/platform"
)

// Anybody can name a host below the registry in a Dockerfile. That the issuer
// knows no such audience must not end the session.
func TestUnknownHostEndsNoSession(t *testing.T) {
	f := newFixture(t)
	f.signedIn()
	f.mu.Lock()
	f.steps = append(f.steps, step{"R1", "nosuch." + registry, fails(400, platform.CodeInvalidArgument, "unknown audience")})
	f.mu.Unlock()
	if c, err := f.session().Credential(t.Context(), "nosuch."+registry, true); err == nil {
		t.Errorf("got %q, want an error", c.Secret)
	}
	f.wantSession("I53 an audience that is refused", "R1", alice)
}

// The token in the address of a callback is anybody's to write; the one that its
// refresh token is exchanged for is the issuer's word.
func TestForgedCallback(t *testing.T) {
	f := newFixture(t)
	f.signedIn()
	f.clock.add(2 * time.Hour)
	f.wants("R1", fails(401, platform.CodeUnauthenticated, "revoked"))
	f.signsIn(alice, "R-of-bob")
	f.wants("R-of-bob", gives(f.access(bob, "B1"), "R-of-bob-2"))
	c, err := f.get()
	if err == nil || c.Secret != "" || !strings.Contains(err.Error(), "name different accounts") ||
		strings.Contains(err.Error(), bob) {
		t.Errorf("I66 got %q, %v, want it refused", c.Secret, err)
	}
	f.wantSession("I66 after it", "", alice)
}

// A slow answer to an early refresh is waited for: it may hold the only refresh
// token that is still good.
func TestSlowEarlyRefresh(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	f := newFixture(t)
	f.signedIn()
	f.clock.add(55 * time.Minute)
	a2 := f.access(alice, "A2")
	f.wants("R1", first(func() { time.Sleep(2200 * time.Millisecond) }, gives(a2, "R2")))
	f.wantGet("P7 slow early refresh", a2, 1, 0)
	f.wantSession("P7 slow early refresh", "R2", alice)
}

// Storing a pair for another host does not touch the session that is being
// refreshed, and signing out finds the pair again.
func TestStoreBelowDuringRefresh(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	f := newFixture(t)
	f.signedIn()
	f.clock.add(2 * time.Hour)
	a2 := f.access(alice, "A2")
	below := "apk." + registry
	f.wants("R1", first(func() {
		if err := f.session().Store(t.Context(), below, "id", "pull-token-for-apk"); err != nil {
			t.Error(err)
		}
	}, gives(a2, "R2")))
	f.wantGet("C7 a pair stored meanwhile", a2, 1, 0)
	f.wantSession("C7 a pair stored meanwhile", "R2", alice)

	f.signsIn(alice, "R10")
	f.wants("R10", gives(f.access(alice, "A10"), "R11"))
	if _, err := f.session().Login(t.Context()); err != nil {
		t.Fatal(err)
	}
	names, err := f.session().Usernames()
	if err != nil || names[below] != "id" || names[registry] != Username {
		t.Errorf("I15 got %v, %v, want both hosts", names, err)
	}
	if err := f.session().Erase(t.Context(), registry); err != nil {
		t.Fatal(err)
	}
	if names, err := f.session().Usernames(); err != nil || len(names) != 0 {
		t.Errorf("P8 after logout: got %v, %v, want nothing", names, err)
	}
}

// A refresh that ends while login waits for the lock is no sign-in.
func TestLoginDuringRefresh(t *testing.T) {
	f := newFixture(t)
	f.signedIn()
	f.clock.add(2 * time.Hour)
	f.signsIn(alice, "R10")
	begun := make(chan struct{})
	f.wants("R1", first(func() { close(begun); time.Sleep(100 * time.Millisecond) }, gives(f.access(alice, "A2"), "R2")))
	f.wants("R10", gives(f.access(alice, "A10"), "R11"))
	got := make(chan error, 1)
	go func() {
		_, err := f.session().Credential(context.Background(), registry, true)
		got <- err
	}()
	<-begun
	if _, err := f.session().Login(t.Context()); err != nil {
		t.Errorf("C8 got %v, want a sign-in", err)
	}
	if err := <-got; err != nil {
		t.Errorf("C8 the refresh: got %v, want no error", err)
	}
	if _, windows, _ := f.counts(); windows != 1 {
		t.Errorf("C8 got %d windows, want 1", windows)
	}
	f.wantSession("C8 after it", "R11", alice)
}
