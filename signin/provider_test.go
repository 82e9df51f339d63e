package signin

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"docker-credential-cgr/platform"
	"docker-credential-cgr/token"
)

// What a provider says of itself is looked at before anybody is asked for anything.
func TestProviderDiscovery(t *testing.T) {
	set := func(name string, value any) func(*fakeProvider, *Provider) {
		return func(f *fakeProvider, _ *Provider) { f.document[name] = value }
	}
	answers := func(answer http.HandlerFunc) func(*fakeProvider, *Provider) {
		return func(f *fakeProvider, _ *Provider) {
			f.faults["/.well-known/openid-configuration"] = []http.HandlerFunc{answer}
		}
	}
	const device = true
	for _, test := range []struct {
		name   string
		device bool
		change func(*fakeProvider, *Provider)
		want   string
	}{
		{"I56 another issuer", false, set("issuer", "https://evil.example"), "has another issuer, https://evil.example"},
		{"I56 another issuer by a slash", false, set("issuer", providerURL+"/"), "has another issuer, " + providerURL + "/"},
		{"I56 the issuer with a slash, where it says none", false, func(_ *fakeProvider, p *Provider) { p.Issuer += "/" }, "has another issuer, " + providerURL},
		{"I56 no issuer", false, set("issuer", nil), "has another issuer"},
		{"P14 issuer with a terminal sequence", false, set("issuer", "x\x1b]0;y\a"), `x\x1b]0;y\a`},
		{"I56 authorization on http", false, set("authorization_endpoint", "http://login.example/authorize"), "authorization_endpoint of the provider login.example is not an https URL"},
		{"I56 token on http", false, set("token_endpoint", "http://login.example/token"), "token_endpoint"},
		{"I56 keys on http", false, set("jwks_uri", "http://login.example/keys"), "jwks_uri"},
		{"I56 device on http", device, set("device_authorization_endpoint", "http://login.example/device"), "device_authorization_endpoint"},
		{"I56 token on this machine", false, set("token_endpoint", "http://127.0.0.1:1/token"), "token_endpoint"},
		{"I56 authorization of another scheme", false, set("authorization_endpoint", "javascript:alert(1)"), "is not a valid URL"},
		{"I56 authorization of a file", false, set("authorization_endpoint", "file://host/etc/passwd"), "is not an https URL"},
		{"I56 authorization with a password", false, set("authorization_endpoint", "https://login.example@evil.example/"), "is not a valid URL"},
		{"I56 authorization with a fragment", false, set("authorization_endpoint", providerURL+"/a#b"), "is not a valid URL"},
		{"I56 authorization with a line end", false, set("authorization_endpoint", providerURL+"/a\nb"), "is not a valid URL"},
		{"I56 authorization with a blank", false, set("authorization_endpoint", providerURL+"/a b"), "not ASCII"},
		{"I56 no authorization", false, set("authorization_endpoint", nil), "authorization_endpoint of the provider login.example is missing"},
		{"I56 no token", device, set("token_endpoint", nil), "token_endpoint of the provider login.example is missing"},
		{"I56 no keys", device, set("jwks_uri", ""), "jwks_uri of the provider login.example is missing"},
		{"no device codes", device, set("device_authorization_endpoint", nil), "has no device codes"},
		{"I56 404", false, answers(reply(404, nil)), "answered 404 Not Found"},
		{"I56 HTML", false, answers(webPage(200)), "a proxy or a captive portal"},
		{"I56 a list", false, answers(reply(200, []int{1})), "a proxy or a captive portal"},
		{"I56 a redirect", false, answers(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://evil.example/", http.StatusFound)
		}), "redirects to evil.example, which is not followed"},
		{"I56 2 MB", false, answers(reply(200, map[string]any{"issuer": providerURL, "x": strings.Repeat("x", 2<<20)})), "a proxy or a captive portal"},
		{"I56 cut connection", false, answers(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), "cannot reach login.example"},
		{"no client id", false, func(_ *fakeProvider, p *Provider) { p.ClientID = "" }, "auth.oidc.client-id"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f, out := newFakeProvider(t, time.Now), &screen{}
			p := f.provider(out)
			p.Device = test.device
			test.change(f, p)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			grant, err := p.SignIn(ctx, request(registry))
			var answered *token.SignInError
			if err == nil || !strings.Contains(err.Error(), test.want) || errors.As(err, &answered) || strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Errorf("got %+v, %v, want %q in one line, and no answer of a person", grant, err, test.want)
			}
			if out.String() != "" || f.count("/token")+f.count("/device_authorization")+f.count("/keys") != 0 {
				t.Errorf("got %q said and %v asked, want nothing begun", out, f.asked)
			}
		})
	}
	t.Run("F25 stopped", func(t *testing.T) {
		f := newFakeProvider(t, time.Now)
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(token.ErrInterrupted)
		if _, err := f.provider(&screen{}).SignIn(ctx, request(registry)); !errors.Is(err, token.ErrInterrupted) {
			t.Errorf("got %v, want the context's cause", err)
		}
	})
}

