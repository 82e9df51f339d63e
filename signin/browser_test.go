package signin

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"docker-credential-cgr/hint"
	"docker-credential-cgr/signin/prompt"
	"docker-credential-cgr/token"
)

// signing is a sign-in on its way, on a machine without a browser.
type signing struct {
	t       *testing.T
	browser *Browser
	clock   *testClock
	screen  *screen
	redir   *url.URL // where the issuer sends the browser
	page    *url.URL // where the person signs in
	cancel  context.CancelFunc
	result  chan signedIn

	mu      sync.Mutex
	asked   []string                 // access tokens that the platform was asked about
	refuses func(*token.Grant) error // what the platform says of an answer; nil accepts all
}

type signedIn struct {
	grant *token.Grant
	err   error
}

const issuerURL = "https://issuer.example"

func newSigning(t *testing.T, wait time.Duration) *signing {
	t.Helper()
	noBrowserHere(t)
	s := &signing{
		t: t, screen: &screen{}, result: make(chan signedIn, 1),
		clock: &testClock{now: time.Date(2026, 10, 5, 9, 0, 0, 0, time.UTC)},
	}
	s.browser = &Browser{
		Issuer: issuerURL, Console: "https://console.example", Wait: wait, Screen: prompt.Screen{Out: s.screen}, Now: s.clock.Now,
		Debug: func(format string, args ...any) { t.Logf("debug: "+format, args...) },
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	t.Cleanup(cancel)
	go func() {
		grant, err := s.browser.SignIn(ctx, token.SignInRequest{
			Audiences: []string{registry, api}, Single: []string{registry}, Verify: s.verify,
		})
		s.result <- signedIn{grant, err}
	}()
	waitFor(t, "the address", func() bool { return strings.Contains(s.screen.String(), "waiting until") })
	for line := range strings.Lines(s.screen.String()) {
		if address := strings.TrimSpace(line); strings.HasPrefix(address, issuerURL) {
			s.page = parse(t, address)
			s.redir = parse(t, s.page.Query().Get("redirect"))
		}
	}
	if s.redir == nil {
		t.Fatalf("got %s, want an address to open", s.screen)
	}
	return s
}

// verify stands for the platform.
func (s *signing) verify(_ context.Context, grant *token.Grant) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, grant.AccessTokens[0].Secret)
	if s.refuses != nil {
		return s.refuses(grant)
	}
	return nil
}

// noBrowserHere hides whatever a browser could be shown with.
func noBrowserHere(t *testing.T) {
	t.Helper()
	for _, name := range []string{"BROWSER", "DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME", "SSH_CONNECTION"} {
		t.Setenv(name, "")
	}
}

