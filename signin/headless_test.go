package signin

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"docker-credential-cgr/hint"
	"docker-credential-cgr/token"
)

func TestHeadless(t *testing.T) {
	i := newHeadlessIssuer(t)
	i.answers = []http.HandlerFunc{notFound, notFound, notFound}
	i.signedIn = func(code string) http.HandlerFunc { return session(t, code, idToken) }
	grant, out, err := i.signIn(nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := i.access(alice, []string{registry, api}); grant.AccessTokens[0].Secret != want || grant.RefreshToken != "R1" || grant.Subject != alice || grant.Email != "a@example.com" || !grant.AccessTokens[0].Expires.Equal(i.clock.Now().Add(time.Hour)) {
		t.Errorf("got %+v, want what was exchanged", grant)
	}
	if polls, _ := i.counts(); polls != 4 || len(i.codes) != 1 || len(i.codes[0]) != 43 {
		t.Errorf("got %d polls for %q, want 4 for one code of 43 characters", polls, i.codes)
	}
	if len(i.exchanges) != 1 || i.exchanges[0].Encode() != (url.Values{"aud": {registry, api}}).Encode() {
		t.Errorf("got %v, want one exchange for both audiences", i.exchanges)
	}
	said := out.String()
	if !strings.Contains(said, "\n    "+i.url+"/oauth?headless_code="+i.codes[0]+"\n") {
		t.Errorf("S16 got %s, want the address alone on its line", said)
	}
	for _, part := range []string{"only if you started this yourself", "until " + i.clock.Now().Add(5*time.Minute).Local().Format("15:04:05"), "(5 minutes)", "Ctrl-C cancels"} {
		if !strings.Contains(said, part) {
			t.Errorf("S18 got %s, want %q in it", said, part)
		}
	}
	if strings.ContainsAny(said, "\r\x1b█▀▄") {
		t.Errorf("F33 got %q, want neither a QR code nor a countdown without a terminal", said)
	}
	if _, again, err := i.signIn(nil); err != nil || strings.Contains(again.String(), i.codes[0]) {
		t.Errorf("S19 the next sign-in: got %s, %v, want another code", again, err)
	}
}

func TestHeadlessAddress(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*Headless)
		want   url.Values // beside the code
	}{
		{"provider", func(h *Headless) { h.Provider = "aa/bb" }, url.Values{"idp_id": {"aa/bb"}}},
		{"connection", func(h *Headless) { h.Connection = "google" }, url.Values{"connection": {"google-oauth2"}}},
		{"email", func(h *Headless) { h.Connection = "email" }, url.Values{}},
		{"both", func(h *Headless) { h.Provider, h.Connection = "aa/bb", "github" }, url.Values{"idp_id": {"aa/bb"}}},
		{"identity, which is asked for at the exchange", func(h *Headless) { h.Identity = alice }, url.Values{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			i := newHeadlessIssuer(t)
			i.signedIn = func(code string) http.HandlerFunc { return session(t, code, idToken) }
			_, out, err := i.signIn(test.change)
			if err != nil {
				t.Fatal(err)
			}
			test.want.Set("headless_code", i.codes[0])
			if !strings.Contains(out.String(), "\n    "+i.url+"/oauth?"+test.want.Encode()+"\n") {
				t.Errorf("got %s, want %v", out, test.want)
			}
		})
	}
	t.Run("I23 unknown connection", func(t *testing.T) {
		i := newHeadlessIssuer(t)
		grant, out, err := i.signIn(func(h *Headless) { h.Connection = "pigeon" })
		if polls, _ := i.counts(); err == nil || out.String() != "" || polls != 0 {
			t.Errorf("got %+v, %q, %v, want it refused before anything else", grant, out, err)
		}
	})
}

// What an identity is asked for is exchanged for it, and for nobody else.
func TestHeadlessIdentity(t *testing.T) {
	for _, test := range []struct {
		name, subject string
		want          bool
	}{{"P18 the identity", "cc/dd", true}, {"P18 another", alice, false}} {
		t.Run(test.name, func(t *testing.T) {
			i := newHeadlessIssuer(t)
			i.signedIn = func(code string) http.HandlerFunc { return session(t, code, idToken) }
			i.exchange = reply(200, map[string]any{"token": i.access(test.subject, []string{registry, api}), "refreshToken": "R1"})
			grant, _, err := i.signIn(func(h *Headless) { h.Identity = "cc/dd" })
			if (err == nil) != test.want {
				t.Errorf("got %+v, %v, want it %v", grant, err, test.want)
			}
			if got := i.exchanges[0].Get("identity"); got != "cc/dd" {
				t.Errorf("identity: got %q, want cc/dd", got)
			}
		})
	}
}