// A provider on this machine is asked over http, and so are its endpoints there.
func TestProviderAddresses(t *testing.T) {
	for _, test := range []struct {
		name, issuer, address string
		want                  bool
	}{
		{"I56 https", "https://login.example", "https://elsewhere.example/a?b=c", true},
		{"I56 http", "https://login.example", "http://login.example/a", false},
		{"I56 http on loopback", "https://login.example", "http://localhost/a", false},
		{"I56 all on loopback", "http://127.0.0.1:5556", "http://127.0.0.1:5557/a", true},
		{"I56 http from loopback", "http://127.0.0.1:5556", "http://login.example/a", false},
		{"I56 https from loopback", "http://127.0.0.1:5556", "https://login.example/a", true},
		{"I57 2 KB", "https://login.example", "https://login.example/" + strings.Repeat("a", 2100), false},
		{"I57 a port alone", "https://login.example", "https://:443/", false},
		{"I57 a bidi mark", "https://login.example", "https://login.example/\u202e", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := &Provider{Issuer: test.issuer}
			if u, err := p.checkAddress(test.address); (err == nil) != test.want {
				t.Errorf("got %v, %v, want it taken %v", u, err, test.want)
			}
		})
	}
}

func TestProviderIDToken(t *testing.T) {
	now := time.Date(2026, 10, 5, 9, 0, 0, 0, time.UTC)
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	const nonce = "the-nonce"
	for _, test := range []struct {
		name   string
		claims map[string]any
		sign   func(any) string
		want   string // "": it is good
	}{
		{name: "S9 good"},
		{name: "S9 ES256", sign: signES256},
		{name: "S9 wrong nonce", claims: map[string]any{"nonce": "another"}, want: "for another sign-in"},
		{name: "S9 no nonce", claims: map[string]any{"nonce": nil}, want: "for another sign-in"},
		{name: "S9 another audience", claims: map[string]any{"aud": "client-2"}, want: "audience"},
		{name: "S9 no audience", claims: map[string]any{"aud": nil}, want: "audience"},
		{name: "S9 several audiences", claims: map[string]any{"aud": []string{"client-2", clientID}, "azp": clientID}},
		{name: "S9 another party", claims: map[string]any{"aud": []string{"client-2", clientID}, "azp": "client-2"}, want: "another program"},
		{name: "S8 another issuer", claims: map[string]any{"iss": "https://evil.example"}, want: "different provider"},
		{name: "S8 the issuer with a slash", claims: map[string]any{"iss": providerURL + "/"}, want: "different provider"},
		{name: "S8 no issuer", claims: map[string]any{"iss": nil}, want: "different provider"},
		{name: "S9 alg none", sign: signNone, want: "signature algorithm"},
		{name: "S9 HS256 with the public key", sign: signHS256, want: "signature algorithm"},
		{name: "S9 another's key", sign: signRS256(otherKey()), want: "signature"},
		{name: "S9 changed", sign: func(payload any) string {
			parts := strings.Split(signRS256(rsaKey())(payload), ".")
			return parts[0] + ".e30." + parts[2]
		}, want: "signature"},
		{name: "expired", claims: map[string]any{"exp": at(-6 * time.Minute)}, want: "has expired"},
		{name: "no end", claims: map[string]any{"exp": nil}, want: "has expired"},
		{name: "clock 5 minutes behind ours", claims: map[string]any{"exp": at(-5 * time.Minute), "iat": at(-10 * time.Minute)}},
		{name: "clock 5 minutes ahead of ours", claims: map[string]any{"nbf": at(5 * time.Minute), "iat": at(5 * time.Minute), "exp": at(time.Hour)}},
		{name: "not yet good", claims: map[string]any{"nbf": at(6 * time.Minute)}, want: "not valid yet"},
		{name: "I50 exp that is text", claims: map[string]any{"exp": "soon"}, want: "is not valid"},
		{name: "I50 no JWT", sign: func(any) string { return "opaque-token" }, want: "malformed"},
		{name: "I50 dots", sign: func(any) string { return strings.Repeat(".", 100_000) }, want: "malformed"},
		{name: "none", sign: func(any) string { return "" }, want: "issued no ID token"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFakeProvider(t, func() time.Time { return now })
			f.nonce, f.claims = nonce, test.claims
			if test.sign != nil {
				f.sign = test.sign
			}
			p := f.provider(&screen{})
			found, err := p.discover(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			idToken := f.makeIDToken()
			err = p.verify(t.Context(), found, idToken, nonce)
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if err != nil && len(idToken) > 20 && strings.Contains(err.Error(), idToken) {
				t.Errorf("P13 got %v, want no token in it", err)
			}
		})
	}
	for name, answer := range map[string]http.HandlerFunc{
		"keys that are a page": webPage(200),
		"keys that are gone":   reply(404, map[string]any{"x": "\x1b[2J"}),
		"keys elsewhere": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://evil.example/keys", http.StatusFound)
		},
		"keys of 2 MB": reply(200, map[string]any{"keys": []any{}, "x": strings.Repeat("x", 2<<20)}),
		"no keys":      func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeProvider(t, time.Now)
			f.faults["/keys"] = []http.HandlerFunc{answer}
			p := f.provider(&screen{})
			found, err := p.discover(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			err = p.verify(t.Context(), found, f.makeIDToken(), "")
			if err == nil || strings.ContainsAny(err.Error(), "\n\x1b") || f.count("/keys") != 1 {
				t.Errorf("got %v after %d requests, want one printable line after one", err, f.count("/keys"))
			}
		})
	}
}

