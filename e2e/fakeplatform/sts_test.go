package fakeplatform_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"chainguard.dev/sdk/sts"

	"docker-credential-cgr/e2e/fakeplatform"
)

// gatewayError is an error of the token service and the API.
type gatewayError struct {
	Code    int               `json:"code"`
	Message string            `json:"message"`
	Details []json.RawMessage `json:"details"`
}

func wantGatewayError(t *testing.T, a answer, status, code int) {
	t.Helper()
	var e gatewayError
	a.decode(t, &e)
	if a.status != status || e.Code != code || e.Message == "" || e.Details == nil {
		t.Errorf("answer %d %s, want status %d with code %d, message and details", a.status, a.body, status, code)
	}
	if got := a.header.Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type %q", got)
	}
	if got := a.header.Get("WWW-Authenticate"); status == http.StatusUnauthorized && got != e.Message {
		t.Errorf("WWW-Authenticate %q, want the error's text", got)
	}
}

type tokenPair struct {
	Token, RefreshToken struct {
		Token  string
		Expiry *time.Time
	}
}

func refresh(t *testing.T, p *fakeplatform.Platform, token string, audience ...string) answer {
	t.Helper()
	return do(t, http.MethodPost, p.Issuer+"/sts/exchange_refresh_token", "Bearer "+token, url.Values{"aud": audience})
}

func TestRefreshRotates(t *testing.T) {
	p := start(t)
	first := p.RefreshToken(fakeplatform.Ada)

	var pair tokenPair
	refresh(t, p, first, p.RegistryHost()).decode(t, &pair)
	second := pair.RefreshToken.Token
	if second == "" || second == first {
		t.Fatalf("refresh token %q was followed by %q", first, second)
	}
	if aud := claimsOf(t, pair.Token.Token)["aud"]; aud != p.RegistryHost() {
		t.Errorf("aud = %v, want a string for one audience", aud)
	}
	wantGatewayError(t, refresh(t, p, first, p.RegistryHost()), 401, 16)
	wantGatewayError(t, refresh(t, p, second, p.RegistryHost()), 401, 16) // the session is gone with it
	if n := p.Count("sts.refresh"); n != 3 || p.Count("sts") != 3 {
		t.Errorf("%d refreshes counted", n)
	}
}

func TestOneRefreshTokenRefreshesOnce(t *testing.T) {
	p := start(t, fakeplatform.WithBehavior(func(b *fakeplatform.Behavior) { b.Reuse = fakeplatform.ReuseRefused }))
	token := p.RefreshToken(fakeplatform.Ada)
	var refreshed atomic.Int32
	t.Run("clients", func(t *testing.T) {
		for i := range 20 {
			t.Run(strconv.Itoa(i), func(t *testing.T) {
				t.Parallel()
				p.Change(func(b *fakeplatform.Behavior) { b.Latency["sts.refresh"] = time.Duration(i) * time.Millisecond })
				if refresh(t, p, token, p.RegistryHost()).status == http.StatusOK {
					refreshed.Add(1)
				}
			})
		}
	})
	if n := refreshed.Load(); n != 1 {
		t.Errorf("refreshed %d times", n)
	}
}

func TestRefreshPolicies(t *testing.T) {
	tests := map[string]struct {
		change  func(*fakeplatform.Behavior)
		next    string // what the refresh token of the answer is: new, same or none
		again   int    // status when the first one is used again
		session int    // status when the last one is used after that
	}{
		"rotation":         {func(*fakeplatform.Behavior) {}, "new", 401, 401},
		"reuse refused":    {func(b *fakeplatform.Behavior) { b.Reuse = fakeplatform.ReuseRefused }, "new", 401, 200},
		"reuse accepted":   {func(b *fakeplatform.Behavior) { b.Reuse = fakeplatform.ReuseAccepted }, "new", 200, 200},
		"no rotation":      {func(b *fakeplatform.Behavior) { b.NoRotation = true }, "same", 200, 200},
		"no refresh token": {func(b *fakeplatform.Behavior) { b.OmitRefreshToken = true }, "none", 200, 200},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := start(t, fakeplatform.WithBehavior(test.change))
			first := p.RefreshToken(fakeplatform.Ada)
			var pair tokenPair
			a := refresh(t, p, first, p.API)
			a.decode(t, &pair)
			last, got := pair.RefreshToken.Token, "new"
			switch last {
			case "":
				last, got = first, "none"
			case first:
				got = "same"
			}
			if got != test.next {
				t.Errorf("refresh token is %s, want %s: %s", got, test.next, a.body)
			}
			if !strings.Contains(a.body, `"refreshToken":{"token":`) {
				t.Errorf("fields without value are missing: %s", a.body)
			}
			if a := refresh(t, p, first, p.API); a.status != test.again {
				t.Errorf("used again: %d %s", a.status, a.body)
			}
			if a := refresh(t, p, last, p.API); a.status != test.session {
				t.Errorf("the session after that: %d %s", a.status, a.body)
			}
		})
	}
}

