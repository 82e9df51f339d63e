package e2e

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"docker-credential-cgr/e2e/fakebrowser"
	"docker-credential-cgr/e2e/fakeplatform"
	"docker-credential-cgr/e2e/fakeplatform/provider"
	"docker-credential-cgr/e2e/program"
)

// TestProvider signs in at a real OpenID provider, directly and through the platform.
func TestProvider(t *testing.T) {
	binary, err := program.Build(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Run("Code", func(t *testing.T) { testProviderCode(t, binary) })
	t.Run("CodeStrays", func(t *testing.T) { testProviderCodeStrays(t, binary) })
	t.Run("CodeRefused", func(t *testing.T) { testProviderCodeRefused(t, binary) })
	t.Run("Unusable", func(t *testing.T) { testProviderUnusable(t, binary) })
	t.Run("WithoutBrowser", func(t *testing.T) { testProviderWithoutBrowser(t, binary) })
	t.Run("Device", func(t *testing.T) { testProviderDevice(t, binary) })
	t.Run("Brokered", func(t *testing.T) { testProviderBrokered(t, binary) })
	t.Run("Get", func(t *testing.T) { testProviderGet(t, binary) })
}

// testProviderCode signs in at a real OpenID provider with a browser and a password.
func testProviderCode(t *testing.T, binary string) {
	for name, behave := range map[string]func(*fakeplatform.Behavior){
		"well":                   func(*fakeplatform.Behavior) {},
		"clock 4 minutes ahead":  func(b *fakeplatform.Behavior) { b.ClockSkew = 4 * time.Minute },
		"clock 4 minutes behind": func(b *fakeplatform.Behavior) { b.ClockSkew = -4 * time.Minute },
		"I56 no word of PKCE":    func(b *fakeplatform.Behavior) { b.Provider.Discovery = without("code_challenge_methods_supported") },
		"RFC 9207 is not spoken": func(b *fakeplatform.Behavior) {
			b.Provider.Discovery = without("authorization_response_iss_parameter_supported")
		},
		"an audience more, ours": func(b *fakeplatform.Behavior) { b.Provider.IDToken = set("aud", []string{"x", provider.ClientID}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newFixture(t, binary, behave)
			d.wantSignedIn(d.start("", d.platform.ProviderEnviron(), "login"))
			d.wantCounts(map[string]int{
				"provider.discovery": 1, "provider.authorize": 1, "provider.form": 1, "provider.code": 1, "provider.keys": 1,
				"sts.exchange": 1, "oauth": 0, "orgcheck": 0, "headless": 0,
			})
			windows := d.windows()
			if len(windows) != 1 || !strings.HasPrefix(windows[0], d.platform.Provider.Issuer+"/") {
				t.Errorf("got windows on %q, want one on the provider", windows)
			}
		})
	}
}

func set(name string, value any) func(map[string]any) {
	return func(claims map[string]any) { claims[name] = value }
}

func without(name string) func(map[string]any) {
	return func(document map[string]any) { delete(document, name) }
}

// testProviderCodeStrays sends wrong responses before the real one.
func testProviderCodeStrays(t *testing.T, binary string) {
	d := newFixture(t, binary, func(b *fakeplatform.Behavior) {
		b.Provider.Strays = []func(url.Values){
			func(q url.Values) { q.Set("state", "wrong") },
			func(q url.Values) { q.Del("state") },
			func(q url.Values) { q.Set("iss", "https://evil.example") },
			func(q url.Values) { q.Del("iss") },
			func(q url.Values) { q.Add("code", "another") },
			func(q url.Values) { q.Set("state", "wrong"); q.Set("error", "access_denied"); q.Del("code") },
		}
	})
	d.wantSignedIn(d.start("", d.platform.ProviderEnviron(), "login"))
	if got := d.platform.Provider.Strays(); !slices.Equal(got, slices.Repeat([]int{http.StatusBadRequest}, 6)) {
		t.Errorf("I68 the wrong responses: got %v, want 400 each", got)
	}
	d.wantCounts(map[string]int{"provider.code": 1, "sts.exchange": 1})
}

// testProviderCodeRefused tests all errors after the window has opened.
func testProviderCodeRefused(t *testing.T, binary string) {
	for name, test := range map[string]struct {
		environ string
		behave  func(*fakeplatform.Behavior)
		want    string
		codes   int
	}{
		"denied":                 {"VISIT=deny", func(*fakeplatform.Behavior) {}, "was refused: access_denied: the sign-in was denied", 0},
		"S9 another nonce":       {"", func(b *fakeplatform.Behavior) { b.Provider.IDToken = set("nonce", "x") }, "for another sign-in", 1},
		"S9 no nonce":            {"", func(b *fakeplatform.Behavior) { b.Provider.IDToken = without("nonce") }, "for another sign-in", 1},
		"S9 another audience":    {"", func(b *fakeplatform.Behavior) { b.Provider.IDToken = set("aud", "x") }, "audience", 1},
		"S8 another issuer":      {"", func(b *fakeplatform.Behavior) { b.Provider.IDToken = set("iss", "https://evil.example") }, "different provider", 1},
		"S9 alg none":            {"", func(b *fakeplatform.Behavior) { b.Provider.Sign = provider.Unsigned }, "signature algorithm", 1},
		"S9 a stranger's key":    {"", func(b *fakeplatform.Behavior) { b.Provider.Sign = provider.Forged }, "verify signature", 1},
		"expired":                {"", func(b *fakeplatform.Behavior) { b.IDTokenLifetime = -time.Hour }, "has expired\nhint: check this machine's clock", 1},
		"I58 500":                {"", fails(fakeplatform.OAuthFault("provider.code", 500, "server_error")), "answered 500 Internal Server Error: server_error", 1},
		"I58 400":                {"", fails(fakeplatform.OAuthFault("provider.code", 400, "invalid_grant")), "answered 400 Bad Request: invalid_grant", 1},
		"I58 a captive portal":   {"", fails(fakeplatform.PageFault("provider.code", 200)), "did not answer as expected", 1},
		"keys cannot be fetched": {"", fails(fakeplatform.PageFault("provider.keys", 503)), "get keys failed: 503", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newFixture(t, binary, test.behave)
			d.wantRefused(d.start("", append(d.platform.ProviderEnviron(), test.environ), "login"), test.want)
			d.wantCounts(map[string]int{"provider.code": test.codes, "sts.exchange": 0})
		})
	}
	t.Run("the issuer refuses", func(t *testing.T) {
		t.Parallel()
		d := newFixture(t, binary, func(*fakeplatform.Behavior) {})
		environ := append(d.platform.ProviderEnviron(), "EMAIL="+fakeplatform.Nobody, "PASSWORD=nemo")
		d.wantRefused(d.start("", environ, "login"), "the sign-in failed: ")
		d.wantCounts(map[string]int{"provider.code": 1, "sts.exchange": 1})
	})
}

