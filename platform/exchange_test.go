package platform

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

const identity = "cccccccccccccccccccccccccccccccccccccccc/0123456789abcdef"

// wantsExchange has the issuer want one more exchange of the ID token "I1".
func (f *fixture) wantsExchange(form url.Values, answer http.HandlerFunc) {
	f.steps = append(f.steps, step{"/sts/exchange", "I1", form, answer})
}

// exchanged is how the service answers an exchange.
func exchanged(access, refresh any) http.HandlerFunc {
	return answers(map[string]any{"token": access, "refreshToken": refresh, "expiry": "1999-01-01T00:00:00Z", "unknown": nil})
}

func TestExchange(t *testing.T) {
	both := []string{registry, api}
	tests := []struct {
		name string
		ask  TokenRequest
		form url.Values
	}{
		{"one audience", TokenRequest{Audiences: []string{registry}}, url.Values{"aud": {registry}}},
		{"two audiences", TokenRequest{Audiences: both}, url.Values{"aud": both}},
		{"an identity", TokenRequest{Audiences: both, Identity: alice}, url.Values{"aud": both, "identity": {alice}}},
		{"everything", TokenRequest{Audiences: both, Identity: alice, IdentityProvider: "dd/ee", Scopes: []string{"a/b", "c"}, Capabilities: []string{"x.pull", "y.pull"}},
			url.Values{"aud": both, "identity": {alice}, "identity_provider": {"dd/ee"}, "scopes": {"a/b", "c"}, "cap": {"x.pull", "y.pull"}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t)
			access := f.access(test.ask.Audiences...)
			f.wantsExchange(test.form, exchanged(access, "R1"))
			token, err := f.sts().Exchange(t.Context(), "I1", test.ask, 1)
			if err != nil || token.AccessToken != access || token.RefreshToken != "R1" {
				t.Fatalf("got %+v, %v, want what was answered", token, err)
			}
			if want := f.now.Add(time.Hour); !token.Expiry.Equal(want) {
				t.Errorf("expiry: got %v, want the token's own, %v", token.Expiry, want)
			}
		})
	}
	// A refresh token is of one identity already: the form has no field for it.
	t.Run("a refresh", func(t *testing.T) {
		f := newFixture(t)
		f.steps = append(f.steps, step{"/sts/exchange_refresh_token", "R1", url.Values{"aud": both, "scopes": {"a"}, "cap": {"x"}}, gives(f.access(both...), "")})
		ask := TokenRequest{Audiences: both, Identity: alice, IdentityProvider: "dd", Scopes: []string{"a"}, Capabilities: []string{"x"}}
		if token, err := f.sts().Refresh(t.Context(), "R1", ask, 1); err != nil || token.RefreshToken != "" {
			t.Errorf("got %+v, %v, want a token", token, err)
		}
	})
	for name, refresh := range map[string]any{"I52 empty": "", "I52 null": nil} {
		t.Run(name+" refresh token", func(t *testing.T) {
			f := newFixture(t)
			f.wantsExchange(url.Values{"aud": {registry}}, exchanged(f.access(registry), refresh))
			if token, err := f.sts().Exchange(t.Context(), "I1", TokenRequest{Audiences: []string{registry}}, 1); err != nil || token.RefreshToken != "" {
				t.Errorf("got %+v, %v, want no refresh token", token, err)
			}
		})
	}
	t.Run("fields that are missing", func(t *testing.T) {
		f := newFixture(t)
		f.wantsExchange(url.Values{"aud": {registry}}, answers(map[string]any{"token": f.access(registry)}))
		if token, err := f.sts().Exchange(t.Context(), "I1", TokenRequest{Audiences: []string{registry}}, 1); err != nil || token.RefreshToken != "" {
			t.Errorf("got %+v, %v, want the token", token, err)
		}
	})
}

