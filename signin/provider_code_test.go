package signin

import (
	"errors"
	"html"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"docker-credential-cgr/platform"
	"docker-credential-cgr/token"
)

func TestProviderCode(t *testing.T) {
	c := newCoding(t, func(_ *fakeProvider, p *Provider) { p.Identity = "cc/dd" })
	q := c.page.Query()
	for name, want := range map[string]string{
		"response_type": "code", "client_id": clientID, "scope": "openid email", "code_challenge_method": "S256",
		"tenant":       "1", // of the endpoint's own
		"redirect_uri": "http://127.0.0.1:" + c.redir.Port() + "/callback",
	} {
		if got := q[name]; len(got) != 1 || got[0] != want {
			t.Errorf("S3 %s: got %q, want %q", name, got, want)
		}
	}
	// 32 bytes make 43 characters.
	if len(q.Get("state")) < 26 || len(q.Get("nonce")) < 26 || q.Get("state") == q.Get("nonce") || len(q.Get("code_challenge")) != 43 || len(q) != 9 {
		t.Errorf("S9 got %v, want state, nonce and a challenge that nobody guesses, and no more", q)
	}
	if said := c.screen.String(); !strings.Contains(said, "\n    "+c.page.String()+"\n") || !strings.Contains(said, "CHAINGUARD_AUTH_OIDC_FLOW=device") {
		t.Errorf("F33 got %s, want the address alone on its line, and the other way", said)
	}
	if conn, err := net.Dial("tcp6", "[::1]:"+c.redir.Port()); err == nil {
		conn.Close()
		t.Error("S5 [::1]: got a connection, want the address alone that the redirect names")
	}
	status, page := c.comesBack(c.answer(nil))
	if status != 200 || !strings.Contains(page, "Signed in") || !strings.Contains(page, "a@example.com") || strings.Contains(page, authCode) {
		t.Errorf("P18 the page: got %d, %s, want who signed in", status, page)
	}
	got := c.ends()
	if got.err != nil || got.grant.Subject != "cc/dd" || got.grant.Email != "a@example.com" || got.grant.RefreshToken != "R1" {
		t.Fatalf("got %+v, %v, want what was exchanged", got.grant, got.err)
	}
	form := c.asked["/token"][0]
	verifier := form.Get("code_verifier")
	form.Del("code_verifier")
	want := url.Values{"grant_type": {"authorization_code"}, "code": {authCode}, "client_id": {clientID}, "redirect_uri": {c.redir.String()}}
	if len(verifier) != 43 || form.Encode() != want.Encode() || c.count("/token") != 1 {
		t.Errorf("I58 got %v with a verifier of %d characters, want %v once, with 43", c.asked["/token"], len(verifier), want)
	}
	wantExchange := url.Values{"aud": {registry, api}, "identity_provider": {uidp}, "identity": {"cc/dd"}}
	if got := c.asked["/sts/exchange"]; len(got) != 1 || got[0].Encode() != wantExchange.Encode() {
		t.Errorf("the exchange: got %v, want %v once", got, wantExchange)
	}
	got.grant.Finish()
	if conn, err := net.Dial("tcp4", c.redir.Host); err == nil {
		conn.Close()
		t.Error("S5 after the sign-in: got a connection, want the listener closed")
	}
}