func parse(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// comesBack sends the browser to the callback as the issuer does, and gives the
// page that it ends at.
func (s *signing) comesBack(parameters url.Values) (status int, page string) {
	s.t.Helper()
	resp, err := http.Get("http://" + s.redir.Host + s.redir.Path + "?" + parameters.Encode())
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if resp.Request.URL.RawQuery != "" && resp.StatusCode == 200 {
		s.t.Errorf("I69 the page's address: got %s, want it without a query", resp.Request.URL)
	}
	return resp.StatusCode, string(body)
}

// ends waits for the sign-in's end.
func (s *signing) ends() signedIn {
	s.t.Helper()
	select {
	case result := <-s.result:
		return result
	case <-time.After(10 * time.Second):
		s.t.Fatal("P11 got no end of the sign-in, want one")
		return signedIn{}
	}
}

// token makes an access token for this sign-in, with some claims changed.
func (s *signing) token(changed map[string]any) string {
	now := s.clock.Now()
	claims := map[string]any{
		"iss": issuerURL, "sub": alice, "aud": []string{registry, api}, "email": "a@example.com",
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	for name, value := range changed {
		claims[name] = value
		if value == nil {
			delete(claims, name)
		}
	}
	return jwt(s.t, claims)
}

func TestSignIn(t *testing.T) {
	s := newSigning(t, time.Minute)
	want := url.Values{
		"exit": {"redirect"}, "client_id": {"auth0"}, "audience": {"cgr.dev,https://console-api.enforce.dev"},
		"create_refresh_token": {"true"}, "skip_registration": {"true"}, "redirect": {s.redir.String()},
	}
	if got := s.page.Query(); got.Encode() != want.Encode() || s.page.Path != "/oauth" {
		t.Errorf("the page: got %s, want /oauth with %v", s.page, want)
	}
	if s.redir.Scheme != "http" || s.redir.Hostname() != "localhost" || s.redir.Path != "/callback" || s.redir.RawQuery != "token=true&error=true" {
		t.Errorf("S5 the redirect: got %s, want http://localhost:PORT/callback?token=true&error=true", s.redir)
	}
	token := s.token(nil)
	status, page := s.comesBack(url.Values{"token": {token}, "refresh_token": {"x+y/z=="}})
	if status != 200 || !strings.Contains(page, "a@example.com") || strings.Contains(page, token) || strings.Contains(page, "x+y") {
		t.Errorf("P18 the page: got %d, %s, want who signed in, without a token", status, page)
	}
	got := s.ends()
	if got.err != nil || got.grant.AccessTokens[0].Secret != token || got.grant.RefreshToken != "x+y/z==" || got.grant.Subject != alice || got.grant.Email != "a@example.com" {
		t.Errorf("got %+v, %v, want what the callback held", got.grant, got.err)
	}
	if strings.Contains(s.screen.String(), token) {
		t.Errorf("P13 got %s, want no token", s.screen)
	}
	got.grant.Finish()
	waitFor(t, "the listener to close", func() bool {
		conn, err := net.Dial("tcp4", "127.0.0.1:"+s.redir.Port())
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
}

// A callback with a token that is not of this sign-in is no answer to it.
func TestSignInForeignTokens(t *testing.T) {
	s := newSigning(t, time.Minute)
	for name, token := range map[string]string{
		"I66 another issuer":              s.token(map[string]any{"iss": "https://evil.example"}),
		"I66 an issuer that begins alike": s.token(map[string]any{"iss": issuerURL + ".evil.example"}),
		"I66 no issuer":                   s.token(map[string]any{"iss": nil}),
		"I66 another audience":            s.token(map[string]any{"aud": "https://other.example"}),
		"I66 the second audience alone":   s.token(map[string]any{"aud": api}),
		"I66 no audience":                 s.token(map[string]any{"aud": nil}),
		"I66 nobody":                      s.token(map[string]any{"sub": ""}),
		"I49 no JWT":                      "opaque-token",
		"I49 empty parts":                 "..",
	} {
		t.Run(name, func(t *testing.T) {
			status, page := s.comesBack(url.Values{"token": {token}})
			if status != http.StatusBadRequest || strings.Contains(page, token) {
				t.Errorf("got %d, %s, want 400 without the token", status, page)
			}
			select {
			case got := <-s.result:
				t.Fatalf("got the sign-in ended with %+v, %v, want it to go on", got.grant, got.err)
			default:
			}
		})
	}
	token := s.token(map[string]any{"iss": issuerURL + "/"})
	s.comesBack(url.Values{"token": {token}, "refresh_token": {"R"}})
	if got := s.ends(); got.err != nil || got.grant.AccessTokens[0].Secret != token {
		t.Errorf("the real callback: got %+v, %v, want it", got.grant, got.err)
	}
}

func TestSignInRefused(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	tests := []struct {
		name       string
		parameters url.Values
		want, page string
	}{
		{"no account", url.Values{"token": {"true"}, "error": {"not found"}, "status_code": {"404"}}, "found no account", "Not signed in"},
		{"P14 terminal sequence", url.Values{"error": {"no\x1b]52;c;aGk=\a\nroot# "}}, `no\x1b]52;c;aGk=\a root#`, "Not signed in"},
		{"I71 script", url.Values{"error": {"<script>alert(1)</script>"}}, "<script>", "&lt;script&gt;"},
		{"I71 60 KB", url.Values{"error": {strings.Repeat("x", 60_000)}}, "xxx…", "xxx…"},
		{"I71 status that is no number", url.Values{"error": {"denied"}, "status_code": {"abc"}}, "was refused: denied", "denied"},
		{"status alone", url.Values{"status_code": {"403"}}, "(status 403)", "Not signed in"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newSigning(t, time.Minute)
			status, page := s.comesBack(test.parameters)
			if status != 200 || !strings.Contains(page, test.page) || strings.Contains(page, "<script") {
				t.Errorf("the page: got %d, %.2000s, want %q in it", status, page, test.page)
			}
			waitFor(t, "word of it", func() bool { return strings.Contains(s.screen.String(), "for another answer") })
			s.clock.add(refusedWait)
			got := s.ends()
			var left *token.SignInError
			if !errors.As(got.err, &left) || !strings.Contains(got.err.Error(), test.want) {
				t.Fatalf("got %v, want a *token.SignInError with %q", got.err, test.want)
			}
			if strings.ContainsAny(got.err.Error(), "\x1b\a\n\r") || len(got.err.Error()) > 600 {
				t.Errorf("I71 got %q, want one short printable line", got.err)
			}
		})
	}
}

// The person never comes back, or stops it.
func TestSignInEnds(t *testing.T) {
	t.Run("F24 the time is up", func(t *testing.T) {
		s := newSigning(t, 5*time.Minute)
		s.clock.add(5 * time.Minute) // awake, or asleep
		got := s.ends()
		var left *token.SignInError
		if !errors.As(got.err, &left) || !strings.Contains(got.err.Error(), "5 minutes") || !slices.Contains(hint.Of(got.err), hint.Do(hint.SignIn)) {
			t.Errorf("got %v, want a *token.SignInError that says how long and what to do", got.err)
		}
	})
	t.Run("F25 stopped", func(t *testing.T) {
		s := newSigning(t, time.Minute)
		s.cancel()
		got := s.ends()
		var left *token.SignInError
		if !errors.Is(got.err, context.Canceled) || errors.As(got.err, &left) {
			t.Errorf("got %v, want the context's error, which is no answer", got.err)
		}
		if conn, err := net.Dial("tcp4", "127.0.0.1:"+s.redir.Port()); err == nil {
			conn.Close()
			t.Error("got the listener open, want it closed")
		}
	})
	t.Run("F29 garbage keeps nobody out", func(t *testing.T) {
		s := newSigning(t, time.Minute)
		var strangers []net.Conn
		for range 200 {
			conn, err := net.Dial("tcp4", "127.0.0.1:"+s.redir.Port())
			if err != nil {
				t.Fatal(err)
			}
			strangers = append(strangers, conn)
		}
		token := s.token(nil)
		s.comesBack(url.Values{"token": {token}, "refresh_token": {"R"}})
		for _, conn := range strangers {
			conn.Close()
		}
		if got := s.ends(); got.err != nil || got.grant.AccessTokens[0].Secret != token {
			t.Errorf("got %+v, %v, want the sign-in", got.grant, got.err)
		}
	})
}

// A browser that knows localhost as https alone cannot show the callback: the
// terminal says so, since the browser cannot.
func TestSignInMeetsTLS(t *testing.T) {
	s := newSigning(t, 30*time.Second)
	conn, err := net.Dial("tcp4", "127.0.0.1:"+s.redir.Port())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// The beginning of a ClientHello.
	if _, err := conn.Write([]byte{0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 0, 0, 0, 0, 0}); err != nil {
		t.Fatal(err)
	}
	noticed := func() bool {
		text := s.screen.String()
		_, after, _ := strings.Cut(text, "waiting until")
		return strings.Contains(strings.ToLower(after), "https")
	}
	deadline := time.After(2 * time.Second)
	for tick := time.NewTicker(5 * time.Millisecond); !noticed(); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("I70 got %s, want a word about https after a TLS handshake", s.screen)
		}
	}
	token := s.token(nil)
	s.comesBack(url.Values{"token": {token}, "refresh_token": {"R"}})
	if got := s.ends(); got.err != nil || got.grant.AccessTokens[0].Secret != token {
		t.Errorf("I70 after it: got %+v, %v, want the sign-in", got.grant, got.err)
	}
}

// The platform judges the times of a token, whose clock counts: a machine whose
// clock is wrong signs in all the same.
func TestSignInByAWrongClock(t *testing.T) {
	for name, skew := range map[string]time.Duration{"F21 a day ahead": 24 * time.Hour, "F21 a day behind": -24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			s := newSigning(t, time.Minute)
			issued := s.clock.Now().Add(-skew)
			token := s.token(map[string]any{"iat": issued.Unix(), "exp": issued.Add(time.Hour).Unix()})
			s.comesBack(url.Values{"token": {token}, "refresh_token": {"R"}})
			if got := s.ends(); got.err != nil || got.grant.AccessTokens[0].Secret != token {
				t.Errorf("got %+v, %v, want the sign-in", got.grant, got.err)
			}
		})
	}
}

