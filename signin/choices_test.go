package signin

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"docker-credential-cgr/signin/prompt"
)

// Each thing that the issuer's page can be told has its parameter, and what
// excludes another leaves it out.
func TestPageParameters(t *testing.T) {
	const identity = "cccccccccccccccccccccccccccccccccccccccc/0123456789abcdef"
	tests := []struct {
		name    string
		browser Browser
		changed url.Values // from those of the zero Browser; nil: left out
	}{
		{"nothing", Browser{}, nil},
		{"provider", Browser{Provider: "aa/bb"}, url.Values{"idp_id": {"aa/bb"}, "client_id": nil}},
		{"I28 organization", Browser{Provider: "a&b=c/../ü d"}, url.Values{"idp_id": {"a&b=c/../ü d"}, "client_id": nil}},
		{"email", Browser{Connection: "email"}, nil},
		{"google", Browser{Connection: "google"}, url.Values{"connection": {"google-oauth2"}}},
		{"github", Browser{Connection: "github"}, url.Values{"connection": {"github"}}},
		{"gitlab", Browser{Connection: "gitlab"}, url.Values{"connection": {"gitlab"}}},
		{"provider and connection", Browser{Provider: "aa/bb", Connection: "github"}, url.Values{"idp_id": {"aa/bb"}, "client_id": nil}},
		{"identity", Browser{Identity: identity}, url.Values{"identity": {identity}}},
		{"invite", Browser{Invite: "code+/="}, url.Values{"invite": {"code+/="}, "skip_registration": nil}},
		{"no refresh token", Browser{NoRefreshToken: true}, url.Values{"create_refresh_token": nil}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			want := url.Values{
				"exit": {"redirect"}, "client_id": {"auth0"}, "audience": {"cgr.dev,https://console-api.enforce.dev"},
				"create_refresh_token": {"true"}, "skip_registration": {"true"},
			}
			for name, values := range test.changed {
				if want[name] = values; values == nil {
					delete(want, name)
				}
			}
			q, err := test.browser.parameters([]string{registry, api})
			if err != nil || q.Encode() != want.Encode() {
				t.Errorf("got %v, %v, want %v", q, err, want)
			}
		})
	}
	t.Run("I23 unknown connection", func(t *testing.T) {
		b := Browser{Connection: "carrier\x1b pigeon", Now: time.Now, Screen: prompt.Screen{Out: io.Discard}}
		if grant, err := b.SignIn(t.Context(), request(registry)); err == nil || !strings.Contains(err.Error(), `"carrier\x1b pigeon"`) {
			t.Errorf("got %+v, %v, want it refused", grant, err)
		}
	})
}

// A caller that knows another way hears at once that there is no browser.
func TestSignInGivesUp(t *testing.T) {
	noBrowserHere(t)
	screen := &screen{}
	b := &Browser{Issuer: issuerURL, Opens: true, GiveUp: true, Wait: time.Minute, Screen: prompt.Screen{Out: screen}, Now: time.Now, Debug: t.Logf}
	t.Setenv("BROWSER", filepath.Join(t.TempDir(), "missing"))
	grant, err := b.SignIn(t.Context(), request(registry))
	if !errors.Is(err, ErrNoBrowser) || !strings.Contains(screen.String(), "no browser could be opened") {
		t.Errorf("F22 one that is missing: got %+v, %v and %q, want ErrNoBrowser", grant, err, screen)
	}
	for line := range strings.Lines(screen.String()) {
		if address := strings.TrimSpace(line); strings.HasPrefix(address, issuerURL) {
			redirect := parse(t, parse(t, address).Query().Get("redirect"))
			if conn, err := net.Dial("tcp4", "127.0.0.1:"+redirect.Port()); err == nil {
				conn.Close()
				t.Error("got the listener open, want it closed")
			}
		}
	}
}

// Without GiveUp, the person can still open the address themselves.
func TestSignInWaitsOn(t *testing.T) {
	noBrowserHere(t)
	t.Setenv("BROWSER", filepath.Join(t.TempDir(), "missing"))
	screen, result := &screen{}, make(chan error, 1)
	b := &Browser{Issuer: issuerURL, Opens: true, Wait: time.Minute, Screen: prompt.Screen{Out: screen}, Now: time.Now, Debug: func(string, ...any) {}}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		_, err := b.SignIn(ctx, request(registry))
		result <- err
	}()
	waitFor(t, "word of it", func() bool { return strings.Contains(screen.String(), "open the address yourself") })
	select {
	case err := <-result:
		t.Errorf("F22 got %v, want the sign-in to go on", err)
	default:
	}
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
}

// A sign-in as another identity than the one asked for is no answer.
func TestSignInAsAnother(t *testing.T) {
	const identity = "cccccccccccccccccccccccccccccccccccccccc/0123456789abcdef"
	s := newSigning(t, time.Minute)
	b := &browserSignIn{
		Browser: &Browser{Issuer: issuerURL, Identity: identity, Now: s.clock.Now},
		request: request(registry),
	}
	if grant, err := b.read(callback{token: s.token(nil)}); err == nil || !strings.Contains(err.Error(), alice) {
		t.Errorf("P18 got %+v, %v, want it refused", grant, err)
	}
	if _, err := b.read(callback{token: s.token(map[string]any{"sub": identity})}); err != nil {
		t.Errorf("P18 the identity: got %v, want it", err)
	}
}
