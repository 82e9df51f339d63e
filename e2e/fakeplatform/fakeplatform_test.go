package fakeplatform_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"chainguard.dev/sdk/auth/login"

	"docker-credential-cgr/e2e/fakeplatform"
)

const redirect = "http://localhost:8085/callback?token=true&error=true"

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

// answer is an HTTP answer that was read.
type answer struct {
	status int
	header http.Header
	body   string
}

func do(t *testing.T, method, rawURL, authorization string, form url.Values) answer {
	t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(t.Context(), method, rawURL, body)
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	return send(t, r)
}

func send(t *testing.T, r *http.Request) answer {
	t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(text)}
}

func (a answer) decode(t *testing.T, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), into); err != nil {
		t.Fatalf("body %q: %v", a.body, err)
	}
}

func claimsOf(t *testing.T, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is no JWT", token)
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(text, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

func signIn(t *testing.T, signInURL, email string, passwords ...string) url.Values {
	t.Helper()
	back, err := fakeplatform.SignIn(t.Context(), signInURL, email, passwords...)
	if err != nil {
		t.Fatal(err)
	}
	if got := back.Scheme + "://" + back.Host + back.Path; got != "http://localhost:8085/callback" {
		t.Fatalf("sent back to %s", got)
	}
	return back.Query()
}

func TestSignIn(t *testing.T) {
	p := start(t)
	q := signIn(t, p.SignInURL(redirect+"&nonce=n1"), fakeplatform.Ada, "lovelace")
	if q.Has("error") || q.Has("status_code") {
		t.Errorf("a sign-in that went well came back with %v", q)
	}
	if got := q["nonce"]; !slices.Equal(got, []string{"n1"}) {
		t.Errorf("nonce = %q", got)
	}
	if got := len(q["token"]); got != 1 {
		t.Fatalf("%d tokens, want the placeholder replaced by one", got)
	}
	claims := claimsOf(t, q.Get("token"))
	if claims["iss"] != p.Issuer || claims["sub"] != p.PersonID(fakeplatform.Ada) || claims["email"] != fakeplatform.Ada {
		t.Errorf("claims %v", claims)
	}
	if aud, ok := claims["aud"].([]any); !ok || len(aud) != 2 {
		t.Errorf("aud = %v, want both audiences", claims["aud"])
	}
	if life := claims["exp"].(float64) - claims["iat"].(float64); life != 3600 {
		t.Errorf("the access token lives %v s", life)
	}

	refresh := q.Get("refresh_token")
	text, err := base64.StdEncoding.DecodeString(refresh)
	if err != nil {
		t.Fatalf("refresh token: %v", err)
	}
	var object struct{ Exp int64 }
	if err := json.Unmarshal(text, &object); err != nil || time.Until(time.Unix(object.Exp, 0)) < 29*24*time.Hour {
		t.Errorf("refresh token holds %s (%v)", text, err)
	}
	if !strings.Contains(refresh, "+") || !strings.Contains(refresh, "/") || !strings.HasSuffix(refresh, "=") {
		t.Errorf("refresh token %q spares its readers", refresh)
	}
	if !slices.Contains(p.Issued(), refresh) || !slices.Contains(p.Issued(), q.Get("token")) {
		t.Error("Issued does not know what was handed out")
	}
	if p.Count("oauth") != 1 || p.Count("oauth.form") != 1 || p.Count("signin") != 1 || p.Count("") != 2 {
		t.Errorf("counts: oauth %d, form %d, signin %d, all %d",
			p.Count("oauth"), p.Count("oauth.form"), p.Count("signin"), p.Count(""))
	}
}

func TestSignInEndsWithoutToken(t *testing.T) {
	p := start(t)
	tests := map[string]struct {
		email     string
		passwords []string
		deny      bool
		status    string
	}{
		"denied":         {deny: true, status: "403"},
		"wrong password": {email: fakeplatform.Ada, passwords: []string{"a", "b", "c"}, status: "401"},
		"no account":     {email: fakeplatform.Nobody, passwords: []string{"nemo"}, status: "404"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var q url.Values
			if test.deny {
				back, err := fakeplatform.Deny(t.Context(), p.SignInURL(redirect))
				if err != nil {
					t.Fatal(err)
				}
				q = back.Query()
			} else {
				q = signIn(t, p.SignInURL(redirect), test.email, test.passwords...)
			}
			if q.Has("token") || q.Has("refresh_token") {
				t.Errorf("came back with a token: %v", q)
			}
			if q.Get("status_code") != test.status || q.Get("error") == "" || q.Get("error") == "true" {
				t.Errorf("came back with %v, want status_code %s", q, test.status)
			}
		})
	}
	if n := p.Count("signin"); n != 0 {
		t.Errorf("%d sign-ins counted", n)
	}
}

func TestWrongPasswordShowsTheFormAgain(t *testing.T) {
	p := start(t)
	q := signIn(t, p.SignInURL(redirect), fakeplatform.Grace, "wrong", "hopper")
	if q.Get("token") == "" {
		t.Fatalf("came back with %v", q)
	}
	_, err := fakeplatform.SignIn(t.Context(), p.SignInURL(redirect), fakeplatform.Grace, "wrong")
	if err == nil || !strings.Contains(err.Error(), `id="error"`) {
		t.Errorf("the page after a wrong password: %v", err)
	}
}

func TestSignInRefusesWrongParameters(t *testing.T) {
	p := start(t)
	for _, change := range []url.Values{
		{"exit": {"stay"}},
		{"redirect": {"https://localhost:8085/callback"}},
		{"redirect": {"http://evil.example:8085/callback"}},
		{"redirect": {"http://localhost/callback"}},
		{"redirect": {"http://localhost:8085/elsewhere"}},
		{"client_id": {"other"}},
		{"idp_id": {"example.com"}}, // beside client_id
		{"connection": {"email"}},
		{"audience": {"cgr.example"}},
		{"audience": {""}},
		{"headless_code": {"short"}},
	} {
		u, err := url.Parse(p.SignInURL(redirect))
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		for name, values := range change {
			q[name] = values
		}
		u.RawQuery = q.Encode()
		if a := do(t, http.MethodGet, u.String(), "", nil); a.status != http.StatusBadRequest || a.header.Get("Location") != "" {
			t.Errorf("%v: status %d, Location %q", change, a.status, a.header.Get("Location"))
		}
	}
}

func TestSignInWithOrganization(t *testing.T) {
	p := start(t)
	for name, want := range map[string]string{"example.com": "true", "example.net": "false", "example.org": "false"} {
		if a := do(t, http.MethodGet, p.Issuer+"/orgcheck?name="+name, "", nil); strings.TrimSpace(a.body) != want {
			t.Errorf("orgcheck of %s: %s", name, a.body)
		}
	}
	for _, id := range []string{fakeplatform.Organization, p.IdentityProviderID()} {
		u := strings.Replace(p.SignInURL(redirect), "client_id=auth0", "idp_id="+url.QueryEscape(id), 1)
		if q := signIn(t, u, fakeplatform.Ada, "lovelace"); q.Get("token") == "" {
			t.Errorf("idp_id=%s: came back with %v", id, q)
		}
	}
}

func TestAutoApprove(t *testing.T) {
	p := start(t, fakeplatform.WithAutoApprove())
	back, err := fakeplatform.SignIn(t.Context(), p.SignInURL(redirect), "")
	if err != nil {
		t.Fatal(err)
	}
	if got := claimsOf(t, back.Query().Get("token"))["email"]; got != fakeplatform.Ada {
		t.Errorf("signed in as %v", got)
	}
}

// The vendor's own client signs in here: it makes the URL, listens, and reads what comes back.
func TestVendorSignIn(t *testing.T) {
	p := start(t)
	message, said := io.Pipe()
	type result struct {
		token, refresh string
		err            error
	}
	done := make(chan result, 1)
	go func() {
		token, refresh, err := login.Login(t.Context(), login.WithIssuer(p.Issuer), login.WithClientID("auth0"),
			login.WithAudience([]string{p.RegistryHost(), p.API}), login.WithCreateRefreshToken(),
			login.WithSkipRegistration(), login.WithSkipBrowser(), login.WithMessageWriter(said))
		done <- result{token, refresh, err}
	}()
	line, err := bufio.NewReader(message).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	back, err := fakeplatform.SignIn(t.Context(), line[strings.Index(line, "http"):len(line)-1], fakeplatform.Ada, "lovelace")
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get(back.String())
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	got := <-done
	if got.err != nil || claimsOf(t, got.token)["sub"] != p.PersonID(fakeplatform.Ada) || !slices.Contains(p.Issued(), got.refresh) {
		t.Errorf("the vendor's client got %+v", got)
	}
}

func TestStartIsQuick(t *testing.T) {
	start(t) // makes the keys
	begin := time.Now()
	start(t)
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("Start took %v", took)
	} else {
		t.Logf("Start took %v", took)
	}
}

func TestCloseEndsWhatIsUnderWay(t *testing.T) {
	p, err := fakeplatform.Start(fakeplatform.WithBehavior(func(b *fakeplatform.Behavior) {
		b.Latency = map[string]time.Duration{"orgcheck": time.Hour}
	}))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.Issuer+"/orgcheck?name=x", nil)
	if err != nil {
		t.Fatal(err)
	}
	failed := make(chan error, 1)
	go func() {
		resp, err := http.DefaultClient.Do(r)
		if err == nil {
			_ = resp.Body.Close()
		}
		failed <- err
	}()
	for p.Count("orgcheck") == 0 {
		time.Sleep(time.Millisecond)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if err := <-failed; err == nil || ctx.Err() != nil {
		t.Errorf("request under way ended with %v", err)
	}
}
