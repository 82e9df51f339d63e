//go:build e2e && linux

package clients

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"docker-credential-cgr/e2e/fakeplatform"
)

// TestPull pulls a private image with nothing set up but the helper: one sign-in,
// and the next pull asks nobody.
func TestPull(t *testing.T) {
	eachOf(t, allClients, func(t *testing.T, c client) {
		p := newPlaceFor(t, c)
		p.signsInAlone()
		r := c.pulls(p, privateImage)
		p.wantCounts("first pull", map[string]int{"windows": 1, "signin": 1, "sts.refresh": 1, "sts.exchange": 0})
		if !strings.Contains(r.stderr, "sign in in your browser") {
			t.Errorf("it did not say that it opens a browser: %s", r)
		}

		r = c.pulls(p, privateImage)
		p.wantCounts("second pull", map[string]int{"windows": 0, "issuer": 0})
		if strings.Contains(r.stderr, "docker-credential-cgr") {
			t.Errorf("it had something to say: %s", r)
		}
	})
}

// TestPullAtATerminal signs in because somebody sits at a terminal, and for no
// other reason.
func TestPullAtATerminal(t *testing.T) {
	c, p := docker, newPlaceFor(t, docker)
	r := p.runAtTerminal(c.pull(p, p.host+"/"+privateImage, "")...)
	if r.code != 0 {
		t.Fatalf("the pull failed: %s", r)
	}
	c.arrived(p, privateImage, p.path("tmp/image"))
	p.wantCounts("first pull", map[string]int{"windows": 1, "signin": 1})

	if r := p.runAtTerminal(c.pull(p, p.host+"/"+privateImage, "")...); r.code != 0 {
		t.Fatalf("the second pull failed: %s", r)
	}
	c.arrived(p, privateImage, p.path("tmp/image-2"))
	p.wantCounts("second pull", map[string]int{"windows": 0, "issuer": 0})
}

// TestPullAnonymously has nobody signed in and no terminal: public images come
// all the same, and of a private one the registry's own error is told.
func TestPullAnonymously(t *testing.T) {
	eachOf(t, allClients, func(t *testing.T, c client) {
		p := newPlaceFor(t, c)
		c.pulls(p, publicImage)
		p.wantCounts("public image", map[string]int{"windows": 0, "issuer": 0})

		p.refusesPrivate(c)
		p.wantCounts("private image", map[string]int{"windows": 0, "issuer": 0})
	})
}

// refusesPrivate pulls the private image, which must fail in the registry's words,
// with the helper's word of what to do about it.
func (p *fixture) refusesPrivate(c client) {
	p.t.Helper()
	r, _ := c.tryPull(p, privateImage)
	if r.code == 0 {
		p.t.Fatalf("the private image was pulled: %s", r)
	}
	for _, want := range []string{"Authentication required", "hint: docker-credential-cgr login"} {
		if !strings.Contains(r.stderr, want) {
			p.t.Errorf("no word of %q: %s", want, r)
		}
	}
}

// TestPullThroughCredsStore has the helper registered for every registry. Some
// clients then ask it for the repository first.
func TestPullThroughCredsStore(t *testing.T) {
	// Podman and Skopeo do not read credsStore.
	eachOf(t, []client{docker, crane}, func(t *testing.T, c client) {
		p := newPlaceFor(t, c)
		p.writeConfig(`{"credsStore": "cgr"}`)
		p.signsInAlone()
		c.pulls(p, privateImage)
		p.wantCounts("first pull", map[string]int{"windows": 1, "signin": 1})
	})
}

// TestPullRefreshes has an access token that has ended, and a session that goes
// on: one request, and no window.
func TestPullRefreshes(t *testing.T) {
	eachOf(t, allClients, func(t *testing.T, c client) {
		p := newPlaceFor(t, c)
		p.signsInWithAShortToken(c)
		c.pulls(p, privateImage)
		p.wantCounts("pull after the token's end", map[string]int{"windows": 0, "signin": 0, "sts.refresh": 1, "sts": 1})
		c.pulls(p, privateImage)
		p.wantCounts("next pull", map[string]int{"windows": 0, "issuer": 0})
	})
}

// signsInWithAShortToken leaves a session that goes on, with an access token that
// is too close to its end to be given again.
func (p *fixture) signsInWithAShortToken(c client) {
	p.t.Helper()
	p.signsInAlone()
	p.platform.Change(func(b *fakeplatform.Behavior) { b.AccessLifetime = 30 * time.Second })
	c.pulls(p, privateImage)
	p.wantCounts("sign-in", map[string]int{"windows": 1, "signin": 1})
	p.platform.Change(func(b *fakeplatform.Behavior) { b.AccessLifetime = time.Hour })
}

// TestPullAfterTheSession has a refresh token that is good for nothing any more:
// one window, and no more requests than it takes to know.
func TestPullAfterTheSession(t *testing.T) {
	ends := []struct {
		how string
		end func(p *fakeplatform.Platform)
	}{
		{"revoked", (*fakeplatform.Platform).RevokeSessions},
		{"expired", func(p *fakeplatform.Platform) {
			// A refresh token lives for thirty days.
			p.Change(func(b *fakeplatform.Behavior) { b.ClockSkew = 31 * 24 * time.Hour })
		}},
	}
	c := docker
	for _, test := range ends {
		t.Run(test.how, func(t *testing.T) {
			p := newPlaceFor(t, c)
			p.signsInWithAShortToken(c)
			test.end(p.platform)
			r := c.pulls(p, privateImage)
			// One refresh finds out, the other spends what the sign-in brought.
			p.wantCounts("pull after the session's end", map[string]int{"windows": 1, "signin": 1, "sts.refresh": 2})
			if want := fmt.Sprintf("the session of %s has ended", fakeplatform.Ada); !strings.Contains(r.stderr, want) {
				t.Errorf("it did not say that %s: %s", want, r)
			}
			c.pulls(p, privateImage)
			p.wantCounts("next pull", map[string]int{"windows": 0, "issuer": 0})
		})
	}
}
