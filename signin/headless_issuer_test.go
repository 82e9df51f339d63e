package signin

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"docker-credential-cgr/platform"
	"docker-credential-cgr/signin/prompt"
	"docker-credential-cgr/token"
)

const idToken = "opaque.id-token+/=" // what must never be shown

// headlessIssuer is the issuer's side of headless sign-ins.
type headlessIssuer struct {
	t     *testing.T
	url   string
	clock *testClock

	mu        sync.Mutex
	polls     int
	codes     []string           // that were polled for
	answers   []http.HandlerFunc // to the next polls; when there are none, signedIn decides
	signedIn  func(code string) http.HandlerFunc
	exchanges []url.Values
	exchange  http.HandlerFunc // in place of a token for all that was asked
}

func newHeadlessIssuer(t *testing.T) *headlessIssuer {
	t.Helper()
	i := &headlessIssuer{t: t, clock: &testClock{now: time.Date(2026, 10, 5, 9, 0, 0, 0, time.UTC)}}
	server := httptest.NewServer(i)
	t.Cleanup(server.Close)
	i.url = server.URL
	return i
}

func (i *headlessIssuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	w.Header().Set("Date", i.clock.Now().UTC().Format(http.TimeFormat))
	switch r.Method + " " + r.URL.Path {
	case "GET /sts/headless_sessions":
		i.polls++
		code := r.URL.Query().Get("code")
		if r.Header.Get("Authorization") != "" || len(r.URL.Query()) != 1 {
			i.t.Errorf("a poll: got %s with %q, want the code alone", r.URL, r.Header.Get("Authorization"))
		}
		if !slices.Contains(i.codes, code) {
			i.codes = append(i.codes, code)
		}
		answer := notFound
		if len(i.answers) > 0 {
			answer, i.answers = i.answers[0], i.answers[1:]
		} else if i.signedIn != nil {
			answer = i.signedIn(code)
		}
		answer(w, r)
	case "POST /sts/exchange":
		if err := r.ParseForm(); err != nil || r.Header.Get("Authorization") != "Bearer "+idToken {
			i.t.Errorf("an exchange: got %q, %v, want the ID token", r.Header.Get("Authorization"), err)
		}
		i.exchanges = append(i.exchanges, r.PostForm)
		if i.exchange != nil {
			i.exchange(w, r)
			return
		}
		reply(200, map[string]any{"token": i.access(alice, r.PostForm["aud"]), "refreshToken": "R1", "expiry": ""})(w, r)
	default:
		i.t.Errorf("the issuer was asked: got %s %s", r.Method, r.URL)
	}
}

func (i *headlessIssuer) access(subject string, audiences []string) string {
	now := i.clock.Now()
	return jwt(i.t, map[string]any{"iss": i.url, "sub": subject, "aud": audiences, "email": "a@example.com", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix()})
}

func (i *headlessIssuer) counts() (polls, exchanges int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.polls, len(i.exchanges)
}

func reply(status int, value any) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(value)
	}
}

func notFound(w http.ResponseWriter, r *http.Request) {
	reply(404, map[string]any{"code": 5, "message": "headless session not found", "details": []any{}})(w, r)
}

func webPage(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(status)
		fmt.Fprint(w, "<html>")
	}
}

// seal seals text for the holder of a code's private key, as the issuer does: it
// is made of the primitives, not of the code that opens it.
func seal(t testing.TB, code, text string) sealedToken {
	t.Helper()
	point, err := base64.RawURLEncoding.DecodeString(code)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := ecdh.X25519().NewPublicKey(point)
	if err != nil {
		t.Fatal(err)
	}
	ours, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := ours.ECDH(theirs)
	if err != nil {
		t.Fatal(err)
	}
	public := base64.RawURLEncoding.EncodeToString(ours.PublicKey().Bytes())
	return sealedToken{PublicKey: []byte(public), Sealed: sealWith(t, secret, text)}
}

func sealWith(t testing.TB, secret []byte, text string) []byte {
	t.Helper()
	block, err := aes.NewCipher(secret)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	nonce := make([]byte, 12)
	_, _ = rand.Read(nonce)
	return gcm.Seal(nonce, nonce, []byte(text), nil)
}

// session is the poll's answer with an ID token in it.
func session(t testing.TB, code, text string) http.HandlerFunc {
	s := seal(t, code, text)
	encode := base64.StdEncoding.EncodeToString
	return reply(200, map[string]any{"ecdhPublicKey": encode(s.PublicKey), "encryptedIdtoken": encode(s.Sealed), "unknown": nil})
}

func (i *headlessIssuer) headless(out *screen, wait time.Duration) *Headless {
	return &Headless{
		STS:  &platform.STS{Issuer: i.url, Transport: platform.NewTransport(), Now: i.clock.Now, Warn: func(err error) { i.t.Log(err) }, Debug: i.t.Logf},
		Wait: wait, Every: time.Millisecond, Screen: prompt.Screen{Out: out}, Now: i.clock.Now, Debug: func(string, ...any) {},
	}
}

// signIn runs a sign-in to its end.
func (i *headlessIssuer) signIn(change func(*Headless)) (*token.Grant, *screen, error) {
	i.t.Helper()
	out := &screen{}
	h := i.headless(out, 5*time.Minute)
	if change != nil {
		change(h)
	}
	ctx, cancel := context.WithTimeout(i.t.Context(), 10*time.Second)
	defer cancel()
	grant, err := h.SignIn(ctx, request(registry, api))
	if strings.Contains(fmt.Sprint(out, err), idToken) {
		i.t.Errorf("P13 got %s, %v, want no ID token", out, err)
	}
	return grant, out, err
}

// roundTrip is a transport that answers by itself.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