// An ID token is opaque, but what would break the header stays here.
func TestExchangeIDTokens(t *testing.T) {
	for name, idToken := range map[string]string{
		"I49 empty": "", "I49 line end": "secret-id-token\n", "I22 CRLF inside": "secret-id-token\r\nX-Evil: 1", "I22 NUL": "secret-id-token\x00",
		"I22 binary": "\x01\x02secret-id-token", "I22 10 MB": strings.Repeat("secret-id-token", 10<<20/15),
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t) // nothing may be asked
			token, err := f.sts().Exchange(t.Context(), idToken, TokenRequest{Audiences: []string{registry}}, 3)
			if err == nil || token != nil || strings.Contains(err.Error(), "secret") || strings.ContainsAny(err.Error(), "\r\n\x00") {
				t.Errorf("got %+v, %.300v, want an error without the token", token, err)
			}
		})
	}
	for name, idToken := range map[string]string{"I49 no JWT": "opaque", "I49 quotes": `{"a":"b c"}`, "I49 other scripts": "tökén", "I50 five parts": "a.b.c.d.e"} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.steps = append(f.steps, step{"/sts/exchange", idToken, url.Values{"aud": {registry}}, exchanged(f.access(registry), "")})
			if _, err := f.sts().Exchange(t.Context(), idToken, TokenRequest{Audiences: []string{registry}}, 1); err != nil {
				t.Errorf("got %v, want it sent as it is", err)
			}
		})
	}
}

// Another try is for what may pass by itself, which is less than for a refresh.
func TestExchangeRetries(t *testing.T) {
	page := func(status int) http.HandlerFunc { return serving(status, "text/html", "<html>try later</html>") }
	form := url.Values{"aud": {registry}}
	for _, test := range []struct {
		name   string
		answer http.HandlerFunc
		again  bool
	}{
		{"F18 code 14", fails(503, CodeUnavailable, ""), true},
		{"F18 502 of a proxy", page(502), true},
		{"F18 503 of a proxy", page(503), true},
		{"F16 no answer", closes, true},
		{"F18 code 13", fails(500, CodeInternal, ""), false},
		{"F18 code 4", fails(504, CodeDeadlineExceeded, ""), false},
		{"F18 504 of a proxy", page(504), false},
		{"F18 code 16", fails(401, CodeUnauthenticated, ""), false},
		{"F18 code 7", fails(403, 7, ""), false},
		{"F18 code 3", fails(400, CodeInvalidArgument, ""), false},
		{"F18 code 8", fails(429, 8, ""), false},
		{"I44 captive portal", page(200), false},
		{"I46 redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/x", http.StatusTemporaryRedirect) }, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t)
			f.wantsExchange(form, test.answer)
			if test.again {
				f.wantsExchange(form, exchanged(f.access(registry), "R1"))
			}
			token, err := f.sts().Exchange(t.Context(), "I1", TokenRequest{Audiences: []string{registry}}, 3)
			if (err == nil) != test.again || (token != nil) != test.again {
				t.Errorf("got %+v, %v, want a second try %v", token, err, test.again)
			}
		})
	}
	t.Run("F18 three tries at most", func(t *testing.T) {
		f := newFixture(t)
		for range 3 {
			f.wantsExchange(form, page(503))
		}
		if token, err := f.sts().Exchange(t.Context(), "I1", TokenRequest{Audiences: []string{registry}}, 3); err == nil {
			t.Errorf("got %+v, want an error", token)
		}
	})
	t.Run("F25 stopped", func(t *testing.T) {
		f := newFixture(t)
		ctx, cancel := context.WithCancel(t.Context())
		f.wantsExchange(form, func(w http.ResponseWriter, r *http.Request) {
			cancel()
			page(503)(w, r)
		})
		if token, err := f.sts().Exchange(ctx, "I1", TokenRequest{Audiences: []string{registry}}, 3); err == nil {
			t.Errorf("got %+v, want an error", token)
		}
	})
}