// What is not the answer to this sign-in does not end it.
func TestProviderCodeNotTaken(t *testing.T) {
	c := newCoding(t, nil)
	twice := func(name string) url.Values {
		return url.Values{name: {c.answer(nil).Get(name), c.answer(nil).Get(name)}}
	}
	for name, changed := range map[string]url.Values{
		"I68 another state":                 {"state": {"another"}},
		"I68 a state that begins alike":     {"state": {c.answer(nil).Get("state") + "x"}},
		"I68 no state":                      {"state": nil},
		"I68 another issuer":                {"iss": {"https://evil.example"}},
		"I68 the issuer with a slash":       {"iss": {providerURL + "/"}},
		"I68 no issuer, which it promised":  {"iss": nil},
		"I68 an error with another state":   {"state": {"another"}, "code": nil, "error": {"access_denied"}},
		"I68 an error of another issuer":    {"iss": {"https://evil.example"}, "code": nil, "error": {"access_denied"}},
		"I67 code twice":                    twice("code"),
		"I67 state twice":                   twice("state"),
		"I67 issuer twice":                  twice("iss"),
		"I67 code and error":                {"error": {"access_denied"}},
		"I67 neither":                       {"code": nil},
		"I67 the brokered sign-in's answer": {"code": nil, "token": {"a.b.c"}},
		"I49 a line end in the code":        {"code": {"a\r\nb"}},
	} {
		t.Run(name, func(t *testing.T) {
			status, page := c.comesBack(c.answer(changed))
			if status != http.StatusBadRequest || strings.Contains(page, authCode) {
				t.Errorf("got %d, %s, want 400", status, page)
			}
			select {
			case got := <-c.result:
				t.Fatalf("got the sign-in ended with %+v, %v, want it to go on", got.grant, got.err)
			default:
			}
		})
	}
	if c.count("/token") != 0 {
		t.Errorf("S9 got %v, want no code presented", c.asked["/token"])
	}
	if status, _ := c.comesBack(c.answer(nil)); status != 200 {
		t.Errorf("the real answer: got %d, want it taken", status)
	}
	if status, _ := c.comesBack(c.answer(url.Values{"code": {"another"}})); status != 200 {
		t.Errorf("I67 again: got %d, want the last page", status)
	}
	if got := c.ends(); got.err != nil || c.count("/token") != 1 {
		t.Errorf("S9 the state again: got %v after %d codes, want the first alone", got.err, c.count("/token"))
	} else {
		got.grant.Finish()
	}
}

// A provider that never said that it names itself need not.
func TestProviderCodeIssuerOptional(t *testing.T) {
	c := newCoding(t, func(f *fakeProvider, _ *Provider) {
		delete(f.document, "authorization_response_iss_parameter_supported")
	})
	if status, _ := c.comesBack(c.answer(url.Values{"iss": {"https://evil.example"}})); status != http.StatusBadRequest {
		t.Errorf("I68 another issuer: got %d, want 400", status)
	}
	c.comesBack(c.answer(url.Values{"iss": nil}))
	got := c.ends()
	if got.err != nil {
		t.Fatalf("got %v, want it signed in", got.err)
	}
	got.grant.Finish()
}

func TestProviderCodeRefused(t *testing.T) {
	for _, test := range []struct{ name, code, description, want string }{
		{"denied", "access_denied", "the sign-in was denied", "the sign-in was refused: access_denied: the sign-in was denied"},
		{"without words", "server_error", "", "was refused: server_error"},
		{"P14 terminal sequence", "no\x1b]52;c;aGk=\a", "x\nroot# ", `no\x1b]52;c;aGk=\a: x root#`},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newCoding(t, nil)
			status, page := c.comesBack(c.answer(url.Values{"code": nil, "error": {test.code}, "error_description": {test.description}}))
			if status != 200 || !strings.Contains(page, "Not signed in") {
				t.Errorf("the page: got %d, %s", status, page)
			}
			got := c.ends()
			wantEnded(t, got.grant, got.err, test.want)
			if c.count("/token") != 0 {
				t.Errorf("got %v, want nothing presented", c.asked["/token"])
			}
		})
	}
}

// The code is presented once, whatever comes of it.
func TestProviderCodeOnce(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer http.HandlerFunc
		want   string
	}{
		{"I58 500", webPage(500), "answered 500 Internal Server Error"},
		{"I58 503", reply(503, map[string]any{"error": "temporarily_unavailable"}), "answered 503 Service Unavailable: temporarily_unavailable"},
		{"I58 400", reply(400, map[string]any{"error": "invalid_grant", "error_description": "no\x1b code " + authCode}), `answered 400 Bad Request: invalid_grant: no\x1b code [secret]`},
		{"I58 401", reply(401, map[string]any{"error": "invalid_client"}), "invalid_client"},
		{"P15 a redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://evil.example/token", http.StatusTemporaryRedirect)
		}, "answered 307"},
		{"I58 a page", webPage(200), "did not answer as expected"},
		{"I58 cut connection", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "did not answer as expected: connection reset"},
		{"I58 no ID token", reply(200, map[string]any{"access_token": "a"}), "issued no ID token"},
		{"I58 2 MB", reply(200, map[string]any{"access_token": strings.Repeat("a", 2<<20)}), "did not answer as expected"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newCoding(t, func(f *fakeProvider, _ *Provider) { f.faults["/token"] = []http.HandlerFunc{test.answer} })
			status, page := c.comesBack(c.answer(nil))
			if status != 200 || !strings.Contains(page, "Not signed in") {
				t.Errorf("the page: got %d, %s", status, page)
			}
			got := c.ends()
			wantEnded(t, got.grant, got.err, test.want)
			if strings.Contains(got.err.Error(), authCode) || strings.Contains(got.err.Error(), c.asked["/token"][0].Get("code_verifier")) {
				t.Errorf("P13 got %v, want no secret", got.err)
			}
			if c.count("/token") != 1 || c.count("/sts/exchange") != 0 {
				t.Errorf("I58 got %d codes and %d exchanges, want 1 and none", c.count("/token"), c.count("/sts/exchange"))
			}
		})
	}
}

