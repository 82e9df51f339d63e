package provider_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
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

func fetch(t *testing.T, address string) (status int, text string) {
	t.Helper()
	resp, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func object(t *testing.T, resp *http.Response, err error) map[string]any {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var value map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

func TestDiscovery(t *testing.T) {
	p := start(t)
	resp, err := http.Get(p.Provider.Issuer + "/.well-known/openid-configuration")
	document := object(t, resp, err)
	if document["issuer"] != p.Provider.Issuer || document["authorization_response_iss_parameter_supported"] != true {
		t.Errorf("got %v", document)
	}
	if methods, _ := document["code_challenge_methods_supported"].([]any); !slices.Contains(methods, any("S256")) {
		t.Errorf("got PKCE methods %v, want S256", methods)
	}
	for name, value := range document {
		address, isText := value.(string)
		if !strings.HasSuffix(name, "_endpoint") || !isText {
			continue
		}
		if status, _ := fetch(t, address); status == http.StatusNotFound {
			t.Errorf("%s is %s, which is not there", name, address)
		}
	}
}

func TestDiscoveryFaults(t *testing.T) {
	p := start(t)
	p.Change(func(b *fakeplatform.Behavior) {
		b.Provider.Discovery = func(document map[string]any) { document["issuer"] = "https://other.example" }
	})
	if _, err := oidc.NewProvider(t.Context(), p.Provider.Issuer); err == nil {
		t.Error("the library takes another issuer")
	}
	p.Change(func(b *fakeplatform.Behavior) {
		b.Provider.Discovery = func(document map[string]any) {
			document["token_endpoint"] = "http://other.example/token"
			delete(document, "code_challenge_methods_supported")
		}
	})
	resp, err := http.Get(p.Provider.Issuer + "/.well-known/openid-configuration")
	document := object(t, resp, err)
	if _, ok := document["code_challenge_methods_supported"]; ok || document["token_endpoint"] != "http://other.example/token" {
		t.Errorf("got %v", document)
	}
}

func TestIDTokenFaults(t *testing.T) {
	tests := map[string]struct {
		faults provider.Faults
		nonce  string
		verify bool // whether a library takes it
	}{
		"none":           {provider.Faults{}, nonce, true},
		"another nonce":  {claim("nonce", "other"), "other", true}, // the caller's to check
		"another aud":    {claim("aud", "other"), "", false},
		"another issuer": {claim("iss", "https://other.example"), "", false},
		"expired":        {claim("exp", 1), "", false},
		"not signed":     {provider.Faults{Sign: provider.Unsigned}, "", false},
		"of a stranger":  {provider.Faults{Sign: provider.Forged}, "", false},
	}
	p := start(t)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p.Change(func(b *fakeplatform.Behavior) { b.Provider = test.faults })
			c := discover(t, p)
			token, err := c.Exchange(t.Context(), c.signIn(t, "lovelace").Get("code"), oauth2.VerifierOption(c.verifier))
			if err != nil {
				t.Fatal(err)
			}
			idToken, err := c.idToken(t.Context(), rawIDToken(token))
			if (err == nil) != test.verify {
				t.Fatalf("a library says %v", err)
			}
			if err == nil && idToken.Nonce != test.nonce {
				t.Errorf("got nonce %q, want %q", idToken.Nonce, test.nonce)
			}
		})
	}
}

func claim(name string, value any) provider.Faults {
	return provider.Faults{IDToken: func(claims map[string]any) { claims[name] = value }}
}

func TestClockSkew(t *testing.T) {
	p := start(t, fakeplatform.WithBehavior(func(b *fakeplatform.Behavior) {
		b.ClockSkew, b.IDTokenLifetime = 24*time.Hour, time.Minute
	}))
	c := discover(t, p)
	token, err := c.Exchange(t.Context(), c.signIn(t, "lovelace").Get("code"), oauth2.VerifierOption(c.verifier))
	if err != nil {
		t.Fatal(err)
	}
	idToken, err := c.idToken(t.Context(), rawIDToken(token))
	if err != nil {
		t.Fatal(err)
	}
	if ahead := time.Until(idToken.IssuedAt); ahead < 23*time.Hour || idToken.Expiry.Sub(idToken.IssuedAt) != time.Minute {
		t.Errorf("got iat %v and exp %v, want a minute of tomorrow", idToken.IssuedAt, idToken.Expiry)
	}
}

