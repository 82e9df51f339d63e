package provider_test

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"docker-credential-cgr/e2e/fakeplatform"
	"docker-credential-cgr/e2e/fakeplatform/provider"
)

const (
	redirectURI = "http://127.0.0.1:8085/callback"
	state       = "the-state"
	nonce       = "the-nonce"
)

func start(t *testing.T, opts ...fakeplatform.Option) *fakeplatform.Platform {
	t.Helper()
	p, err := fakeplatform.Start(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// client is a client of the provider, as another library than the provider's makes it.
type client struct {
	oauth2.Config
	found    *oidc.Provider
	verifier string
}

func discover(t *testing.T, p *fakeplatform.Platform) client {
	t.Helper()
	found, err := oidc.NewProvider(t.Context(), p.Provider.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	endpoint := found.Endpoint()
	endpoint.AuthStyle = oauth2.AuthStyleInParams // else a code that is refused is presented twice, to find out
	return client{
		Config: oauth2.Config{
			ClientID: provider.ClientID, RedirectURL: redirectURI,
			Endpoint: endpoint, Scopes: []string{oidc.ScopeOpenID, "email"},
		},
		found: found, verifier: oauth2.GenerateVerifier(),
	}
}

// url is where the browser is sent; change makes it a wrong one.
func (c client) url(change url.Values) string {
	u, err := url.Parse(c.AuthCodeURL(state, oauth2.S256ChallengeOption(c.verifier), oidc.Nonce(nonce)))
	if err != nil {
		panic(err)
	}
	q := u.Query()
	for name, values := range change {
		q[name] = values
	}
	u.RawQuery = q.Encode()
	return u.String()
}

func (c client) signIn(t *testing.T, passwords ...string) url.Values {
	t.Helper()
	back, err := fakeplatform.SignIn(t.Context(), c.url(nil), fakeplatform.Ada, passwords...)
	if err != nil {
		t.Fatal(err)
	}
	return back.Query()
}

func (c client) idToken(ctx context.Context, raw string) (*oidc.IDToken, error) {
	return c.found.Verifier(&oidc.Config{ClientID: provider.ClientID}).Verify(ctx, raw)
}

func rawIDToken(token *oauth2.Token) string {
	raw, _ := token.Extra("id_token").(string)
	return raw
}

func TestCodeFlow(t *testing.T) {
	p := start(t)
	c := discover(t, p)
	q := c.signIn(t, "wrong", "lovelace")
	if q.Get("state") != state || q.Get("iss") != p.Provider.Issuer || q.Has("error") {
		t.Fatalf("came back with %v, want state and iss", q)
	}
	token, err := c.Exchange(t.Context(), q.Get("code"), oauth2.VerifierOption(c.verifier))
	if err != nil {
		t.Fatal(err)
	}
	idToken, err := c.idToken(t.Context(), rawIDToken(token))
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		Email    string
		Verified bool `json:"email_verified"`
	}
	if err := idToken.Claims(&claims); err != nil {
		t.Fatal(err)
	}
	if claims.Email != fakeplatform.Ada || !claims.Verified || idToken.Nonce != nonce || !slices.Equal(idToken.Audience, []string{provider.ClientID}) {
		t.Errorf("got ID token %+v with %+v", idToken, claims)
	}
	if idToken.Subject == p.PersonID(fakeplatform.Ada) {
		t.Error("the subject is the platform's: nobody would notice a mix-up")
	}
	if life := time.Until(idToken.Expiry); life < 9*time.Minute || life > 10*time.Minute {
		t.Errorf("got an ID token for %v, want ten minutes", life)
	}
	info, err := c.found.UserInfo(t.Context(), oauth2.StaticTokenSource(token))
	if err != nil || info.Email != fakeplatform.Ada {
		t.Errorf("got user info %+v, %v", info, err)
	}
	for _, secret := range []string{q.Get("code"), token.AccessToken, rawIDToken(token)} {
		if !slices.Contains(p.Issued(), secret) {
			t.Errorf("Issued does not know %q", secret)
		}
	}
	for name, want := range map[string]int{
		"provider.discovery": 1, "provider.authorize": 1, "provider.login": 1, "provider.form": 2, "provider.code": 1,
		"provider.keys": 1, "provider.token": 1, "provider.poll": 0, "oauth": 0, "issuer": 0,
	} {
		if got := p.Count(name); got != want {
			t.Errorf("got %d of %s, want %d", got, name, want)
		}
	}
}

func TestRedirectURIs(t *testing.T) {
	p := start(t, fakeplatform.WithAutoApprove())
	c := discover(t, p)
	tests := map[string]bool{
		"http://127.0.0.1:1/callback":           true,
		"http://[::1]:65535/callback":           true,
		"http://localhost:8085/callback":        true,
		"http://127.0.0.1:8085/elsewhere":       false,
		"http://127.0.0.1:8085/callback?x=1":    false,
		"http://example.com/callback":           false,
		"http://127.0.0.1.example.com/callback": false,
		"https://example.com/callback":          false,
		"app:/callback":                         false,
	}
	for address, accepted := range tests {
		back, err := fakeplatform.SignIn(t.Context(), c.url(url.Values{"redirect_uri": {address}}), fakeplatform.Ada)
		if accepted && (err != nil || !strings.HasPrefix(back.String(), address+"?") || !back.Query().Has("code")) {
			t.Errorf("%s: sent back to %v (%v), want a code", address, back, err)
		}
		if !accepted && err == nil {
			t.Errorf("%s: sent back to %v", address, back)
		}
	}
}

func TestAuthorizationRequestsThatAreRefused(t *testing.T) {
	p := start(t, fakeplatform.WithAutoApprove())
	c := discover(t, p)
	tests := map[string]url.Values{
		"no PKCE":            {"code_challenge": nil, "code_challenge_method": nil},
		"PKCE plain":         {"code_challenge_method": {"plain"}},
		"PKCE without S256":  {"code_challenge_method": nil},
		"a short challenge":  {"code_challenge": {"abc"}},
		"no nonce":           {"nonce": nil},
		"no state":           {"state": nil},
		"an implicit answer": {"response_type": {"id_token"}},
		"no scope":           {"scope": nil},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			back, err := fakeplatform.SignIn(t.Context(), c.url(change), fakeplatform.Ada)
			if err != nil {
				t.Fatal(err)
			}
			answer := back.Query()
			if change.Get("response_type") != "" { // such a one is answered in the fragment
				if answer, err = url.ParseQuery(back.Fragment); err != nil {
					t.Fatal(err)
				}
			}
			if answer.Get("error") == "" || answer.Has("code") {
				t.Errorf("sent back with %s, want an error", back)
			}
		})
	}
	if _, err := fakeplatform.SignIn(t.Context(), c.url(url.Values{"client_id": {"other"}}), fakeplatform.Ada); err == nil {
		t.Error("an unknown client is sent back")
	}
}

