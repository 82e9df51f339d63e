//go:build e2e && linux

package faults

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"docker-credential-cgr/e2e/fakeplatform"
	"docker-credential-cgr/e2e/program"
)

// getAtTerminal runs get with a terminal as its standard error, and returns what it
// says there.
func (v *variant) getAtTerminal() (result, string) {
	v.t.Helper()
	terminal, side, err := pty.Open()
	if err != nil {
		v.t.Fatal(err)
	}
	defer terminal.Close()
	cmd := v.command(context.Background(), program.Name, "get")
	cmd.Stderr = side
	r := v.startCommand(cmd, v.host+"\n").goOn()
	said := new(output)
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = io.Copy(said, terminal) // EIO when the last process has left the terminal
	}()
	ended := r.wait()
	_ = side.Close()
	<-read
	return ended, said.String()
}

// startedEarlier has the stored session begun earlier than it was.
func (p *fixture) startedEarlier(by time.Duration) {
	p.t.Helper()
	for _, path := range p.records("session") {
		var record map[string]any
		text, err := os.ReadFile(path)
		if err == nil {
			err = json.Unmarshal(text, &record)
		}
		if err != nil {
			p.t.Fatal(err)
		}
		record["signed_in"] = int64(record["signed_in"].(float64)) - by.Milliseconds()
		if text, err = json.Marshal(record); err == nil {
			err = os.WriteFile(path, text, 0o600)
		}
		if err != nil {
			p.t.Fatal(err)
		}
	}
}

const endsSoon = "the session ends at "

// Less than an hour of a session is left: a get at a terminal warns of it, once for
// each session.
func TestLastHourIsSaidOnceAtATerminal(t *testing.T) {
	p := newFixture(t, fakeplatform.WithBehavior(func(b *fakeplatform.Behavior) { b.SessionLifetime = 50 * time.Minute }))
	for range 2 {
		p.login()
		p.startedEarlier(19 * time.Hour)
		p.expire()
		if r := p.get(); strings.Contains(r.stderr, endsSoon) {
			t.Errorf("it warns where no terminal is: %s", r)
		}
		r, said := p.here().getAtTerminal()
		p.served(r)
		if strings.Count(said, endsSoon) != 1 || !strings.Contains(said, "hint: docker-credential-cgr login") {
			t.Errorf("no warning that the session ends: %s", said)
		}
		p.expire()
		for range 2 { // refreshed, and stored
			if r, said := p.here().getAtTerminal(); r.code != 0 || said != "" {
				t.Errorf("it says more than once %q: %s", said, r)
			}
		}
		// The next session ends at another second.
		p.platform.Change(func(b *fakeplatform.Behavior) { b.SessionLifetime -= time.Minute })
	}
}

// Where sessions last an hour anyway, their end is no surprise.
func TestShortSessionsEndWithoutAWarning(t *testing.T) {
	for name, change := range map[string]func(*fakeplatform.Behavior){
		"an hour":          func(b *fakeplatform.Behavior) { b.SessionLifetime = time.Hour },
		"no refresh token": func(b *fakeplatform.Behavior) { b.NoRefreshToken = true },
	} {
		t.Run(name, func(t *testing.T) {
			p := newFixture(t, fakeplatform.WithBehavior(change))
			p.login()
			for range 2 {
				if r, said := p.here().getAtTerminal(); r.code != 0 || said != "" {
					t.Errorf("it says %q: %s", said, r)
				}
			}
			if name == "an hour" {
				p.expire()
				if r, said := p.here().getAtTerminal(); r.code != 0 || said != "" {
					t.Errorf("after a refresh it says %q: %s", said, r)
				}
			}
		})
	}
}

// A session ends in the middle of a pull of many images: all that ask then get what
// one window brings.
func TestSessionEndsDuringAPullOfManyImages(t *testing.T) {
	p := newFixture(t, fakeplatform.WithBehavior(func(b *fakeplatform.Behavior) { b.SessionLifetime = 20 * time.Hour }))
	p.set(alwaysSignsIn)
	p.login()
	p.expire()
	p.sameAnswer(all(p.here().getAtOnce(10)))
	if got := p.counted(); got != (totals{windows: 1, refreshes: 2}) {
		t.Errorf("before the end: %s", got)
	}

	p.expire()
	p.platform.RevokeSessions()
	p.platform.ResetCounts()
	p.sameAnswer(all(p.here().getAtOnce(20)))
	// One refresh that is refused, one that redeems what the window brought.
	if got := p.totals(); got != (totals{windows: 2, refreshes: 2}) {
		t.Errorf("after the end: %s", got)
	}
}

// An hour-long session without a refresh token ends likewise.
func TestTokenEndsDuringAPullOfManyImages(t *testing.T) {
	p := newFixture(t, fakeplatform.WithBehavior(func(b *fakeplatform.Behavior) {
		b.AutoApprove, b.SingleSignOn, b.NoRefreshToken = false, true, true
	}))
	p.set(alwaysSignsIn)
	p.sameAnswer(all(p.here().getAtOnce(20)))
	p.expire()
	p.sameAnswer(all(p.here().getAtOnce(20)))
	if windows, forms := len(p.windows()), p.platform.Count("oauth.form"); windows != 2 || forms != 2 {
		t.Errorf("got %d windows and %d forms, want 2", windows, forms)
	}
	if n := p.platform.Count("sts"); n != 0 {
		t.Errorf("got %d requests for a refresh, want none", n)
	}
}
