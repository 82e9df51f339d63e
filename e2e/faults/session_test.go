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

// getAtTerminal runs get with a terminal as its standard error and returns its output there.
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

// startedEarlier changes the start of the stored session to an earlier time.
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

// If less than an hour of a session is left, a get at a terminal warns once per session.
func TestLastHourIsSaidOnceAtATerminal(t *testing.T) {
	p := newFixture(t, fakeplatform.WithBehavior(func(b *fakeplatform.Behavior) { b.SessionLifetime = 50 * time.Minute }))
	for range 2 {
		p.login()
		p.startedEarlier(19 * time.Hour)
		p.expire()
		if r := p.get(); strings.Contains(r.stderr, endsSoon) {
			t.Errorf("warning without a terminal: %s", r)
		}
		r, said := p.here().getAtTerminal()
		p.served(r)
		if strings.Count(said, endsSoon) != 1 || !strings.Contains(said, "hint: docker-credential-cgr login") {
			t.Errorf("missing warning about the end of the session: %s", said)
		}
		p.expire()
		for range 2 { // refreshed, and stored
			if r, said := p.here().getAtTerminal(); r.code != 0 || said != "" {
				t.Errorf("repeated warning %q: %s", said, r)
			}
		}
		// The next session ends at another second.
		p.platform.Change(func(b *fakeplatform.Behavior) { b.SessionLifetime -= time.Minute })
	}
}

// If sessions last only an hour, there is no warning.
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
					t.Errorf("unexpected warning %q: %s", said, r)
				}
			}
			if name == "an hour" {
				p.expire()
				if r, said := p.here().getAtTerminal(); r.code != 0 || said != "" {
					t.Errorf("unexpected warning after a refresh %q: %s", said, r)
				}
			}
		})
	}
}

// A session ends during a pull of many images: all processes get the credential of one window.
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
	// One refresh is refused; one redeems the refresh token of the new sign-in.
	if got := p.totals(); got != (totals{windows: 2, refreshes: 2}) {
		t.Errorf("after the end: %s", got)
	}
}

// The same for a session of an hour without a refresh token.
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