// An answer that cannot be decrypted ends the sign-in: its code is not used again.
func TestHeadlessBrokenAnswers(t *testing.T) {
	encode := base64.RawURLEncoding.EncodeToString
	other, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		change func(*sealedToken)
		want   string
	}{
		{"I55 key of 31 bytes", func(s *sealedToken) { s.PublicKey = []byte(encode(make([]byte, 31))) }, "has 31 bytes"},
		{"I55 key of 33 bytes", func(s *sealedToken) { s.PublicKey = []byte(encode(make([]byte, 33))) }, "has 33 bytes"},
		{"I55 no key", func(s *sealedToken) { s.PublicKey = nil }, "has 0 bytes"},
		{"I55 key that is not text", func(s *sealedToken) { s.PublicKey = other.PublicKey().Bytes() }, "not base64url"},
		{"I55 all-zero point", func(s *sealedToken) { s.PublicKey = []byte(encode(make([]byte, 32))) }, "low order"},
		{"I55 point of order 1", func(s *sealedToken) { s.PublicKey = []byte(encode(append([]byte{1}, make([]byte, 31)...))) }, "low order"},
		{"I55 nothing sealed", func(s *sealedToken) { s.Sealed = nil }, "another sign-in"},
		{"I55 truncated nonce", func(s *sealedToken) { s.Sealed = s.Sealed[:11] }, "another sign-in"},
		{"I55 nonce alone", func(s *sealedToken) { s.Sealed = s.Sealed[:12] }, "another sign-in"},
		{"I55 truncated tag", func(s *sealedToken) { s.Sealed = s.Sealed[:len(s.Sealed)-1] }, "another sign-in"},
		{"I55 bad tag", func(s *sealedToken) { s.Sealed[len(s.Sealed)-1] ^= 1 }, "another sign-in"},
		{"I55 changed text", func(s *sealedToken) { s.Sealed[14] ^= 1 }, "another sign-in"},
		{"I55 another session's answer", func(s *sealedToken) { *s = seal(t, encode(other.PublicKey().Bytes()), idToken) }, "another sign-in"},
	} {
		t.Run(test.name, func(t *testing.T) {
			i := newHeadlessIssuer(t)
			i.signedIn = func(code string) http.HandlerFunc {
				s := seal(t, code, idToken)
				test.change(&s)
				return reply(200, s)
			}
			grant, _, err := i.signIn(nil)
			wantEnded(t, grant, err, test.want)
			if polls, exchanges := i.counts(); polls != 1 || exchanges != 0 {
				t.Errorf("got %d polls and %d exchanges, want 1 and none", polls, exchanges)
			}
		})
	}
	t.Run("I49 an ID token with a line end", func(t *testing.T) {
		i := newHeadlessIssuer(t)
		i.signedIn = func(code string) http.HandlerFunc { return session(t, code, "some-token\r\nX-Evil: 1") }
		grant, _, err := i.signIn(nil)
		wantEnded(t, grant, err, "control characters")
	})
}

// wantEnded checks that a sign-in ended as an answer, in one printable line.
func wantEnded(t *testing.T, grant *token.Grant, err error, want string) {
	t.Helper()
	var left *token.SignInError
	if !errors.As(err, &left) || grant != nil || !strings.Contains(err.Error(), want) || !slices.Contains(hint.Of(err), hint.Do(hint.SignIn)) {
		t.Errorf("got %+v, %v, want a *SignInError with %q and what to run", grant, err, want)
	}
	if err != nil && strings.ContainsAny(err.Error(), "\r\n\x1b") {
		t.Errorf("P14 got %q, want one printable line", err)
	}
}