// An ID token that is not good goes nowhere.
func TestProviderCodeBadIDToken(t *testing.T) {
	for name, change := range map[string]func(*fakeProvider){
		"S9 another nonce":    func(f *fakeProvider) { f.claims = map[string]any{"nonce": "another"} },
		"S9 alg none":         func(f *fakeProvider) { f.sign = signNone },
		"S9 another audience": func(f *fakeProvider) { f.claims = map[string]any{"aud": "client-2"} },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCoding(t, func(f *fakeProvider, _ *Provider) { change(f) })
			if _, page := c.comesBack(c.answer(nil)); !strings.Contains(page, "Not signed in") {
				t.Errorf("the page: got %s", page)
			}
			got := c.ends()
			wantEnded(t, got.grant, got.err, "issued an ID token")
			if c.count("/sts/exchange") != 0 {
				t.Errorf("S20 got %v, want nothing exchanged", c.asked["/sts/exchange"])
			}
		})
	}
}

func TestProviderCodeEnds(t *testing.T) {
	t.Run("F24 never finished", func(t *testing.T) {
		c := newCoding(t, nil)
		c.clock.add(5 * time.Minute)
		got := c.ends()
		wantEnded(t, got.grant, got.err, "was not finished within 5 minutes")
		if conn, err := net.Dial("tcp4", c.redir.Host); err == nil {
			conn.Close()
			t.Error("S5 got a connection, want the listener closed")
		}
	})
	t.Run("F25 stopped", func(t *testing.T) {
		c := newCoding(t, nil)
		c.cancel(token.ErrInterrupted)
		var answered *token.SignInError
		if got := c.ends(); !errors.Is(got.err, token.ErrInterrupted) || errors.As(got.err, &answered) {
			t.Errorf("got %v, want the context's cause, which is no answer", got.err)
		}
	})
	t.Run("F25 stopped at the code", func(t *testing.T) {
		c := newCoding(t, nil)
		c.mu.Lock()
		c.faults["/token"] = []http.HandlerFunc{func(http.ResponseWriter, *http.Request) {
			c.cancel(token.ErrInterrupted)
			panic(http.ErrAbortHandler)
		}}
		c.mu.Unlock()
		if resp, err := http.Get(c.redir.String() + "?" + c.answer(nil).Encode()); err == nil { // nobody waits for the page
			resp.Body.Close()
		}
		if got := c.ends(); !errors.Is(got.err, token.ErrInterrupted) {
			t.Errorf("got %v, want the context's cause", got.err)
		}
	})
	t.Run("the exchange is refused", func(t *testing.T) {
		c := newCoding(t, func(f *fakeProvider, _ *Provider) {
			f.faults["/sts/exchange"] = []http.HandlerFunc{reply(403, map[string]any{"code": 7, "message": "not for you"})}
		})
		if _, page := c.comesBack(c.answer(nil)); !strings.Contains(page, "Not signed in") {
			t.Errorf("the page: got %s", page)
		}
		got := c.ends()
		wantEnded(t, got.grant, got.err, "not for you")
	})
}

// Over SSH the person's own machine leads to the listener, by the address that the
// redirect names.
func TestProviderCodeOverSSH(t *testing.T) {
	c := newCoding(t, func(*fakeProvider, *Provider) { t.Setenv("SSH_CONNECTION", "10.0.0.1 50000 10.0.0.2 22") })
	want := "ssh -N -L " + c.redir.Port() + ":127.0.0.1:" + c.redir.Port() + " 10.0.0.2"
	if said := c.screen.String(); !strings.Contains(said, want) {
		t.Errorf("got %s, want %q", said, want)
	}
}