func fails(f fakeplatform.Fault) func(*fakeplatform.Behavior) {
	return func(b *fakeplatform.Behavior) { b.Faults = []fakeplatform.Fault{f} }
}

// testProviderUnusable tests settings and providers with which no window may open.
func testProviderUnusable(t *testing.T, binary string) {
	for name, test := range map[string]struct {
		environ string
		behave  func(*fakeplatform.Behavior)
		want    string
	}{
		"no client id":         {"CHAINGUARD_AUTH_OIDC_CLIENT_ID=", func(*fakeplatform.Behavior) {}, "auth.oidc.client-id"},
		"no identity provider": {"CHAINGUARD_DEFAULT_IDENTITY_PROVIDER=", func(*fakeplatform.Behavior) {}, "default.identity-provider"},
		"I56 another issuer":   {"", func(b *fakeplatform.Behavior) { b.Provider.Discovery = set("issuer", "https://evil.example") }, "has another issuer, https://evil.example"},
		"I56 tokens elsewhere": {"", func(b *fakeplatform.Behavior) { b.Provider.Discovery = set("token_endpoint", "http://evil.example/") }, "is not an https URL"},
		"I56 404":              {"", fails(fakeplatform.PageFault("provider.discovery", 404)), "answered 404"},
		"no device codes": {"CHAINGUARD_AUTH_OIDC_FLOW=device", func(b *fakeplatform.Behavior) {
			b.Provider.Discovery = without("device_authorization_endpoint")
		}, "set auth.oidc.flow to code"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newFixture(t, binary, test.behave)
			d.wantRefused(d.start("", append(d.platform.ProviderEnviron(), test.environ), "login"), test.want)
			d.wantCounts(map[string]int{"provider.authorize": 0, "provider.device": 0, "provider.token": 0, "sts": 0})
			if got := d.windows(); len(got) != 0 {
				t.Errorf("got windows on %q, want none", got)
			}
		})
	}
}

// testProviderWithoutBrowser opens the address by hand on the same machine.
func testProviderWithoutBrowser(t *testing.T, binary string) {
	d := newFixture(t, binary, func(*fakeplatform.Behavior) {})
	environ := append(d.platform.ProviderEnviron(), "BROWSER=", "DISPLAY=", "WAYLAND_DISPLAY=", "CHAINGUARD_AUTH_MODE=headless", "CHAINGUARD_AUTH_OIDC_FLOW=code")
	login := d.start("", environ, "login")
	address := d.says(login, `(?m)^    (http\S+)$`)
	if said := login.err(); !strings.Contains(said, "CHAINGUARD_AUTH_OIDC_FLOW=device") {
		t.Errorf("got %s, want the other way named", said)
	}
	end, page, err := fakebrowser.Person{}.Visit(address)
	if err != nil || end.RawQuery != "" || !strings.Contains(page, "You are signed in as "+fakeplatform.Ada) {
		t.Errorf("I69 the last page: got %v, %v, %s, want who signed in, and no query", end, err, page)
	}
	d.wantSignedIn(login)
	if got := d.windows(); len(got) != 0 {
		t.Errorf("got windows on %q, want none", got)
	}
}