// What may pass by itself is waited out; what will not ends it.
func TestHeadlessPolls(t *testing.T) {
	closes := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	gateway := func(status, code int) http.HandlerFunc {
		return reply(status, map[string]any{"code": code, "message": "some\x1btext"})
	}
	for _, test := range []struct {
		name   string
		answer http.HandlerFunc
		want   string // "": the sign-in goes on
	}{
		{"S17 404 of the gateway", notFound, ""},
		{"S17 404 of something else", webPage(404), ""},
		{"S17 503", gateway(503, 14), ""},
		{"S17 500", gateway(500, 13), ""},
		{"S17 502 of a proxy", webPage(502), ""},
		{"S17 cut connection", closes, ""},
		{"I54 429", gateway(429, 8), ""},
		{"400", gateway(400, 3), `answered 400 Bad Request: some\x1btext`},
		{"401", gateway(401, 16), "answered 401"},
		{"403", gateway(403, 7), "answered 403"},
		{"407 of a proxy", webPage(407), "answered 407"},
		{"I44 captive portal", webPage(200), "not the issuer"},
		{"I46 redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://evil.example/x", http.StatusFound)
		}, "redirects to evil.example"},
	} {
		t.Run(test.name, func(t *testing.T) {
			i := newHeadlessIssuer(t)
			i.answers = []http.HandlerFunc{test.answer, test.answer}
			i.signedIn = func(code string) http.HandlerFunc { return session(t, code, idToken) }
			grant, out, err := i.signIn(nil)
			if test.want != "" {
				wantEnded(t, grant, err, test.want)
				return
			}
			if err != nil {
				t.Errorf("got %v, want the sign-in", err)
			}
			told := strings.Count(out.String(), "still waiting")
			if strings.Contains(test.name, "404") != (told == 0) || told > 1 || strings.Contains(out.String(), "\x1b") {
				t.Errorf("got %q, want word of what is wrong, once", out)
			}
		})
	}
}

func TestHeadlessEnds(t *testing.T) {
	t.Run("F24 denied, or never finished", func(t *testing.T) {
		i := newHeadlessIssuer(t)
		i.answers = []http.HandlerFunc{notFound, notFound, func(w http.ResponseWriter, r *http.Request) {
			i.clock.add(5 * time.Minute) // awake, or asleep
			notFound(w, r)
		}}
		grant, _, err := i.signIn(nil)
		wantEnded(t, grant, err, "was not finished within 5 minutes")
		if polls, _ := i.counts(); polls != 3 {
			t.Errorf("got %d polls, want 3", polls)
		}
	})
	t.Run("F24 the issuer never answers", func(t *testing.T) {
		i := newHeadlessIssuer(t)
		blackhole := roundTrip(func(r *http.Request) (*http.Response, error) {
			i.clock.add(5 * time.Minute)
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		grant, _, err := i.signIn(func(h *Headless) { h.STS.Transport = blackhole })
		wantEnded(t, grant, err, "was not finished within 5 minutes")
	})
	t.Run("F25 stopped", func(t *testing.T) {
		i := newHeadlessIssuer(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		i.answers = []http.HandlerFunc{func(w http.ResponseWriter, r *http.Request) {
			cancel(token.ErrInterrupted)
			notFound(w, r)
		}}
		_, err := i.headless(&screen{}, time.Minute).SignIn(ctx, request(registry))
		var left *token.SignInError
		if !errors.Is(err, token.ErrInterrupted) || errors.As(err, &left) {
			t.Errorf("got %v, want the context's cause, which is no answer", err)
		}
	})
	t.Run("F25 stopped at the exchange", func(t *testing.T) {
		i := newHeadlessIssuer(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		i.signedIn = func(code string) http.HandlerFunc { return session(t, code, idToken) }
		i.exchange = func(w http.ResponseWriter, r *http.Request) {
			cancel(token.ErrInterrupted)
			<-r.Context().Done()
		}
		_, err := i.headless(&screen{}, time.Minute).SignIn(ctx, request(registry))
		if !errors.Is(err, token.ErrInterrupted) {
			t.Errorf("got %v, want the context's cause", err)
		}
	})
	for name, exchange := range map[string]http.HandlerFunc{
		"refused":              reply(403, map[string]any{"code": 7, "message": "not for you"}),
		"I51 another audience": reply(200, map[string]any{"token": jwt(t, map[string]any{"iss": "https://other.example", "sub": alice})}),
		"F18 503":              webPage(503),
	} {
		t.Run(name, func(t *testing.T) {
			i := newHeadlessIssuer(t)
			i.signedIn = func(code string) http.HandlerFunc { return session(t, code, idToken) }
			i.exchange = exchange
			grant, _, err := i.signIn(nil)
			wantEnded(t, grant, err, "failed: ")
		})
	}
	t.Run("a token of nobody", func(t *testing.T) {
		i := newHeadlessIssuer(t)
		i.signedIn = func(code string) http.HandlerFunc { return session(t, code, idToken) }
		i.exchange = reply(200, map[string]any{"token": i.access("", []string{registry, api})})
		grant, _, err := i.signIn(nil)
		wantEnded(t, grant, err, "has no subject")
	})
}
