package fakeplatform_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"chainguard.dev/sdk/auth/headless"
	"chainguard.dev/sdk/auth/login"
	authv1 "chainguard.dev/sdk/proto/platform/auth/v1"
	"golang.org/x/oauth2"
	"google.golang.org/protobuf/encoding/protojson"

	"docker-credential-cgr/e2e/fakebrowser"
	"docker-credential-cgr/e2e/fakeplatform"
	"docker-credential-cgr/e2e/fakeplatform/provider"
)

// brokeredURL is a sign-in URL for the organization's own identity provider.
func brokeredURL(p *fakeplatform.Platform, id string) string {
	return strings.Replace(p.SignInURL(redirect), "client_id=auth0", "idp_id="+url.QueryEscape(id), 1)
}

func TestBrokeredSignIn(t *testing.T) {
	p := start(t)
	for i, id := range []string{fakeplatform.Organization, p.IdentityProviderID()} {
		q := signIn(t, brokeredURL(p, id), fakeplatform.Ada, "wrong", "lovelace")
		if claimsOf(t, q.Get("token"))["sub"] != p.PersonID(fakeplatform.Ada) || q.Get("refresh_token") == "" || q.Has("code") {
			t.Errorf("idp_id=%s: came back with %v", id, q)
		}
		for name, want := range map[string]int{
			"oauth": 1, "oauth.callback": 1, "oauth.form": 0, "signin": 1,
			"provider.authorize": 1, "provider.form": 2, "provider.code": 1,
		} {
			if got := p.Count(name); got != want*(i+1) {
				t.Errorf("idp_id=%s: got %d of %s, want %d", id, got, name, want*(i+1))
			}
		}
	}
}

func TestBrokeredSignInEndsWithoutToken(t *testing.T) {
	tests := map[string]struct {
		email, password string
		register, deny  bool
		faults          provider.Faults
		fault           fakeplatform.Fault
		status          string
	}{
		"denied":     {deny: true, status: "403"},
		"no account": {email: fakeplatform.Nobody, password: "nemo", status: "404"},
		"no member":  {email: fakeplatform.Nobody, password: "nemo", register: true, status: "403"},
		"code refused": {
			fault: fakeplatform.OAuthFault("provider.code", http.StatusBadRequest, "invalid_grant"), status: "500",
		},
		"another nonce": {
			faults: provider.Faults{IDToken: func(claims map[string]any) { claims["nonce"] = "other" }}, status: "500",
		},
		"another issuer": {
			faults: provider.Faults{Answer: func(q url.Values) { q.Set("iss", "https://other.example") }}, status: "500",
		},
		"ID token of a stranger": {faults: provider.Faults{Sign: provider.Forged}, status: "500"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := start(t, fakeplatform.WithBehavior(func(b *fakeplatform.Behavior) {
				b.Provider = test.faults
				if test.fault.On != "" {
					b.Faults = []fakeplatform.Fault{test.fault}
				}
			}))
			address := brokeredURL(p, fakeplatform.Organization)
			if test.register {
				address = strings.Replace(address, "skip_registration=true", "skip_registration=false", 1)
			}
			if test.email == "" {
				test.email, test.password = fakeplatform.Ada, "lovelace"
			}
			visit := func() (*url.URL, error) {
				return fakeplatform.SignIn(t.Context(), address, test.email, test.password)
			}
			if test.deny {
				visit = func() (*url.URL, error) { return fakeplatform.Deny(t.Context(), address) }
			}
			back, err := visit()
			if err != nil {
				t.Fatal(err)
			}
			q := back.Query()
			if q.Has("token") || q.Get("status_code") != test.status || q.Get("error") == "" {
				t.Errorf("came back with %v, want status_code %s", q, test.status)
			}
		})
	}
}

// A browser that comes back with a state that nobody waits for stays on a page.
func TestBrokeredStateIsUnknown(t *testing.T) {
	p := start(t)
	a := do(t, http.MethodGet, p.Issuer+"/oauth/callback?state=x&code=y", "", nil)
	if a.status != http.StatusNotFound || !strings.Contains(a.body, `id="error"`) {
		t.Errorf("got %d %s, want a page with an error", a.status, a.body)
	}
}