func TestRefreshRefuses(t *testing.T) {
	p := start(t, fakeplatform.WithBehavior(func(b *fakeplatform.Behavior) { b.SingleAudience = true }))
	token := p.RefreshToken(fakeplatform.Ada, p.RegistryHost())
	wantGatewayError(t, refresh(t, p, token, p.API), 403, 7)
	wantGatewayError(t, refresh(t, p, token), 400, 3)
	wantGatewayError(t, refresh(t, p, token, "cgr.example"), 400, 3)
	wantGatewayError(t, refresh(t, p, "no-such-token", p.RegistryHost()), 401, 16)
	// A JSON body is ignored: there is no audience in it then.
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.Issuer+"/sts/exchange_refresh_token",
		strings.NewReader(`{"aud":["`+p.RegistryHost()+`"]}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+token)
	wantGatewayError(t, send(t, r), 400, 3)

	p.Change(func(b *fakeplatform.Behavior) { b.RefreshLifetime = -time.Second })
	wantGatewayError(t, refresh(t, p, p.RefreshToken(fakeplatform.Ada), p.RegistryHost()), 401, 16)
	if a := refresh(t, p, token, p.RegistryHost()); a.status != http.StatusOK {
		t.Errorf("what was refused has used the token up: %d %s", a.status, a.body)
	}
	p.Change(func(b *fakeplatform.Behavior) { b.RefreshLifetime = 0 })
	token = p.RefreshToken(fakeplatform.Ada)
	p.RevokeSessions()
	wantGatewayError(t, refresh(t, p, token, p.RegistryHost()), 401, 16)
}

func TestUnknownPathAndMethod(t *testing.T) {
	p := start(t)
	wantGatewayError(t, do(t, http.MethodGet, p.Issuer+"/sts/elsewhere", "", nil), 404, 5)
	wantGatewayError(t, do(t, http.MethodPut, p.Issuer+"/sts/exchange", "", nil), 501, 12)
	wantGatewayError(t, do(t, http.MethodGet, p.API+"/iam/v2/groups", "", nil), 404, 5)
}

func TestExchange(t *testing.T) {
	p := start(t)
	const workload = "repo:my-org/repo:ref:refs/heads/main"
	identity := p.WorkloadIdentity(workload, "registry.pull")
	exchange := func(idToken, identity string) answer {
		form := url.Values{"aud": {p.RegistryHost()}, "identity": {identity}}
		return do(t, http.MethodPost, p.Issuer+"/sts/exchange", "Bearer "+idToken, form)
	}
	var token struct {
		Token, RefreshToken string
		Expiry              time.Time
	}
	a := exchange(p.IDToken(workload), identity)
	a.decode(t, &token)
	if claims := claimsOf(t, token.Token); claims["sub"] != identity || claims["aud"] != p.RegistryHost() {
		t.Errorf("claims %v", claims)
	}
	if token.RefreshToken != "" || time.Until(token.Expiry) < 59*time.Minute || !strings.Contains(a.body, `"refreshToken":""`) {
		t.Errorf("answer %s", a.body)
	}
	if a := do(t, http.MethodGet, tokenURL(p, "example.com/python"), "Bearer "+token.Token, nil); a.status != 200 {
		t.Errorf("the registry's answer to it: %d %s", a.status, a.body)
	}

	wantGatewayError(t, exchange(p.IDToken("repo:other"), identity), 403, 7)
	wantGatewayError(t, exchange(p.IDToken(workload, "somewhere"), identity), 403, 7)
	wantGatewayError(t, exchange(p.IDToken(workload), identity+"0"), 404, 5)
	wantGatewayError(t, exchange("opaque", identity), 401, 16)
	wantGatewayError(t, exchange(p.IDTokenWith(map[string]any{"sub": workload, "exp": 1}), identity), 401, 16)
	wantGatewayError(t, exchange(start(t).IDToken(workload), identity), 401, 16)
}

// TestExchangeWithoutIdentity: the platform finds the identity itself if only one accepts the ID token.
func TestExchangeWithoutIdentity(t *testing.T) {
	p := start(t)
	const workload = "repo:my-org/repo:ref:refs/heads/main"
	form := url.Values{"aud": {p.RegistryHost()}}
	wantNone := func() {
		t.Helper()
		a := exchange(t, p, p.IDToken(workload), form)
		wantGatewayError(t, a, 404, 5)
		if !strings.Contains(a.body, "no identity found") {
			t.Errorf("answer %s", a.body)
		}
	}
	p.WorkloadIdentity("repo:other", "registry.pull")
	p.PullToken(time.Hour) // an identity that no ID token can assume
	wantNone()

	identity := p.WorkloadIdentity(workload, "registry.pull")
	var token struct{ Token, RefreshToken string }
	a := exchange(t, p, p.IDToken(workload), form)
	a.decode(t, &token)
	if claimsOf(t, token.Token)["sub"] != identity || token.RefreshToken != "" {
		t.Errorf("answer %s", a.body)
	}
	wantGatewayError(t, exchange(t, p, "opaque", form), 401, 16)
	wantGatewayError(t, exchange(t, p, p.IDTokenWith(map[string]any{"sub": workload, "exp": 1}), form), 401, 16)

	p.WorkloadIdentity(workload)
	wantNone() // two accept it
}

// TestNoRefreshToken covers every way to sign in: whatever opens a session may be answered without a refresh token.
func TestNoRefreshToken(t *testing.T) {
	p := start(t, fakeplatform.WithAutoApprove(), fakeplatform.WithBehavior(func(b *fakeplatform.Behavior) { b.NoRefreshToken = true }))
	signInURL := p.SignInURL(redirect, p.RegistryHost(), p.API)
	q := signIn(t, signInURL, fakeplatform.Ada)
	if q.Has("refresh_token") || claimsOf(t, q.Get("token"))["email"] != fakeplatform.Ada {
		t.Errorf("sign-in ends with %v", q)
	}
	form := url.Values{"aud": {p.RegistryHost()}, "identity_provider": {p.IdentityProviderID()}}
	var token struct{ Token, RefreshToken string }
	a := exchange(t, p, providerIDToken(t, p, "email"), form)
	a.decode(t, &token)
	if token.Token == "" || token.RefreshToken != "" {
		t.Errorf("exchanged for %s", a.body)
	}

	p.Change(func(b *fakeplatform.Behavior) { b.NoRefreshToken, b.RefreshTokenEvery = false, 2 })
	for i, want := range []bool{false, true, false, true} { // two sign-ins have passed
		if got := signIn(t, signInURL, fakeplatform.Ada).Has("refresh_token"); got != want {
			t.Errorf("sign-in %d: refresh token %t, want %t", i+3, got, want)
		}
	}
}

// refreshExpiry returns what a refresh token says of its own end.
func refreshExpiry(t *testing.T, raw string) time.Time {
	t.Helper()
	text, err := base64.StdEncoding.DecodeString(raw)
	if err != nil {
		t.Fatal(err)
	}
	var claims struct{ Exp int64 }
	if err := json.Unmarshal(text, &claims); err != nil {
		t.Fatal(err)
	}
	return time.Unix(claims.Exp, 0)
}

func TestSessionLifetime(t *testing.T) {
	p := start(t, fakeplatform.WithBehavior(func(b *fakeplatform.Behavior) { b.SessionLifetime = 20 * time.Hour }))
	next := func(token string) string {
		t.Helper()
		var pair tokenPair
		refresh(t, p, token, p.RegistryHost()).decode(t, &pair)
		return pair.RefreshToken.Token
	}
	first := p.RefreshToken(fakeplatform.Ada)
	end := refreshExpiry(t, first)
	p.Change(func(b *fakeplatform.Behavior) { b.ClockSkew = 19 * time.Hour })
	second := next(first)
	if got := refreshExpiry(t, second); !got.Equal(end) {
		t.Errorf("use moved the end of the session from %v to %v", end, got)
	}
	p.Change(func(b *fakeplatform.Behavior) { b.ClockSkew = 20 * time.Hour })
	wantGatewayError(t, refresh(t, p, second, p.RegistryHost()), 401, 16)

	// The policy changes while sessions live: what a client holds says nothing of it until the next refresh.
	p.Change(func(b *fakeplatform.Behavior) { b.ClockSkew, b.SessionLifetime = 0, 30*24*time.Hour })
	first = p.RefreshToken(fakeplatform.Ada)
	p.Change(func(b *fakeplatform.Behavior) { b.SessionLifetime = time.Hour })
	second = next(first)
	if got := refreshExpiry(t, first).Sub(refreshExpiry(t, second)); got != 30*24*time.Hour-time.Hour {
		t.Errorf("the refresh moved the end by %v", got)
	}
	p.Change(func(b *fakeplatform.Behavior) { b.ClockSkew, b.SessionLifetime = 30*time.Minute, 10*time.Minute })
	wantGatewayError(t, refresh(t, p, second, p.RegistryHost()), 401, 16)
}

// TestOneRefreshTokenForAllAudiences: TestOldDeployment is its opposite.
func TestOneRefreshTokenForAllAudiences(t *testing.T) {
	p := start(t, fakeplatform.WithAutoApprove())
	token := signIn(t, p.SignInURL(redirect, p.RegistryHost()), fakeplatform.Ada).Get("refresh_token")
	for _, audience := range []string{p.API, p.RegistryHost(), "apk." + p.RegistryHost(), "libraries." + p.RegistryHost()} {
		var pair tokenPair
		a := refresh(t, p, token, audience)
		a.decode(t, &pair)
		if aud := claimsOf(t, pair.Token.Token)["aud"]; aud != audience {
			t.Errorf("aud %v, want %s", aud, audience)
		}
		token = pair.RefreshToken.Token
	}
}

// The vendor's own client, over gRPC: the same implementation answers both.
func TestVendorClient(t *testing.T) {
	p := start(t)
	const workload = "system:serviceaccount:default:puller"
	identity := p.WorkloadIdentity(workload, "registry.pull")
	exchanger := sts.New(p.Issuer, p.RegistryHost(), sts.WithIdentity(identity))
	pair, err := exchanger.Exchange(t.Context(), p.IDToken(workload))
	if err != nil || claimsOf(t, pair.AccessToken)["sub"] != identity {
		t.Errorf("exchanged for %+v, %v", pair, err)
	}
	access, next, err := exchanger.Refresh(t.Context(), p.RefreshToken(fakeplatform.Ada))
	if err != nil || access == "" || next == "" {
		t.Errorf("refreshed to %q, %q, %v", access, next, err)
	}
	if p.Count("sts.exchange") != 1 || p.Count("sts.refresh") != 1 {
		t.Error("gRPC calls are not counted")
	}
}

func TestHeadless(t *testing.T) {
	p := start(t)
	mine, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	code := base64.RawURLEncoding.EncodeToString(mine.PublicKey().Bytes())
	poll := func() answer {
		return do(t, http.MethodGet, p.Issuer+"/sts/headless_sessions?code="+code, "", nil)
	}
	wantGatewayError(t, poll(), 404, 5)
	signInURL := p.Issuer + "/oauth?headless_code=" + code
	if _, err := fakeplatform.Deny(t.Context(), signInURL); err == nil {
		t.Error("a denied headless sign-in redirects")
	}
	wantGatewayError(t, poll(), 404, 5)

	if _, err := fakeplatform.SignIn(t.Context(), signInURL, fakeplatform.Ada, "lovelace"); err == nil || !strings.Contains(err.Error(), `id="done"`) {
		t.Fatalf("headless sign-in ends with %v", err)
	}
	var session struct{ EcdhPublicKey, EncryptedIdtoken []byte }
	poll().decode(t, &session)
	theirs, err := base64.RawURLEncoding.DecodeString(string(session.EcdhPublicKey))
	if err != nil {
		t.Fatal(err)
	}
	public, err := ecdh.X25519().NewPublicKey(theirs)
	if err != nil {
		t.Fatal(err)
	}
	shared, err := mine.ECDH(public)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(shared)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	idToken, err := gcm.Open(nil, session.EncryptedIdtoken[:12], session.EncryptedIdtoken[12:], nil)
	if err != nil {
		t.Fatal(err)
	}
	var token struct{ Token, RefreshToken string }
	a := do(t, http.MethodPost, p.Issuer+"/sts/exchange", "Bearer "+string(idToken), url.Values{"aud": {p.RegistryHost()}})
	a.decode(t, &token)
	if token.Token == "" || claimsOf(t, token.Token)["email"] != fakeplatform.Ada || token.RefreshToken == "" {
		t.Errorf("exchanged for %s", a.body)
	}
	if n := p.Count("headless"); n != 3 {
		t.Errorf("%d polls counted", n)
	}
}

func TestTokensThatAreWrong(t *testing.T) {
	p := start(t, fakeplatform.WithBehavior(func(b *fakeplatform.Behavior) {
		b.WrongAudience, b.WrongIssuer, b.WrongSubject = "aud.example", "https://iss.example", "sub.example"
		b.AccessLifetime, b.ClockSkew, b.TokenPadding = time.Minute, -time.Hour, 10_000
	}))
	var pair tokenPair
	a := refresh(t, p, p.RefreshToken(fakeplatform.Ada), p.RegistryHost())
	a.decode(t, &pair)
	claims := claimsOf(t, pair.Token.Token)
	if claims["aud"] != "aud.example" || claims["iss"] != "https://iss.example" || claims["sub"] != "sub.example" {
		t.Errorf("claims %v", claims)
	}
	if len(pair.Token.Token) < 10_000 {
		t.Errorf("token of %d bytes", len(pair.Token.Token))
	}
	if exp := time.Unix(int64(claims["exp"].(float64)), 0); time.Until(exp) > -58*time.Minute {
		t.Errorf("exp %v does not follow the clock", exp)
	}
	if date, err := http.ParseTime(a.header.Get("Date")); err != nil || time.Since(date) < 59*time.Minute {
		t.Errorf("Date %v (%v) does not follow the clock", date, err)
	}
}
