package signin

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"docker-credential-cgr/platform"

	"docker-credential-cgr/signin/prompt"
)

const (
	providerURL = "https://login.example"
	clientID    = "client-1"
	uidp        = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb/0123456789abcdef"
	authCode    = "secret-authorization-code"
	deviceToken = "secret-device-code" // what is polled with
)

// The keys of the provider, and one of somebody else. RSA takes its time.
var (
	rsaKey   = sync.OnceValue(newRSAKey)
	otherKey = sync.OnceValue(newRSAKey)
	ecKey    = sync.OnceValue(func() *ecdsa.PrivateKey {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			panic(err)
		}
		return key
	})
)

func newRSAKey() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
}

// fakeProvider is an OpenID provider, and the platform's token service beside it.
// It is a transport: nothing goes over a network.
type fakeProvider struct {
	t   *testing.T
	now func() time.Time

	mu        sync.Mutex
	document  map[string]any                // what it says of itself
	claims    map[string]any                // changed in its ID tokens; nil leaves one out
	sign      func(payload any) string      // makes an ID token
	nonce     string                        // that the ID token is to have
	challenge string                        // of PKCE, that the code was asked for with
	device    map[string]any                // the answer to a device authorization request
	faults    map[string][]http.HandlerFunc // the next answers, by path, in place of good ones
	asked     map[string][]url.Values       // forms that came, by path
	polls     []time.Time
	idToken   string // the last
}

func newFakeProvider(t *testing.T, now func() time.Time) *fakeProvider {
	return &fakeProvider{
		t: t, now: now, sign: signRS256(rsaKey()), faults: map[string][]http.HandlerFunc{}, asked: map[string][]url.Values{},
		document: map[string]any{
			"issuer": providerURL, "authorization_endpoint": providerURL + "/authorize?tenant=1", "token_endpoint": providerURL + "/token",
			"device_authorization_endpoint": providerURL + "/device_authorization", "jwks_uri": providerURL + "/keys",
			"authorization_response_iss_parameter_supported": true,
			// What it offers is not what is taken.
			"id_token_signing_alg_values_supported": []string{"none", "HS256", "RS256"},
		},
		device: map[string]any{
			"device_code": deviceToken, "user_code": "WDJB-MJHT", "verification_uri": providerURL + "/device",
			"verification_uri_complete": providerURL + "/device?user_code=WDJB-MJHT", "expires_in": 1800, "interval": 5,
		},
	}
}

// provider is a sign-in at it.
func (f *fakeProvider) provider(out *screen) *Provider {
	return &Provider{
		STS:    &platform.STS{Issuer: issuerURL, Transport: f, Now: f.now, Warn: func(err error) { f.t.Log(err) }, Debug: f.t.Logf},
		Issuer: providerURL, ClientID: clientID, IdentityProvider: uidp,
		Wait: 5 * time.Minute, Screen: prompt.Screen{Out: out}, Now: f.now, Transport: f,
		Debug: func(format string, args ...any) { f.t.Logf("debug: "+format, args...) },
	}
}

func (f *fakeProvider) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	answer := httptest.NewRecorder()
	answer.Header().Set("Date", f.now().UTC().Format(http.TimeFormat))
	if !f.serve(answer, r) {
		return nil, errors.New("connection reset by peer")
	}
	resp := answer.Result()
	resp.Request = r
	return resp, nil
}

