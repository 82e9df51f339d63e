package token

import (
	"context"
	"docker-credential-cgr/hint"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// leaves has a person leave every window.
func (f *fixture) leaves() {
	f.person = func(context.Context) (*Grant, error) {
		return nil, &SignInError{Why: "was refused: no"}
	}
}

// wantWindows asks once and checks how many windows that opened.
func (f *fixture) wantWindows(what string, windows int) error {
	f.t.Helper()
	f.counts()
	c, err := f.get()
	if err == nil {
		f.t.Errorf("%s: got %+v, want an error", what, c)
	}
	if _, got, _ := f.counts(); got != windows {
		f.t.Errorf("%s: got %d windows, want %d", what, got, windows)
	}
	return err
}

// A closed window is an answer: 1, 2, 4, 8 and then 15 minutes.
func TestClosedWindow(t *testing.T) {
	f := newFixture(t)
	f.leaves()
	for _, pause := range []time.Duration{1, 2, 4, 8, 15, 15, 15} {
		err := f.wantWindows("T2 the pause is over", 1)
		var left *SignInError
		if !errors.As(err, &left) {
			t.Errorf("got %v, want a *SignInError", err)
		}
		f.clock.add(pause*time.Minute - time.Second)
		err = f.wantWindows("P6 a second before the pause is over", 0)
		var nobody *NotSignedInError
		if !errors.As(err, &nobody) || !strings.Contains(nobody.Error(), "was refused: no") || !slices.Contains(hint.Of(err), hint.Do(hint.SignIn)) {
			t.Errorf("C14 got %v, want a *NotSignedInError with the reason and the command", err)
		}
		f.clock.add(time.Second)
	}
	t.Run("after a quiet day it begins anew", func(t *testing.T) {
		f.clock.add(24 * time.Hour)
		f.wantWindows("first", 1)
		f.clock.add(time.Minute)
		f.wantWindows("second", 1)
	})
}

// A sign-in, and that alone, ends the pause; login may always try.
func TestClosedWindowAndLogin(t *testing.T) {
	f := newFixture(t)
	f.leaves()
	f.wantWindows("closed", 1)
	if _, err := f.session().Login(t.Context()); err == nil {
		t.Error("login that is refused: got no error, want one")
	}
	if _, windows, _ := f.counts(); windows != 1 {
		t.Errorf("P6 login while it cools down: got %d windows, want 1", windows)
	}
	f.clock.add(time.Minute)
	f.wantWindows("T2 the refused login counts too", 0)
	f.clock.add(time.Minute)
	f.wantWindows("two minutes after it", 1)

	f.signsIn(alice, "R0")
	f.wants("R0", gives(f.access(alice, "A1"), "R1"))
	account, err := f.session().Login(t.Context())
	if err != nil || account.Subject != alice || account.String() != "a@example.com" {
		t.Errorf("P18 login: got %v, %v, want alice", account, err)
	}
	f.logout()
	f.leaves()
	f.wantWindows("after a sign-in nothing cools down", 1)
	f.clock.add(time.Minute)
	f.wantWindows("and the count is one", 1)
}

// What is no answer of a person leaves the pause as it was.
func TestStoppedSignInIsNoAnswer(t *testing.T) {
	for name, err := range map[string]error{
		"F25 stopped":        context.Canceled,
		"no listener":        errors.New("cannot listen"),
		"F25 stopped, named": errors.Join(errors.New("the sign-in was stopped"), context.Canceled),
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			stop := func(context.Context) (*Grant, error) { return nil, err }
			f.person = stop
			f.wantWindows("first", 1)
			f.wantWindows("at once again", 1)
			f.leaves()
			f.wantWindows("closed", 1)
			f.clock.add(time.Minute)
			f.person = stop
			f.wantWindows("stopped", 1)
			f.wantWindows("stopped, and the pause was over", 1)
			f.leaves()
			f.wantWindows("closed for the second time", 1)
			f.clock.add(2*time.Minute - time.Second)
			f.wantWindows("P6 two minutes for the second", 0)
		})
	}
}

// Ctrl-C is a person who knows; anything else that ends us may have left a window
// open that nobody will look at.
func TestInterruptedSignIn(t *testing.T) {
	for _, test := range []struct {
		name  string
		cause error
		again int // windows at once after it
	}{
		{"F25 Ctrl-C", ErrInterrupted, 1},
		{"F25 the client is gone", errors.New("the client is gone"), 0},
		{"F25 ended", context.Canceled, 0},
	} {
		for how := range map[string]bool{"caller": true, "watch": true} {
			t.Run(test.name+", by the "+how, func(t *testing.T) {
				f := newFixture(t)
				ctx, stop := context.WithCancelCause(t.Context())
				f.person = func(ctx context.Context) (*Grant, error) {
					stop(test.cause)
					<-ctx.Done()
					return nil, context.Cause(ctx)
				}
				s := f.session()
				caller := ctx
				if how == "watch" {
					caller = t.Context()
					s.Watch = func(context.Context) (context.Context, context.CancelFunc) { return ctx, func() {} }
				}
				if c, err := s.Credential(caller, registry, true); !errors.Is(err, test.cause) {
					t.Errorf("got %+v, %v, want the cause", c, err)
				}
				f.leaves()
				f.wantWindows("at once after it", test.again)
			})
		}
	}
}

// A process that is killed while its window is open has noted it before.
func TestKilledSignIn(t *testing.T) {
	f := newFixture(t)
	f.person = func(context.Context) (*Grant, error) {
		if closed := f.session().ReadBackoff(); !closed.IsActive(f.clock.Now()) {
			t.Errorf("F13 while the window is open: got the note %+v, want one that holds", closed)
		}
		return nil, context.Canceled
	}
	f.wantWindows("killed", 1)
}

func TestDamagedNote(t *testing.T) {
	f := newFixture(t)
	f.leaves()
	if err := f.store.WriteNote(f.session().LockName()+".closed", []byte(`{"count":"x"`)); err != nil {
		t.Fatal(err)
	}
	f.wantWindows("I38 a damaged note holds nobody back", 1)
	f.wantWindows("and is replaced", 0)
}