func TestBrokeredAutoApprove(t *testing.T) {
	p := start(t, fakeplatform.WithAutoApprove(), fakeplatform.WithBehavior(func(b *fakeplatform.Behavior) { b.Person = fakeplatform.Grace }))
	if q := signIn(t, brokeredURL(p, fakeplatform.Organization), ""); claimsOf(t, q.Get("token"))["email"] != fakeplatform.Grace {
		t.Errorf("came back with %v", q)
	}
	if p.Count("provider.form") != 0 || p.Count("provider.code") != 1 {
		t.Error("the sign-in did not go by itself through the provider")
	}
}

// The vendor's own client checks the organization's name and signs in through its provider.
func TestVendorSignInWithOrganization(t *testing.T) {
	p := start(t)
	message, said := io.Pipe()
	done := make(chan error, 1)
	go func() {
		token, _, err := login.Login(t.Context(), login.WithIssuer(p.Issuer), login.WithOrgName(fakeplatform.Organization),
			login.WithAudience([]string{p.RegistryHost()}), login.WithSkipBrowser(), login.WithMessageWriter(said))
		if err == nil && token == "" {
			err = fmt.Errorf("no token")
		}
		done <- err
	}()
	line, err := bufio.NewReader(message).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	address := strings.TrimSpace(line[strings.Index(line, "http"):])
	if _, _, err := (fakebrowser.Person{}).Visit(address); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	_, _, err = login.Login(t.Context(), login.WithIssuer(p.Issuer), login.WithOrgName(fakeplatform.OtherOrganization),
		login.WithSkipBrowser(), login.WithMessageWriter(io.Discard))
	if err == nil {
		t.Error("the vendor's client takes an organization without a provider")
	}
}

// TestVendorHeadless has the vendor's code on both ends: the code, the URL and the decryption are its client's.
func TestVendorHeadless(t *testing.T) {
	p := start(t)
	for name, options := range map[string][]login.Option{
		"at the issuer":   nil,
		"social":          {login.WithAuth0Connection("github")},
		"at the provider": {login.WithOrgName(fakeplatform.Organization)},
		"by its id":       {login.WithIdentityProvider(p.IdentityProviderID())},
	} {
		t.Run(name, func(t *testing.T) {
			key, err := headless.GenerateKeyPair()
			if err != nil {
				t.Fatal(err)
			}
			code := string(headless.NewCode(key.PublicKey()))
			address, err := login.BuildHeadlessURL(append(options, login.WithIssuer(p.Issuer), login.WithHeadlessCode(code),
				login.WithMessageWriter(io.Discard))...)
			if err != nil {
				t.Fatal(err)
			}
			poll := func() answer {
				return do(t, http.MethodGet, p.Issuer+"/sts/headless_sessions?code="+code, "", nil)
			}
			wantGatewayError(t, poll(), 404, 5)
			_, text, err := fakebrowser.Person{}.Visit(address)
			if err != nil || !strings.Contains(text, `id="done"`) {
				t.Fatalf("the visit ends on %s (%v)", text, err)
			}
			var session authv1.HeadlessSession
			if err := protojson.Unmarshal([]byte(poll().body), &session); err != nil {
				t.Fatal(err)
			}
			idToken, err := headless.DecryptIDToken(&session, key)
			if err != nil {
				t.Fatal(err)
			}
			for _, audience := range []string{p.RegistryHost(), p.API} {
				var token struct{ Token, RefreshToken string }
				a := exchange(t, p, string(idToken), url.Values{"aud": {audience}})
				a.decode(t, &token)
				if claims := claimsOf(t, token.Token); claims["email"] != fakeplatform.Ada || claims["aud"] != audience || token.RefreshToken == "" {
					t.Errorf("exchanged for %s", a.body)
				}
			}
		})
	}
}

func exchange(t *testing.T, p *fakeplatform.Platform, idToken string, form url.Values) answer {
	t.Helper()
	return do(t, http.MethodPost, p.Issuer+"/sts/exchange", "Bearer "+idToken, form)
}