// What the platform does not accept leaves the sign-in waiting, is said once, and
// the real answer still wins.
func TestForgedAnswersEndNothing(t *testing.T) {
	s := newSigning(t, time.Minute)
	s.refuses = func(g *token.Grant) error {
		if g.RefreshToken != "real" {
			return errors.New("the platform refused it")
		}
		return nil
	}
	for range 5 {
		for _, forged := range []url.Values{
			{"token": {s.token(nil)}},
			{"token": {s.token(map[string]any{"sub": "mallory"})}, "refresh_token": {"garbage"}},
		} {
			status, page := s.comesBack(forged)
			if status != http.StatusBadRequest || strings.Contains(page, "a@example.com") {
				t.Errorf("got %d, %s, want it not accepted, and no unverified name", status, page)
			}
		}
	}
	if n := strings.Count(s.screen.String(), "was not accepted"); n != 1 {
		t.Errorf("got %d lines about answers that were not accepted, want 1:\n%s", n, s.screen)
	}
	s.comesBack(url.Values{"token": {s.token(nil)}, "refresh_token": {"real"}})
	if got := s.ends(); got.err != nil || got.grant.RefreshToken != "real" {
		t.Errorf("the real answer: got %+v, %v, want it", got.grant, got.err)
	}
}

// An answer that says that the sign-in failed can come from anyone too: a real one
// after it still wins.
func TestForgedRefusalEndsNothing(t *testing.T) {
	s := newSigning(t, time.Minute)
	s.comesBack(url.Values{"error": {"forged"}})
	status, page := s.comesBack(url.Values{"token": {s.token(nil)}, "refresh_token": {"R"}})
	if status != 200 || !strings.Contains(page, "a@example.com") {
		t.Errorf("the page: got %d, %s, want who signed in", status, page)
	}
	if got := s.ends(); got.err != nil || got.grant.Subject != alice {
		t.Errorf("got %+v, %v, want the sign-in", got.grant, got.err)
	}
}