// testProviderDevice signs in with a code on another device.
func testProviderDevice(t *testing.T, binary string) {
	quick := func(b *fakeplatform.Behavior) { b.Provider.Device = set("interval", 1) }
	slower := func(b *fakeplatform.Behavior) { // by a client that heeds it no poll is early
		b.Provider.Device = set("interval", 1)
		f := fakeplatform.OAuthFault("provider.poll", http.StatusBadRequest, "slow_down")
		f.Times = 1
		cut := fakeplatform.PageFault("provider.poll", http.StatusServiceUnavailable)
		cut.Times = 1
		b.Faults = []fakeplatform.Fault{cut, f}
	}
	for name, test := range map[string]struct {
		environ []string
		args    []string
		behave  func(*fakeplatform.Behavior)
		typed   bool // the code, in place of following the address that has it
	}{
		"S16 typed":                     {[]string{"CHAINGUARD_AUTH_OIDC_FLOW=device"}, nil, quick, true},
		"S16 address with the code":     {[]string{"CHAINGUARD_AUTH_OIDC_FLOW=device"}, nil, quick, false},
		"S17 a blip, and slow down":     {[]string{"CHAINGUARD_AUTH_OIDC_FLOW=device"}, nil, slower, true},
		"headless, and nothing is set":  {nil, []string{"--headless"}, quick, true},
		"headless by setting, likewise": {[]string{"CHAINGUARD_AUTH_MODE=headless"}, nil, quick, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newFixture(t, binary, test.behave)
			login := d.start("", append(d.platform.ProviderEnviron(), test.environ...), append([]string{"login"}, test.args...)...)
			page, code := d.says(login, `(?m)^    (http\S+)$`), d.says(login, `sign in with the code (\S+)\n`)
			address := page + "?" + url.Values{"user_code": {code}}.Encode()
			if !test.typed {
				address = d.says(login, `the page shows the same one\): (http\S+)\n`)
			}
			if _, page, err := (fakebrowser.Person{}).Visit(address); err != nil || !strings.Contains(page, `id="done"`) {
				t.Fatalf("the page: got %v, %s, want the device connected", err, page)
			}
			d.wantSignedIn(login)
			d.wantCounts(map[string]int{"provider.device": 1, "provider.authorize": 0, "sts.exchange": 1, "oauth": 0, "headless": 0})
			if got := d.windows(); len(got) != 0 {
				t.Errorf("got windows on %q, want none", got)
			}
		})
	}
	t.Run("denied", func(t *testing.T) {
		t.Parallel()
		d := newFixture(t, binary, quick)
		login := d.start("", append(d.platform.ProviderEnviron(), "CHAINGUARD_AUTH_OIDC_FLOW=device"), "login")
		address := d.says(login, `the page shows the same one\): (http\S+)\n`)
		if _, page, err := (fakebrowser.Person{Denies: true}).Visit(address); err != nil || !strings.Contains(page, "denied") {
			t.Fatalf("the page: got %v, %s, want it denied", err, page)
		}
		d.wantRefused(login, "the sign-in was refused: access_denied")
		d.wantCounts(map[string]int{"sts": 0})
	})
	t.Run("I57 the code ends", func(t *testing.T) {
		t.Parallel()
		d := newFixture(t, binary, func(b *fakeplatform.Behavior) {
			b.Provider.Device = func(answer map[string]any) { answer["interval"], answer["expires_in"] = 1, 2 }
		})
		login := d.start("", append(d.platform.ProviderEnviron(), "CHAINGUARD_AUTH_OIDC_FLOW=device"), "login")
		d.wantRefused(login, "was not finished within 2s")
	})
}

// testProviderBrokered signs in through the platform, which brokers the same provider.
func testProviderBrokered(t *testing.T, binary string) {
	d := newFixture(t, binary, func(*fakeplatform.Behavior) {})
	d.wantSignedIn(d.start("", nil, "login", "--org-name", fakeplatform.Organization))
	d.wantCounts(map[string]int{
		"orgcheck": 1, "oauth": 1, "oauth.callback": 1, "provider.authorize": 1, "provider.form": 1, "provider.code": 1, "sts.exchange": 0,
	})
}

// testProviderGet checks that the first `get` of a client opens one window on the provider.
func testProviderGet(t *testing.T, binary string) {
	d := newFixture(t, binary, func(*fakeplatform.Behavior) {})
	environ := append(d.platform.ProviderEnviron(), "CHAINGUARD_AUTH_AUTO_LOGIN=always")
	var gets []*running
	for range 5 {
		gets = append(gets, d.start(d.platform.RegistryHost()+"\n", environ, "get"))
	}
	for _, get := range gets {
		d.wantToken(get)
	}
	if got := d.windows(); len(got) != 1 {
		t.Errorf("got windows on %q, want one", got)
	}
}