// TestStrays sends wrong answers ahead of the real one, which a client must not take.
func TestStrays(t *testing.T) {
	p := start(t, fakeplatform.WithAutoApprove())
	var got []url.Values
	listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = append(got, r.URL.Query()) // one at a time: the provider waits for each answer
		if r.URL.Query().Get("state") != state || r.URL.Query().Get("iss") != p.Provider.Issuer {
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	defer listener.Close()
	p.Change(func(b *fakeplatform.Behavior) {
		b.Provider.Strays = []func(url.Values){
			func(q url.Values) { q.Set("state", "wrong") },
			func(q url.Values) { q.Set("iss", "https://other.example") },
		}
	})
	c := discover(t, p)
	c.RedirectURL = listener.URL + "/callback"
	resp, err := http.Get(c.url(nil))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if len(got) != 3 || got[0].Get("state") != "wrong" || got[1].Get("iss") != "https://other.example" || got[2].Get("state") != state {
		t.Fatalf("the client was asked for %v", got)
	}
	if resp.StatusCode != http.StatusOK || !slices.Equal(p.Provider.Strays(), []int{400, 400}) {
		t.Errorf("got %s for the answer and %v for the strays", resp.Status, p.Provider.Strays())
	}
	if _, err := c.Exchange(t.Context(), got[2].Get("code"), oauth2.VerifierOption(c.verifier)); err != nil {
		t.Errorf("the code after that: %v", err)
	}
}

func TestAnswerFault(t *testing.T) {
	p := start(t)
	p.Change(func(b *fakeplatform.Behavior) {
		b.Provider.Answer = func(q url.Values) { q.Set("state", "wrong"); q.Del("iss") }
	})
	if q := discover(t, p).signIn(t, "lovelace"); q.Get("state") != "wrong" || q.Has("iss") || !q.Has("code") {
		t.Errorf("sent back with %v", q)
	}
}

func TestDeviceFaults(t *testing.T) {
	p := start(t)
	p.Change(func(b *fakeplatform.Behavior) {
		b.Provider.Device = func(answer map[string]any) {
			answer["expires_in"], answer["verification_uri"] = 0, "javascript:alert(1)"
		}
		slow := fakeplatform.OAuthFault("provider.poll", http.StatusBadRequest, "slow_down")
		slow.Times = 2
		b.Faults = []fakeplatform.Fault{slow}
	})
	answer := deviceAnswer(t, p)
	if answer["expires_in"] != 0.0 || answer["verification_uri"] != "javascript:alert(1)" {
		t.Errorf("got %v", answer)
	}
	c := discover(t, p)
	for i, want := range []string{"slow_down", "slow_down", "authorization_pending"} {
		if got, _ := c.poll(t, answer["device_code"].(string)); got != want {
			t.Errorf("got %q at poll %d, want %q", got, i, want)
		}
	}
}

// TestCodeFaults counts how often a client presents a code that is not taken.
func TestCodeFaults(t *testing.T) {
	p := start(t)
	c := discover(t, p)
	p.Change(func(b *fakeplatform.Behavior) {
		refused := fakeplatform.OAuthFault("provider.code", http.StatusBadRequest, "invalid_grant")
		refused.Times = 1
		b.Faults = []fakeplatform.Fault{refused, {On: "provider.code", Times: 1, Status: 500}}
	})
	code := c.signIn(t, "lovelace").Get("code")
	for range 2 {
		if _, err := c.Exchange(t.Context(), code, oauth2.VerifierOption(c.verifier)); err == nil {
			t.Error("the fault was not made")
		}
	}
	if n := p.Count("provider.code"); n != 2 {
		t.Errorf("got %d codes presented, want 2", n)
	}
	if _, err := c.Exchange(t.Context(), code, oauth2.VerifierOption(c.verifier)); err != nil {
		t.Errorf("faults have used the code up: %v", err)
	}
}
