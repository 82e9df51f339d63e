package signin

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"docker-credential-cgr/token"
)

var (
	pending = reply(400, map[string]any{"error": "authorization_pending"})
	slow    = reply(400, map[string]any{"error": "slow_down"})
	cut     = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
)

// devices signs in with a device code, by a clock that waits for nobody. polls are
// the answers before the ID token; change comes first.
func devices(t *testing.T, polls []http.HandlerFunc, change func(*fakeProvider, *Provider), check func(f *fakeProvider, said string, grant *token.Grant, err error)) {
	t.Helper()
	rsaKey() // which takes long, and is not to be waited for below
	synctest.Test(t, func(t *testing.T) {
		f, out := newFakeProvider(t, time.Now), &screen{}
		f.faults["/token"] = polls
		p := f.provider(out)
		p.Device = true
		if change != nil {
			change(f, p)
		}
		start := time.Now()
		grant, err := p.SignIn(t.Context(), request(registry, api))
		if said := out.String(); strings.Contains(said, deviceToken) || f.idToken != "" && strings.Contains(said, f.idToken) {
			t.Errorf("P13 got %s, want no secret", said)
		}
		for i, poll := range f.polls {
			f.polls[i] = time.Time{}.Add(poll.Sub(start))
		}
		check(f, out.String(), grant, err)
	})
}

// at gives the polls' times, from the sign-in's start.
func (f *fakeProvider) at() (at []time.Duration) {
	for _, poll := range f.polls {
		at = append(at, poll.Sub(time.Time{}))
	}
	return at
}

func secondsAt(times ...int) (at []time.Duration) {
	for _, t := range times {
		at = append(at, time.Duration(t)*time.Second)
	}
	return at
}

func TestProviderDevice(t *testing.T) {
	devices(t, []http.HandlerFunc{pending, pending}, nil, func(f *fakeProvider, said string, grant *token.Grant, err error) {
		if err != nil || grant.Subject != alice || grant.RefreshToken != "R1" {
			t.Fatalf("got %+v, %v, want what was exchanged", grant, err)
		}
		if want := (url.Values{"client_id": {clientID}, "scope": {"openid email"}}); f.asked["/device_authorization"][0].Encode() != want.Encode() {
			t.Errorf("got %v asked, want %v", f.asked["/device_authorization"], want)
		}
		if got, want := f.at(), secondsAt(5, 10, 15); !slices.Equal(got, want) {
			t.Errorf("I57 polls: got them at %v, want %v", got, want)
		}
		want := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {deviceToken}, "client_id": {clientID}, "scope": {"openid email"}}
		if got := f.asked["/token"][0]; got.Encode() != want.Encode() {
			t.Errorf("a poll: got %v, want %v", got, want)
		}
		if got, want := f.asked["/sts/exchange"][0], (url.Values{"aud": {registry, api}, "identity_provider": {uidp}}); got.Encode() != want.Encode() {
			t.Errorf("the exchange: got %v, want %v", got, want)
		}
		for _, part := range []string{
			"\n    " + providerURL + "/device\n", "the code WDJB-MJHT", "only if you started this yourself",
			providerURL + "/device?user_code=WDJB-MJHT\n", "(5 minutes); Ctrl-C cancels",
		} {
			if !strings.Contains(said, part) {
				t.Errorf("S16, S18 got %s, want %q in it", said, part)
			}
		}
		if strings.ContainsAny(said, "\r\x1b█▀▄") || strings.Contains(said, "going on until") {
			t.Errorf("F33 got %q, want neither a QR code nor a countdown without a terminal, and no trouble", said)
		}
	})
}