// serve answers, or says that the connection is to be cut.
func (f *fakeProvider) serve(w http.ResponseWriter, r *http.Request) (ok bool) {
	defer func() {
		if err := recover(); err == http.ErrAbortHandler {
			ok = false
		} else if err != nil {
			panic(err)
		}
	}()
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := r.ParseForm(); err != nil {
		f.t.Errorf("%s: %v", r.URL, err)
	}
	path := r.URL.Path
	f.asked[path] = append(f.asked[path], r.PostForm)
	if path == "/token" && r.PostForm.Get("device_code") != "" {
		f.polls = append(f.polls, f.now())
	}
	if r.Header.Get("Authorization") != "" && path != "/sts/exchange" || r.PostForm.Has("client_secret") {
		f.t.Errorf("S6 %s: got a secret or a token sent, want a public client", r.URL)
	}
	answer := map[string]http.HandlerFunc{
		"/.well-known/openid-configuration": reply(200, f.document),
		"/keys":                             reply(200, f.keys()),
		"/token":                            f.serveToken,
		"/device_authorization":             reply(200, f.device),
		"/sts/exchange":                     f.serveExchange,
	}[path]
	if faults := f.faults[path]; len(faults) > 0 {
		answer, f.faults[path] = faults[0], faults[1:]
	}
	if answer == nil {
		f.t.Errorf("got %s %s asked for, want nothing there", r.Method, r.URL)
		answer = http.NotFound
	}
	answer(w, r)
	return true
}

func (f *fakeProvider) serveToken(w http.ResponseWriter, r *http.Request) {
	form := r.PostForm
	sum := sha256.Sum256([]byte(form.Get("code_verifier")))
	codeIsGood := form.Get("grant_type") == "authorization_code" && form.Get("code") == authCode &&
		f.challenge == base64.RawURLEncoding.EncodeToString(sum[:])
	deviceIsGood := form.Get("grant_type") == "urn:ietf:params:oauth:grant-type:device_code" && form.Get("device_code") == deviceToken
	if form.Get("client_id") != clientID || !codeIsGood && !deviceIsGood {
		f.t.Errorf("S3 got %v with the challenge %q, want a code that is good", form, f.challenge)
		reply(400, map[string]any{"error": "invalid_grant"})(w, r)
		return
	}
	f.idToken = f.makeIDToken()
	reply(200, map[string]any{"access_token": "secret-access-token", "token_type": "Bearer", "id_token": f.idToken, "expires_in": 3600})(w, r)
}

// makeIDToken needs mu, or nobody else.
func (f *fakeProvider) makeIDToken() string {
	now := f.now()
	claims := map[string]any{
		"iss": providerURL, "sub": "00u1", "aud": clientID, "email": "a@example.com",
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	if f.nonce != "" {
		claims["nonce"] = f.nonce
	}
	maps.Copy(claims, f.claims)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	return f.sign(claims)
}

func (f *fakeProvider) serveExchange(w http.ResponseWriter, r *http.Request) {
	if got := r.Header.Get("Authorization"); f.idToken == "" || got != "Bearer "+f.idToken {
		f.t.Errorf("S20 got %q exchanged, want the ID token", got)
	}
	now, subject := f.now(), alice
	if identity := r.PostForm.Get("identity"); identity != "" {
		subject = identity
	}
	access := jwt(f.t, map[string]any{
		"iss": issuerURL, "sub": subject, "aud": r.PostForm["aud"], "email": "a@example.com", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	})
	reply(200, map[string]any{"token": access, "refreshToken": "R1"})(w, r)
}

func (f *fakeProvider) keys() any {
	encode := base64.RawURLEncoding.EncodeToString
	point, err := ecKey().PublicKey.Bytes()
	if err != nil {
		panic(err)
	}
	return map[string]any{"keys": []any{
		map[string]any{"kty": "OKP", "crv": "Ed448", "x": "AAAA", "kid": "unknown"},
		map[string]any{"kty": "RSA", "kid": "rsa", "use": "sig", "n": encode(rsaKey().N.Bytes()), "e": "AQAB"},
		map[string]any{"kty": "EC", "kid": "ec", "use": "sig", "crv": "P-256", "x": encode(point[1:33]), "y": encode(point[33:])},
	}}
}

// count says how often a path was asked for.
func (f *fakeProvider) count(path string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.asked[path])
}

// compact joins a JWT's header and payload, and what signs them.
func compact(header, payload any, sign func(digest []byte, input string) []byte) string {
	encode := base64.RawURLEncoding.EncodeToString
	text := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		return encode(b)
	}
	input := text(header) + "." + text(payload)
	digest := sha256.Sum256([]byte(input))
	return input + "." + encode(sign(digest[:], input))
}