// Of many answers at once one counts.
func TestAnswersAtOnce(t *testing.T) {
	s := newSigning(t, time.Minute)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			s.comesBack(url.Values{"token": {s.token(nil)}, "refresh_token": {"R"}})
		})
	}
	all.Wait()
	if got := s.ends(); got.err != nil || len(got.grant.AccessTokens) != 1 {
		t.Errorf("got %+v, %v, want one answer", got.grant, got.err)
	}
	// A page that is loaded again must not redeem its refresh token again: that would
	// end the session.
	if len(s.asked) != 1 {
		t.Errorf("got the platform asked %d times about one refresh token, want once", len(s.asked))
	}
	select {
	case again := <-s.result:
		t.Errorf("got a second end, %+v", again)
	default:
	}
}

// Where the issuer gives no refresh token, the same window fetches a token that is
// for the registry alone: the first one is the key to the API too.
func TestSignInWithoutRefreshToken(t *testing.T) {
	s := newSigning(t, time.Minute)
	first := s.token(nil)
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer := func(parameters url.Values) *http.Response {
		resp, err := client.Get("http://" + s.redir.Host + s.redir.Path + "?" + parameters.Encode())
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp
	}
	next, err := answer(url.Values{"token": {first}}).Location()
	if err != nil || next.Path != "/oauth" || next.Query().Get("audience") != registry || next.Query().Get("redirect") != s.redir.String() {
		t.Fatalf("got %v, %v, want the browser sent on for the registry alone", next, err)
	}
	// Who loads the page anew begins anew, and another account's answer is one more
	// beginning.
	again, stranger := s.token(nil), s.token(map[string]any{"sub": "mallory"})
	for _, text := range []string{again, stranger} {
		if resp := answer(url.Values{"token": {text}}); resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != next.String() {
			t.Errorf("got %d to %s, want the browser sent on for the registry alone", resp.StatusCode, resp.Header.Get("Location"))
		}
	}
	if resp := answer(url.Values{"token": {s.token(map[string]any{"aud": api})}}); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("a second token for the API: got %d, want it not accepted", resp.StatusCode)
	}
	second := s.token(map[string]any{"aud": registry})
	if status, page := s.comesBack(url.Values{"token": {second}}); status != 200 || !strings.Contains(page, "a@example.com") {
		t.Errorf("the page: got %d, %s, want who signed in", status, page)
	}
	got := s.ends()
	if got.err != nil || got.grant.RefreshToken != "" || len(got.grant.AccessTokens) != 2 ||
		got.grant.AccessTokens[0].Secret != again || got.grant.AccessTokens[1].Secret != second || !got.grant.AccessTokens[1].Only(registry) {
		t.Errorf("got %+v, %v, want both tokens", got.grant, got.err)
	}
	if want := []string{first, stranger, second}; !slices.Equal(s.asked, want) { // again is first once more
		t.Errorf("got the platform asked about %d tokens, want about %d, each once", len(s.asked), len(want))
	}
}