// How fast polls come is the provider's to say.
func TestProviderDevicePace(t *testing.T) {
	repeat := func(n int, answer http.HandlerFunc) []http.HandlerFunc {
		return slices.Repeat([]http.HandlerFunc{answer}, n)
	}
	for _, test := range []struct {
		name     string
		interval any // nil: none
		polls    []http.HandlerFunc
		want     []time.Duration
		trouble  bool // which the person is told of
	}{
		{"I57 none", nil, repeat(2, pending), secondsAt(5, 10, 15), false},
		{"I57 0", 0, repeat(1, pending), secondsAt(5, 10), false},
		{"I57 less than 0", -3, repeat(1, pending), secondsAt(5, 10), false},
		{"I57 1", 1, repeat(2, pending), secondsAt(1, 2, 3), false},
		{"I57 1e9", 1e9, repeat(1, pending), secondsAt(60, 120), false},
		{"I57 slow down, for good each time", 5, []http.HandlerFunc{slow, slow, pending, pending}, secondsAt(5, 15, 30, 45, 60), false},
		{"S17 slow down with a 429", 5, []http.HandlerFunc{reply(429, map[string]any{"error": "slow_down"}), pending}, secondsAt(5, 15, 25), false},
		{"S17 pending with a 200", 5, []http.HandlerFunc{reply(200, map[string]any{"error": "authorization_pending"})}, secondsAt(5, 10), false},
		{"S17 cut connections, then slower", 5, []http.HandlerFunc{cut, cut, cut, pending, pending}, secondsAt(5, 15, 35, 75, 115, 155), true},
		{"S17 503", 5, []http.HandlerFunc{webPage(503), pending}, secondsAt(5, 15, 25), true},
		{"S17 500 with an error's code", 5, []http.HandlerFunc{reply(500, map[string]any{"error": "server_error"})}, secondsAt(5, 15), true},
		{"S17 429", 5, []http.HandlerFunc{webPage(429)}, secondsAt(5, 15), true},
		{"S17 a captive portal", 5, []http.HandlerFunc{webPage(200)}, secondsAt(5, 15), true},
		{"S17 slow down between cuts", 5, []http.HandlerFunc{cut, slow, cut}, secondsAt(5, 15, 30, 50), true},
		{"S17 no answer for long", 30, repeat(3, cut), secondsAt(30, 90, 150, 210), true},
	} {
		t.Run(test.name, func(t *testing.T) {
			devices(t, test.polls, func(f *fakeProvider, _ *Provider) {
				if f.device["interval"] = test.interval; test.interval == nil {
					delete(f.device, "interval")
				}
			}, func(f *fakeProvider, said string, grant *token.Grant, err error) {
				if err != nil {
					t.Fatal(err)
				}
				if got := f.at(); !slices.Equal(got, test.want) {
					t.Errorf("got polls at %v, want %v", got, test.want)
				}
				if told := strings.Count(said, "still waiting"); test.trouble != (told == 1) || told > 1 {
					t.Errorf("got %q, want word of trouble %v, once", said, test.trouble)
				}
			})
		})
	}
}

func TestProviderDeviceEnds(t *testing.T) {
	never := slices.Repeat([]http.HandlerFunc{pending}, 1000)
	set := func(name string, value any) func(*fakeProvider, *Provider) {
		return func(f *fakeProvider, _ *Provider) { f.device[name] = value }
	}
	for _, test := range []struct {
		name   string
		polls  []http.HandlerFunc
		change func(*fakeProvider, *Provider)
		want   string
		count  int // of polls
	}{
		{"S17 denied", []http.HandlerFunc{pending, reply(400, map[string]any{"error": "access_denied"})}, nil, "the sign-in was refused: access_denied", 2},
		{"S17 denied, with words", []http.HandlerFunc{reply(403, map[string]any{"error": "access_denied", "error_description": "no\x1b"})}, nil, `access_denied: no\x1b`, 1},
		{"S17 expired", []http.HandlerFunc{reply(400, map[string]any{"error": "expired_token"})}, nil, "before its code expired", 1},
		{"S17 the code is unknown", []http.HandlerFunc{reply(400, map[string]any{"error": "invalid_grant", "error_description": deviceToken})}, nil, "the provider login.example answered 400 Bad Request: invalid_grant: [secret]", 1},
		{"S17 a client that may not", []http.HandlerFunc{reply(401, map[string]any{"error": "unauthorized_client"})}, nil, "unauthorized_client", 1},
		{"S17 a page", []http.HandlerFunc{webPage(407)}, nil, "answered 407", 1},
		{"P15 a redirect", []http.HandlerFunc{func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://evil.example/", http.StatusPermanentRedirect)
		}}, nil, "answered 308", 1},
		{"F24 never approved", never, nil, "was not finished within 5 minutes", 42},
		{"I57 expires_in 60", never, set("expires_in", 60), "was not finished within 1 minute", 8},
		{"I57 expires_in 0", never, set("expires_in", 0), "was not finished within 5 minutes", 42},
		{"I57 expires_in less than 0", never, set("expires_in", -1), "was not finished within 5 minutes", 42},
		{"I57 no expires_in", never, set("expires_in", nil), "was not finished within 5 minutes", 42},
		{"S9 another's key", nil, func(f *fakeProvider, _ *Provider) { otherKey(); f.sign = signRS256(otherKey()) }, "issued an ID token that is not valid", 1},
		{"S9 another audience", nil, func(f *fakeProvider, _ *Provider) { f.claims = map[string]any{"aud": "client-2"} }, "issued an ID token that is not valid", 1},
		{"S9 no ID token", []http.HandlerFunc{reply(200, map[string]any{"access_token": "x"})}, nil, "issued no ID token", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			devices(t, test.polls, func(f *fakeProvider, p *Provider) {
				f.device["interval"] = 7 // so that no poll meets the end
				if test.change != nil {
					test.change(f, p)
				}
			}, func(f *fakeProvider, said string, grant *token.Grant, err error) {
				wantEnded(t, grant, err, test.want)
				if strings.Contains(err.Error(), deviceToken) {
					t.Errorf("P13 got %v, want no secret", err)
				}
				if len(f.polls) != test.count || f.count("/sts/exchange") != 0 {
					t.Errorf("got %d polls and %d exchanges, want %d and none", len(f.polls), f.count("/sts/exchange"), test.count)
				}
			})
		})
	}
	t.Run("F25 stopped", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFakeProvider(t, time.Now)
			f.faults["/token"] = slices.Clone(never)
			p := f.provider(&screen{})
			p.Device = true
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(12*time.Second, func() { cancel(token.ErrInterrupted) })
			_, err := p.SignIn(ctx, request(registry))
			var answered *token.SignInError
			if !errors.Is(err, token.ErrInterrupted) || errors.As(err, &answered) || len(f.polls) != 2 {
				t.Errorf("got %v after %d polls, want the context's cause after 2", err, len(f.polls))
			}
		})
	})
}