func TestDeny(t *testing.T) {
	c := discover(t, start(t))
	back, err := fakeplatform.Deny(t.Context(), c.url(nil))
	if err != nil {
		t.Fatal(err)
	}
	if q := back.Query(); q.Get("error") != "access_denied" || q.Get("state") != state || q.Get("iss") == "" {
		t.Errorf("sent back with %v, want access_denied", q)
	}
}

// A code is good once, and for whoever has its verifier.
func TestCodeIsGoodOnce(t *testing.T) {
	c := discover(t, start(t))
	code := c.signIn(t, "lovelace").Get("code")
	if _, err := c.Exchange(t.Context(), code, oauth2.VerifierOption(oauth2.GenerateVerifier())); err == nil {
		t.Error("a wrong verifier is accepted")
	}
	if _, err := c.Exchange(t.Context(), code, oauth2.VerifierOption(c.verifier)); err == nil {
		t.Error("the code is still good after that")
	}
	code = c.signIn(t, "lovelace").Get("code")
	if _, err := c.Exchange(t.Context(), code); err == nil {
		t.Error("no verifier is accepted")
	}
	code = c.signIn(t, "lovelace").Get("code")
	other := c
	other.RedirectURL = "http://127.0.0.1:8086/callback"
	if _, err := other.Exchange(t.Context(), code, oauth2.VerifierOption(c.verifier)); err == nil {
		t.Error("another redirect address is accepted")
	}
}

// The platform's own client has a secret, and nobody uses it without.
func TestBrokerNeedsItsSecret(t *testing.T) {
	p := start(t, fakeplatform.WithAutoApprove())
	c := discover(t, p)
	broker := p.Issuer + "/oauth?idp_id=example.com&exit=redirect&audience=" + p.RegistryHost() +
		"&redirect=" + url.QueryEscape("http://localhost:8085/callback")
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Get(broker)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	sent, err := resp.Location()
	if err != nil {
		t.Fatal(err)
	}
	c.ClientID, c.RedirectURL = sent.Query().Get("client_id"), sent.Query().Get("redirect_uri")
	c.Endpoint.AuthStyle = oauth2.AuthStyleInHeader
	for _, secret := range []string{"", "wrong"} {
		c.ClientSecret = secret
		_, err = c.Exchange(t.Context(), c.signIn(t).Get("code"), oauth2.VerifierOption(c.verifier))
		if err == nil {
			t.Errorf("the secret %q is accepted", secret)
		}
	}
}

func TestUnknownSignIn(t *testing.T) {
	p := start(t)
	for _, path := range []string{"/login?id=x", "/login"} {
		resp, err := http.Get(p.Provider.Issuer + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: got %s, want 404", path, resp.Status)
		}
	}
	resp, err := http.PostForm(p.Provider.Issuer+"/oauth/signin", url.Values{
		"signin_id": {"x"}, "email": {fakeplatform.Ada}, "password": {"lovelace"}, "action": {"signin"},
	})
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("got %s for a form of no sign-in, want 404", resp.Status)
	}
}
