package fakeplatform_test

import (
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"docker-credential-cgr/e2e/fakebrowser"
	"docker-credential-cgr/e2e/fakeplatform"
)

// TestSingleSignOn signs in by the form, and then visits the page again in the same browser and in another one.
func TestSingleSignOn(t *testing.T) {
	client := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(client.Close)
	visit := func(who fakebrowser.Person, address string) (back url.Values) {
		t.Helper()
		end, page, err := who.Visit(address)
		if err != nil {
			t.Fatal(err)
		}
		if back = end.Query(); back.Get("token") == "" {
			t.Fatalf("%s does not sign in: %s", address, page)
		}
		return back
	}
	for _, on := range []bool{true, false} {
		p := start(t, fakeplatform.WithBehavior(func(b *fakeplatform.Behavior) { b.SingleSignOn = on }))
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		address := func(audience string) string { return p.SignInURL(client.URL+"/callback", audience) }
		forms := func(what string, want int) {
			t.Helper()
			if got := p.Count("oauth.form") + p.Count("provider.form"); got != want {
				t.Errorf("single sign-on %v, %s: got %d forms, want %d", on, what, got, want)
			}
			p.ResetCounts()
		}
		grace := fakebrowser.Person{Email: fakeplatform.Grace, Password: "hopper", Jar: jar}
		asked := 1
		if on {
			asked = 0
		}

		visit(grace, address(p.API))
		forms("the first visit", 1)
		claims := claimsOf(t, visit(grace, address(p.RegistryHost())).Get("token"))
		forms("the next visit", asked)
		if claims["sub"] != p.PersonID(fakeplatform.Grace) || claims["aud"] != p.RegistryHost() {
			t.Errorf("the next visit gives a token of %v for %v", claims["sub"], claims["aud"])
		}
		visit(fakebrowser.Person{Email: fakeplatform.Ada, Password: "lovelace"}, address(p.API))
		forms("another browser", 1)
		organization := strings.Replace(address(p.API), "client_id=auth0", "idp_id="+fakeplatform.Organization, 1)
		visit(grace, organization)
		forms("another identity provider", 1)
		visit(grace, organization)
		forms("that identity provider again", asked)
	}
}