// A device code that cannot be shown ends it before anybody is asked.
func TestProviderDeviceCode(t *testing.T) {
	set := func(name string, value any) func(*fakeProvider, *Provider) {
		return func(f *fakeProvider, _ *Provider) { f.device[name] = value }
	}
	answers := func(answer http.HandlerFunc) func(*fakeProvider, *Provider) {
		return func(f *fakeProvider, _ *Provider) { f.faults["/device_authorization"] = []http.HandlerFunc{answer} }
	}
	for _, test := range []struct {
		name   string
		change func(*fakeProvider, *Provider)
		want   string
	}{
		{"I57 page of a script", set("verification_uri", "javascript:alert(1)"), "verification_uri is not a valid URL"},
		{"I57 page of a file", set("verification_uri", "file://host/etc/passwd"), "verification_uri is not an https URL"},
		{"I57 page on http", set("verification_uri", "http://login.example/device"), "verification_uri is not an https URL"},
		{"I57 page with a terminal sequence", set("verification_uri", providerURL+"/\x1b[2J"), "verification_uri is not a valid URL"},
		{"I57 page with a password", set("verification_uri", "https://login.example@evil.example/"), "verification_uri is not a valid URL"},
		{"I57 no page", set("verification_uri", nil), "verification_uri is missing"},
		{"I57 no user code", set("user_code", ""), "issued no device code"},
		{"I57 long user code", set("user_code", strings.Repeat("A", 101)), "too long"},
		{"I57 no device code", set("device_code", nil), "issued no device code"},
		{"I57 interval of another type", set("interval", true), "did not answer as expected"},
		{"I57 interval 1e300", set("interval", 1e300), "did not answer as expected"},
		{"I57 expires_in 1e300", set("expires_in", 1e300), "did not answer as expected"},
		{"I57 a list", answers(reply(200, []int{1})), "did not answer as expected"},
		{"a page", answers(webPage(200)), "did not answer as expected"},
		{"refused", answers(reply(400, map[string]any{"error": "unauthorized_client", "error_description": "no\x1b"})), `answered 400 Bad Request: unauthorized_client: no\x1b`},
		{"a redirect", answers(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://evil.example/", http.StatusTemporaryRedirect)
		}), "answered 307"},
		{"cut connection", answers(cut), "connection reset"},
	} {
		t.Run(test.name, func(t *testing.T) {
			devices(t, nil, test.change, func(f *fakeProvider, said string, grant *token.Grant, err error) {
				var answered *token.SignInError
				if err == nil || !strings.Contains(err.Error(), test.want) || errors.As(err, &answered) || strings.ContainsAny(err.Error(), "\n\x1b") {
					t.Errorf("got %+v, %v, want %q in one line, and no answer of a person", grant, err, test.want)
				}
				if said != "" || len(f.polls) != 0 || f.count("/device_authorization") != 1 {
					t.Errorf("got %q said and %d polls, want nothing begun, after one request", said, len(f.polls))
				}
			})
		})
	}
	for name, complete := range map[string]any{
		"I57 another host":   "https://evil.example/device?user_code=WDJB-MJHT",
		"I57 another port":   providerURL + ":8443/device?user_code=WDJB-MJHT",
		"I57 on http":        "http://login.example/device?user_code=WDJB-MJHT",
		"I57 of a script":    "javascript:alert(1)",
		"I57 none":           nil,
		"I57 with a newline": providerURL + "/\nroot# ",
	} {
		t.Run("complete address: "+name, func(t *testing.T) {
			devices(t, nil, set("verification_uri_complete", complete), func(_ *fakeProvider, said string, _ *token.Grant, err error) {
				if err != nil || strings.Contains(said, "with the code filled in") {
					t.Errorf("got %s, %v, want it signed in without that address", said, err)
				}
			})
		})
	}
	t.Run("P14 user code with a terminal sequence", func(t *testing.T) {
		devices(t, nil, set("user_code", "AB\x1b[2J\nCD"), func(_ *fakeProvider, said string, _ *token.Grant, err error) {
			if err != nil || !strings.Contains(said, `AB\x1b[2J CD`) || strings.Contains(said, "\x1b") {
				t.Errorf("got %q, %v, want it escaped", said, err)
			}
		})
	})
}