// RFC 7636, appendix B.
func TestChallengeVector(t *testing.T) {
	const verifier, want = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
	if got := oauth2.S256ChallengeFromVerifier(verifier); got != want {
		t.Errorf("T8 got %s, want %s", got, want)
	}
}

// A request is sent once, whatever the transport would do, and its answer ends.
func TestBounded(t *testing.T) {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, providerURL, strings.NewReader("code=x"))
	if err != nil {
		t.Fatal(err)
	}
	transport := bounded{roundTrip(func(sent *http.Request) (*http.Response, error) {
		if sent.GetBody != nil {
			t.Error("I58 got a request that can be replayed, want one that cannot")
		}
		return &http.Response{Body: io.NopCloser(endless{})}, nil
	}), t.Context()}
	resp, err := transport.RoundTrip(r)
	if err != nil || r.GetBody == nil {
		t.Fatalf("got %v, and the caller's request changed %v, want it left", err, r.GetBody == nil)
	}
	if n, err := io.Copy(io.Discard, resp.Body); n != maxProviderAnswer || err != nil {
		t.Errorf("got %d bytes, %v, want %d", n, err, maxProviderAnswer)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func FuzzCheckAddress(f *testing.F) {
	p := &Provider{Issuer: providerURL}
	for _, seed := range []string{providerURL + "/a?b=c", "http://login.example", "https://a@b", "https://x#y", "javascript:x", "https://[::1]:1/\x1b"} {
		f.Add(seed)
	}
	if _, err := p.checkAddress(providerURL); err != nil {
		f.Fatal("no seed is accepted: the property would be of nothing")
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := p.checkAddress(text)
		if err != nil {
			return
		}
		if shown := u.String(); platform.Printable(shown) != shown && len(shown) <= 300 || !strings.HasPrefix(shown, "https://") {
			t.Errorf("%q: got %q, want an https address that can be shown", text, shown)
		}
	})
}