// An issuer that never gives a token for the registry alone does not send the browser
// around for ever, and Docker is not handed what it gives.
func TestSignInWithoutATokenForTheRegistryAlone(t *testing.T) {
	s := newSigning(t, time.Minute)
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for i := range maxStarted + 1 {
		resp, err := client.Get("http://" + s.redir.Host + s.redir.Path + "?token=" + s.token(map[string]any{"jti": i}))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		want := http.StatusSeeOther
		if i == maxStarted {
			want = http.StatusBadRequest
		}
		if resp.StatusCode != want {
			t.Fatalf("answer %d: got %d, want %d", i, resp.StatusCode, want)
		}
	}
	waitFor(t, "the reason", func() bool {
		return strings.Contains(s.screen.String(), "the issuer issues no token for "+registry+" alone; waiting for another one")
	})
	s.cancel()
	if got := s.ends(); got.grant != nil || !errors.Is(got.err, context.Canceled) {
		t.Errorf("got %+v, %v, want no sign-in", got.grant, got.err)
	}
}

// A refresh token that comes only with the second answer is used.
func TestSignInWithALateRefreshToken(t *testing.T) {
	s := newSigning(t, time.Minute)
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Get("http://" + s.redir.Host + s.redir.Path + "?token=" + s.token(nil))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	second := url.Values{"token": {s.token(map[string]any{"aud": registry})}, "refresh_token": {"late"}}
	if status, page := s.comesBack(second); status != 200 || !strings.Contains(page, "a@example.com") {
		t.Errorf("the page: got %d, %s, want who signed in", status, page)
	}
	if got := s.ends(); got.err != nil || got.grant.RefreshToken != "late" {
		t.Errorf("got %+v, %v, want the refresh token", got.grant, got.err)
	}
}