func TestProviderCodeOpens(t *testing.T) {
	dir := t.TempDir()
	note := filepath.Join(dir, "note")
	browser := script(t, dir, "browser", `printf '%s|%s' "$MY_ID_TOKEN" "$*" >"`+note+`.part" && mv "`+note+`.part" "`+note+`"`)
	c := newCoding(t, func(_ *fakeProvider, p *Provider) {
		t.Setenv("BROWSER", browser)
		t.Setenv("MY_ID_TOKEN", "hunter2-hunter2")
		p.Opens, p.IdentityTokenEnv = true, "MY_ID_TOKEN"
	})
	waitFor(t, "the browser", func() bool { _, err := os.Stat(note); return err == nil })
	if got, err := os.ReadFile(note); err != nil || string(got) != "|"+c.page.String() {
		t.Errorf("got %s, %v, want the address opened, without a secret", got, err)
	}
	if said := c.screen.String(); strings.Contains(said, "FLOW=device") {
		t.Errorf("got %s, want no word of another way", said)
	}
}

// The desktop's own opener gets a private file: the arguments of a process are for
// everybody to see, and state, nonce and challenge are not.
func TestProviderCodeOpensPrivately(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("what a process holds is read from /proc")
	}
	var note, cache string
	c := newCoding(t, func(_ *fakeProvider, p *Provider) {
		var home string
		home, cache = privateHome(t, "firefox.desktop")
		note = filepath.Join(home, "note")
		script(t, home, "xdg-open", `
for pid in $PPID $$; do tr '\0' ' ' </proc/$pid/cmdline; echo; done >"`+note+`.part"
printf '%s' "$*" >>"`+note+`.part"
mv "`+note+`.part" "`+note+`"`)
		p.Opens = true
	})
	waitFor(t, "the opener", func() bool { _, err := os.Stat(note); return err == nil })
	said, err := os.ReadFile(note)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"state", "nonce", "code_challenge"} {
		if strings.Contains(string(said), c.page.Query().Get(name)) {
			t.Errorf("S7 got the arguments %s, want no %s in them", said, name)
		}
	}
	lines := strings.Split(string(said), "\n")
	file := parse(t, lines[len(lines)-1])
	text, err := os.ReadFile(file.Path)
	if err != nil || file.Scheme != "file" || !strings.Contains(string(text), html.EscapeString(c.page.String())) {
		t.Errorf("got %s, %v from %s, want a file that leads to the address", text, err, file)
	}
	c.comesBack(c.answer(nil))
	got := c.ends()
	if got.err != nil {
		t.Fatal(got.err)
	}
	got.grant.Finish()
	if left, err := os.ReadDir(cache); err != nil || len(left) > 0 {
		t.Errorf("got %v left, %v, want nothing", left, err)
	}
}

func TestProviderCodeOpenFails(t *testing.T) {
	c := newCoding(t, func(_ *fakeProvider, p *Provider) {
		t.Setenv("BROWSER", filepath.Join(t.TempDir(), "missing"))
		p.Opens = true
	})
	waitFor(t, "word that no browser could be opened", func() bool {
		return strings.Contains(c.screen.String(), "no browser could be opened: open the address yourself")
	})
	c.comesBack(c.answer(nil))
	got := c.ends()
	if got.err != nil {
		t.Fatalf("got %v, want the sign-in to go on", got.err)
	}
	got.grant.Finish()
}

// A callback that is taken holds a state and a code or an error, never both, and
// reads as itself.
func FuzzParseCodeAnswer(f *testing.F) {
	accepted := 0
	for _, seed := range []string{"code=a&state=b&iss=https%3A%2F%2Flogin.example", "error=access_denied&error_description=no&state=x", "code=a", "code=a&code=b&state=c", "code=%0a&state=x", "state=x&token=a.b.c", "%zz"} {
		if _, err := parseCodeAnswer(seed); err == nil {
			accepted++
		}
		f.Add(seed)
	}
	if accepted == 0 {
		f.Fatal("no seed is accepted: the property would be of nothing")
	}
	f.Fuzz(func(t *testing.T, query string) {
		a, err := parseCodeAnswer(query)
		if err != nil {
			return
		}
		if a.state == "" || (a.code == "") == (a.err == "") || platform.HasControl(a.code) || len(a.code) > platform.MaxToken {
			t.Errorf("%q: got %+v, want a state, and a code or an error", query, a)
		}
		q := url.Values{"code": {a.code}, "state": {a.state}, "iss": {a.issuer}, "error": {a.err}, "error_description": {a.description}}
		if again, err := parseCodeAnswer(q.Encode()); err != nil || again != a {
			t.Errorf("%q: got %+v, which reads as %+v, %v", query, a, again, err)
		}
	})
}