// providerIDToken signs Ada in at the identity provider itself.
func providerIDToken(t *testing.T, p *fakeplatform.Platform, scopes ...string) string {
	t.Helper()
	verifier := oauth2.GenerateVerifier()
	client := oauth2.Config{
		ClientID: provider.ClientID, RedirectURL: "http://127.0.0.1:8085/callback",
		Endpoint: p.Provider.Endpoint(), Scopes: append(scopes, "openid"),
	}
	client.Endpoint.AuthStyle = oauth2.AuthStyleInParams
	address := client.AuthCodeURL("s", oauth2.S256ChallengeOption(verifier), oauth2.SetAuthURLParam("nonce", "n"))
	back, err := fakeplatform.SignIn(t.Context(), address, fakeplatform.Ada, "lovelace")
	if err != nil {
		t.Fatal(err)
	}
	token, err := client.Exchange(t.Context(), back.Query().Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	return token.Extra("id_token").(string)
}

func TestExchangeOfProvidersIDToken(t *testing.T) {
	p := start(t)
	form := url.Values{"aud": {p.RegistryHost(), p.API}, "identity_provider": {p.IdentityProviderID()}}
	idToken := providerIDToken(t, p, "email")
	var token struct{ Token, RefreshToken string }
	a := exchange(t, p, idToken, form)
	a.decode(t, &token)
	if claimsOf(t, token.Token)["sub"] != p.PersonID(fakeplatform.Ada) {
		t.Fatalf("exchanged for %s", a.body)
	}
	if a := refresh(t, p, token.RefreshToken, p.API); a.status != http.StatusOK {
		t.Errorf("the session after it: %d %s", a.status, a.body)
	}

	other := url.Values{"aud": form["aud"], "identity_provider": {p.OrganizationID(fakeplatform.OtherOrganization)}}
	wantGatewayError(t, exchange(t, p, idToken, other), 404, 5)
	wantGatewayError(t, exchange(t, p, idToken, url.Values{"aud": form["aud"]}), 404, 5) // taken for a workload's
	wantGatewayError(t, exchange(t, p, p.IDToken(fakeplatform.Ada, provider.ClientID), form), 403, 7)
	stranger := start(t)
	wantGatewayError(t, exchange(t, stranger, idToken, url.Values{
		"aud": {stranger.API}, "identity_provider": {stranger.IdentityProviderID()},
	}), 401, 16)
	wantGatewayError(t, exchange(t, p, providerIDToken(t, p), form), 400, 3) // nobody knows whose it is

	for name, faults := range map[string]provider.Faults{
		"another audience": {IDToken: func(claims map[string]any) { claims["aud"] = "other" }},
		"expired":          {IDToken: func(claims map[string]any) { claims["exp"] = time.Now().Unix() - 1 }},
		"not signed":       {Sign: provider.Unsigned},
		"of a stranger":    {Sign: provider.Forged},
	} {
		t.Run(name, func(t *testing.T) {
			p.Change(func(b *fakeplatform.Behavior) { b.Provider = faults })
			wantGatewayError(t, exchange(t, p, providerIDToken(t, p, "email"), form), 401, 16)
		})
	}
}

// TestOldDeployment is a session that covers the audiences it was opened for, and no other.
func TestOldDeployment(t *testing.T) {
	p := start(t, fakeplatform.WithBehavior(func(b *fakeplatform.Behavior) { b.SingleAudience, b.NoRotation = true, true }))
	one := signIn(t, p.SignInURL(redirect, p.RegistryHost()), fakeplatform.Ada, "lovelace").Get("refresh_token")
	both := signIn(t, p.SignInURL(redirect), fakeplatform.Ada, "lovelace").Get("refresh_token")
	var exchanged struct{ RefreshToken string }
	exchange(t, p, providerIDToken(t, p, "email"),
		url.Values{"aud": {p.API}, "identity_provider": {p.IdentityProviderID()}}).decode(t, &exchanged)
	tests := map[string]struct {
		token, audience string
		refreshed       bool
	}{
		"its own":                {one, p.RegistryHost(), true},
		"another":                {one, p.API, false},
		"the first of two":       {both, p.RegistryHost(), true},
		"the second of two":      {both, p.API, true},
		"neither":                {both, "apk." + p.RegistryHost(), false},
		"that of an exchange":    {exchanged.RefreshToken, p.API, true},
		"another of an exchange": {exchanged.RefreshToken, p.RegistryHost(), false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			a := refresh(t, p, test.token, test.audience)
			if test.refreshed && a.status != http.StatusOK {
				t.Errorf("got %d %s", a.status, a.body)
			}
			if !test.refreshed {
				wantGatewayError(t, a, 403, 7)
			}
		})
	}
}