func signRS256(key *rsa.PrivateKey) func(any) string {
	return func(payload any) string {
		return compact(map[string]any{"alg": "RS256", "kid": "rsa"}, payload, func(digest []byte, _ string) []byte {
			signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest)
			if err != nil {
				panic(err)
			}
			return signature
		})
	}
}

func signES256(payload any) string {
	return compact(map[string]any{"alg": "ES256", "kid": "ec"}, payload, func(digest []byte, _ string) []byte {
		r, s, err := ecdsa.Sign(rand.Reader, ecKey(), digest)
		if err != nil {
			panic(err)
		}
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	})
}

// signHS256 signs with what everybody can read: the provider's public key.
func signHS256(payload any) string {
	return compact(map[string]any{"alg": "HS256", "kid": "rsa"}, payload, func(_ []byte, input string) []byte {
		mac := hmac.New(sha256.New, x509.MarshalPKCS1PublicKey(&rsaKey().PublicKey))
		mac.Write([]byte(input))
		return mac.Sum(nil)
	})
}

func signNone(payload any) string {
	return compact(map[string]any{"alg": "none"}, payload, func([]byte, string) []byte { return nil })
}

// coding is a sign-in with an authorization code on its way, on a machine without a
// browser.
type coding struct {
	*fakeProvider
	clock  *testClock
	screen *screen
	page   *url.URL // where the person signs in
	redir  *url.URL // where the provider sends the browser
	cancel context.CancelCauseFunc
	result chan signedIn
}

func newCoding(t *testing.T, change func(*fakeProvider, *Provider)) *coding {
	t.Helper()
	noBrowserHere(t)
	c := &coding{
		clock:  &testClock{now: time.Date(2026, 10, 5, 9, 0, 0, 0, time.UTC)},
		screen: &screen{}, result: make(chan signedIn, 1),
	}
	c.fakeProvider = newFakeProvider(t, c.clock.Now)
	p := c.provider(c.screen)
	if change != nil {
		change(c.fakeProvider, p)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	c.cancel = cancel
	ended := make(chan struct{})
	t.Cleanup(func() { cancel(nil); <-ended })
	go func() {
		defer close(ended)
		grant, err := p.SignIn(ctx, request(registry, api))
		c.result <- signedIn{grant, err}
	}()
	waitFor(t, "the address", func() bool { return strings.Contains(c.screen.String(), "waiting until") })
	for line := range strings.Lines(c.screen.String()) {
		if address := strings.TrimSpace(line); strings.HasPrefix(address, providerURL) {
			c.page = parse(t, address)
			c.redir = parse(t, c.page.Query().Get("redirect_uri"))
		}
	}
	if c.redir == nil {
		t.Fatalf("got %s, want an address to open", c.screen)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nonce, c.challenge = c.page.Query().Get("nonce"), c.page.Query().Get("code_challenge")
	return c
}

// answer is what the provider sends the browser back with, with some of it changed.
func (c *coding) answer(changed url.Values) url.Values {
	q := url.Values{"code": {authCode}, "state": {c.page.Query().Get("state")}, "iss": {providerURL}}
	for name, values := range changed {
		if q[name] = values; values == nil {
			delete(q, name)
		}
	}
	return q
}

// comesBack sends the browser to the redirect address, and gives the page that it
// ends at.
func (c *coding) comesBack(q url.Values) (status int, page string) {
	c.t.Helper()
	resp, err := http.Get(c.redir.String() + "?" + q.Encode())
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	if resp.StatusCode == 200 && resp.Request.URL.RawQuery != "" {
		c.t.Errorf("I69 the page's address: got %s, want it without a query", resp.Request.URL)
	}
	return resp.StatusCode, string(body)
}

func (c *coding) ends() signedIn {
	c.t.Helper()
	select {
	case result := <-c.result:
		if text := c.screen.String(); strings.Contains(text, authCode) || c.idToken != "" && strings.Contains(text, c.idToken) {
			c.t.Errorf("P13 got %s, want no secret", text)
		}
		return result
	case <-time.After(10 * time.Second):
		c.t.Fatal("P11 got no end of the sign-in, want one")
		return signedIn{}
	}
}