// What is for somebody or something else than was asked is not handed out.
func TestExchangedTokens(t *testing.T) {
	f := newFixture(t)
	claims := func(changed map[string]any) string {
		all := map[string]any{"iss": f.url, "sub": identity, "aud": []string{registry, api}, "exp": f.now.Add(time.Hour).Unix()}
		for name, value := range changed {
			all[name] = value
		}
		return jwt(t, all)
	}
	for _, test := range []struct{ name, access, want string }{ // want "": taken
		{"whole", claims(nil), ""},
		{"I51 the first audience alone", claims(map[string]any{"aud": registry}), "instead of " + api},
		{"I51 the second audience alone", claims(map[string]any{"aud": []string{api}}), "instead of " + registry},
		{"I51 no audience", claims(map[string]any{"aud": nil}), "instead of"},
		{"I51 another issuer", claims(map[string]any{"iss": "https://evil.example"}), "another issuer, https://evil.example"},
		{"I51 another identity", claims(map[string]any{"sub": alice + "\x1b"}), "a token of " + alice + `\x1b instead of ` + identity},
		{"I51 a person", claims(map[string]any{"sub": ""}), "instead of " + identity},
		{"I49 no JWT", "opaque-secret", "not a JWT"},
		{"I49 line end", claims(nil) + "\n", "control characters"},
		{"I44 empty", "", "not the issuer"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f.t = t
			f.wantsExchange(url.Values{"aud": {registry, api}, "identity": {identity}}, exchanged(test.access, "R-secret"))
			token, err := f.sts().Exchange(t.Context(), "I1", TokenRequest{Audiences: []string{registry, api}, Identity: identity}, 1)
			switch {
			case test.want == "" && (err != nil || token.AccessToken != test.access):
				t.Errorf("got %+v, %v, want the token", token, err)
			case test.want != "" && (err == nil || token != nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("got %+v, %v, want nothing, and %q in the error", token, err, test.want)
			case err != nil && (strings.Contains(err.Error(), "secret") || strings.ContainsAny(err.Error(), "\x1b\n")):
				t.Errorf("got %q, want one printable line without a token", err)
			}
		})
	}
}

// Whatever an exchange is answered, a token that is handed out is the issuer's,
// for all that was asked, and fits a header.
func FuzzExchange(f *testing.F) {
	const issuer = "https://issuer.example"
	sts := func(t *testing.T, body []byte) *STS {
		transport := roundTrip(func(r *http.Request) *http.Response {
			return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(body)), Request: r}
		})
		return &STS{Issuer: issuer, Transport: transport, Now: time.Now, Warn: func(err error) { t.Log(err) }, Debug: t.Logf}
	}
	good := jwt(f, map[string]any{"iss": issuer, "sub": alice, "aud": []string{registry, api}, "exp": 1791194400})
	taken := `{"token":"` + good + `","refreshToken":"R1","expiry":"2026-01-02T03:04:05Z"}`
	for _, seed := range []string{taken, `{"token":"` + good + `"}`, `{"token":"","refreshToken":null}`, `{"token":{"token":"x"}}`, `{"token":"a.b.c\u0000"}`, `[]`, ``} {
		f.Add([]byte(seed))
	}
	ask := TokenRequest{Audiences: []string{registry, api}}
	f.Fuzz(func(t *testing.T, body []byte) {
		token, err := sts(t, body).Exchange(t.Context(), bearer, ask, 1)
		if (token == nil) == (err == nil) {
			t.Fatalf("%q: got %+v, %v, want one of them", body, token, err)
		}
		if err != nil {
			if text := err.Error(); string(body) == taken || strings.Contains(text, bearer) || strings.ContainsAny(text, "\n\r\x00\x1b") {
				t.Errorf("%q: got %q, want one printable line, and none for a good answer", body, text)
			}
			return
		}
		c, err := ParseClaims(token.AccessToken)
		if err != nil || strings.TrimRight(c.Issuer, "/") != issuer || !slices.Contains(c.Audiences, registry) || !slices.Contains(c.Audiences, api) || HasControl(token.AccessToken+token.RefreshToken) {
			t.Errorf("%q: got %+v, %v, want a token of the issuer for what was asked", body, c, err)
		}
	})
}

// I48 A service that puts what was sent into the token that it answers with does not
// have it shown.
func TestEchoInClaims(t *testing.T) {
	const sent = "an-id-token.which-nobody.should-see-0123456789"
	for name, claims := range map[string]map[string]any{
		"issuer":   {"iss": sent},
		"audience": {"aud": sent},
		"subject":  {"sub": sent, "aud": registry},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			if claims["iss"] == nil {
				claims["iss"] = f.url
			}
			form := url.Values{"aud": {registry}, "identity": {identity}}
			f.steps = append(f.steps, step{"/sts/exchange", sent, form, exchanged(jwt(t, claims), "")})
			_, err := f.sts().Exchange(t.Context(), sent, TokenRequest{Audiences: []string{registry}, Identity: identity}, 1)
			if err == nil || strings.Contains(err.Error(), "nobody.should") {
				t.Errorf("got %v, want an error without what was sent", err)
			}
		})
	}
}
