//go:build e2e && linux

package faults

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"docker-credential-cgr/e2e/fakebrowser"
	"docker-credential-cgr/e2e/fakeplatform"
	"docker-credential-cgr/e2e/testenv"
)

// ask asks for each of its arguments, all at once, and prints the answers' statuses.
func ask() {
	statuses := make([]string, len(os.Args)-1)
	client := &http.Client{
		Timeout:       testenv.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	var asking sync.WaitGroup
	for i, address := range os.Args[1:] {
		asking.Go(func() {
			resp, err := client.Get(address)
			if err != nil {
				statuses[i] = err.Error()
				return
			}
			_ = resp.Body.Close()
			statuses[i] = resp.Status
		})
	}
	asking.Wait()
	fmt.Println(strings.Join(statuses, "\n"))
}

// mallory is the name in what strangers make up.
const mallory = "mallory@evil.example"

// unsigned makes a JWT of somebody's account that nobody has signed (alg none, RFC
// 7518, section 3.6), with another name in it.
func (p *fixture) unsigned(who string, audiences ...string) string {
	encode := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			p.t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	return encode(map[string]string{"alg": "none", "typ": "JWT"}) + "." + encode(map[string]any{
		"iss": p.platform.Issuer, "sub": p.platform.PersonID(who), "aud": audiences, "email": mallory,
		"iat": time.Now().Unix(), "exp": time.Now().Add(24 * time.Hour).Unix(),
	}) + "."
}

// forgeries are answers to a sign-in that a stranger makes up, by what they are.
var forgeries = map[string]func(*fixture) url.Values{
	"an unsigned token": func(p *fixture) url.Values {
		return url.Values{"token": {p.unsigned(fakeplatform.Ada, p.host, p.platform.API)}}
	},
	"an unsigned token for the registry alone": func(p *fixture) url.Values {
		return url.Values{"token": {p.unsigned(fakeplatform.Ada, p.host)}}
	},
	"an unsigned token for a host whose tokens cannot be tried": func(p *fixture) url.Values {
		return url.Values{"token": {p.unsigned(fakeplatform.Ada, "libraries."+p.host)}}
	},
	"an unsigned token and a made-up refresh token": func(p *fixture) url.Values {
		return url.Values{"token": {p.unsigned(fakeplatform.Ada, p.host, p.platform.API)}, "refresh_token": {"bm8gcmVmcmVzaCB0b2tlbg=="}}
	},
	"an unsigned token and the stranger's own refresh token": func(p *fixture) url.Values {
		return url.Values{"token": {p.unsigned(fakeplatform.Ada, p.host, p.platform.API)}, "refresh_token": {p.platform.RefreshToken(fakeplatform.Grace)}}
	},
	"the stranger's own token for the API": func(p *fixture) url.Values {
		return url.Values{"token": {p.platform.AccessToken(fakeplatform.Grace, p.platform.API)}}
	},
	"no JWT": func(*fixture) url.Values {
		return url.Values{"token": {"eyJ.eyJ.eyJ"}}
	},
	"a token and an error": func(p *fixture) url.Values {
		return url.Values{"token": {p.unsigned(fakeplatform.Ada, p.host, p.platform.API)}, "error": {mallory}}
	},
	"a refresh token alone": func(*fixture) url.Values {
		return url.Values{"refresh_token": {"bm8gcmVmcmVzaCB0b2tlbg=="}}
	},
}

// waitingGet starts a get that waits for a sign-in, and returns it with the address
// that its browser is to come back to.
func (p *fixture) waitingGet() (r *running, callback string) {
	p.t.Helper()
	r = p.with(alwaysSignsIn, leavesWindow).startGet()
	return r, "http://" + p.listenerOf(r) + "/callback?"
}

// stillWaits fails the test unless r waits for the real answer, which it then gets
// and believes.
func (p *fixture) stillWaits(r *running) {
	p.t.Helper()
	if !r.alive() || r.stdout.String() != "" {
		p.t.Fatalf("it does not wait any more: %s", r.wait())
	}
	if _, _, err := (fakebrowser.Person{}).Visit(p.addressOf(r)); err != nil {
		p.t.Error(err)
	}
	ended := r.wait()
	answer := p.served(ended)
	if !strings.Contains(ended.stderr, "signed in as "+fakeplatform.Ada+" until ") {
		p.t.Errorf("it does not say who signed in: %s", ended)
	}
	if strings.Contains(ended.stderr, mallory) || strings.Contains(ended.stderr, fakeplatform.Grace) {
		p.t.Errorf("it names somebody who did not sign in: %s", ended)
	}
	if p.coolingDown() {
		p.t.Error("the next window is put off")
	}
	if next := p.served(p.get()); next != answer {
		p.t.Error("the next get gives something else")
	}
	// The program that stands for the browser notes its window by itself.
	testenv.Await(p.t, "the window is noted", func() bool { return p.counted().windows >= 1 })
	if got := p.totals(); got.windows != 1 || got.lost != 0 {
		p.t.Errorf("got %s, want one window and a session", got)
	}
}

// forge sends answers to the sign-in as a user of this machine, all at once.
func (p *fixture) forge(uid int, callback string, answers ...url.Values) {
	p.t.Helper()
	args := []string{"ask"}
	for _, q := range answers {
		args = append(args, callback+q.Encode())
	}
	v := p.here()
	cmd := v.command(p.t.Context(), args...)
	cmd.Dir, cmd.SysProcAttr = "/", as(uid)
	r := v.startCommand(cmd, "").goOn().wait()
	for status := range strings.Lines(r.stdout) {
		if !strings.HasPrefix(status, "400 ") {
			p.t.Errorf("an answer that is made up is answered with %q", status)
		}
	}
	if n := strings.Count(r.stdout, "\n"); n != len(answers) {
		p.t.Errorf("%d of %d made-up answers were sent", n, len(answers))
	}
}

// What anyone on this machine can send to the waiting sign-in neither ends it nor
// puts the next window off, and no name in it is shown.
func TestForgedAnswersDoNotSignIn(t *testing.T) {
	const nobody = 65534
	// One at a time, since a sign-in says once why an answer is not accepted.
	for what := range forgeries {
		t.Run(what, func(t *testing.T) {
			p := newFixture(t)
			r, callback := p.waitingGet()
			p.forge(p.uid, callback, forgeries[what](p))
			p.forge(nobody, callback, forgeries[what](p))
			p.stillWaits(r)
		})
	}
	t.Run("50 at once", func(t *testing.T) {
		p := newFixture(t)
		r, callback := p.waitingGet()
		var answers []url.Values
		for len(answers) < 50 {
			for _, forgery := range forgeries {
				answers = append(answers, forgery(p))
			}
		}
		p.forge(p.uid, callback, answers[:50]...)
		p.stillWaits(r)
	})
	t.Run("without a refresh token of the real one", func(t *testing.T) {
		p := newFixture(t, fakeplatform.WithBehavior(func(b *fakeplatform.Behavior) { b.NoRefreshToken = true }))
		r, callback := p.waitingGet()
		for _, forgery := range forgeries {
			p.forge(p.uid, callback, forgery(p))
		}
		// Somebody who has an account sends a token of their own, and leaves it at that.
		own := url.Values{"token": {p.platform.AccessToken(fakeplatform.Grace, p.host, p.platform.API)}}
		if got := p.run("", "ask", callback+own.Encode()); !strings.HasPrefix(got.stdout, "303 ") {
			t.Errorf("a token of an account is answered with %q", got.stdout)
		}
		if !r.alive() || r.stdout.String() != "" {
			t.Fatalf("it does not wait any more: %s", r.wait())
		}
		if _, _, err := (fakebrowser.Person{}).Visit(p.addressOf(r)); err != nil {
			t.Error(err)
		}
		ended := r.wait()
		p.served(ended)
		if !strings.Contains(ended.stderr, "signed in as "+fakeplatform.Ada+" until ") || strings.Contains(ended.stderr, fakeplatform.Grace) {
			t.Errorf("it does not say that %s signed in: %s", fakeplatform.Ada, ended)
		}
		if p.coolingDown() {
			t.Error("the next window is put off")
		}
	})
}

// A stranger who has an account can sign this machine in to it, which the flow does not
// prevent, but not under another name.
func TestStrangersAccountIsNamed(t *testing.T) {
	p := newFixture(t)
	r, callback := p.waitingGet()
	own := url.Values{"token": {p.unsigned(fakeplatform.Grace, p.host, p.platform.API)}, "refresh_token": {p.platform.RefreshToken(fakeplatform.Grace)}}
	if got := p.run("", "ask", callback+own.Encode()); !strings.HasPrefix(got.stdout, "303 ") {
		t.Errorf("it is answered with %q", got.stdout)
	}
	ended := r.wait()
	p.served(ended)
	if !strings.Contains(ended.stderr, "signed in as "+fakeplatform.Grace+" until ") || strings.Contains(ended.stderr, mallory) {
		t.Errorf("it does not name the account: %s", ended)
	}
}

// An answer that says that the sign-in failed may be a stranger's as well: the real
// one that comes after it counts.
func TestForgedErrorsDoNotEndTheSignIn(t *testing.T) {
	p := newFixture(t)
	r, callback := p.waitingGet()
	for _, q := range []url.Values{
		{"error": {"access_denied"}, "status_code": {"403"}},
		{"error": {"not_found: account not found, registration required"}, "status_code": {"404"}},
		{"status_code": {"500"}},
	} {
		if got := p.run("", "ask", callback+q.Encode()); !strings.HasPrefix(got.stdout, "303 ") {
			t.Errorf("%v is answered with %q", q, got.stdout)
		}
	}
	r.says("was refused: access_denied (status 403)")
	r.says("waiting 10s for another answer")
	p.stillWaits(r)
}

// A page in a real browser tries all that a page can send to the waiting sign-in.
func TestForgedAnswersOfAPageDoNotSignIn(t *testing.T) {
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal(err, "; run: sh e2e/install.sh")
	}
	p := newFixture(t)
	r, callback := p.waitingGet()
	port := callback[strings.LastIndex(callback, ":"):]
	sent := make(chan struct{}, 1)
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/sent" {
			sent <- struct{}{}
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, "<!doctype html><title>evil</title>")
		for _, host := range []string{"http://127.0.0.1", "http://localhost"} {
			for _, forgery := range forgeries {
				address := host + port + forgery(p).Encode()
				fmt.Fprintf(w, "<img src=\"%[1]s\"><iframe src=\"%[1]s\"></iframe><script src=\"%[1]s\"></script><link rel=stylesheet href=\"%[1]s\">\n", html.EscapeString(address))
				fmt.Fprintf(w, "<script>sends = (window.sends || []).concat(fetch(\"%[1]s\", {mode: 'no-cors'}).catch(() => {}), fetch(\"%[1]s\").catch(() => {}))</script>\n",
					address)
			}
		}
		// The last one as an address that the tab goes to, as the issuer's answer is.
		fmt.Fprintf(w, "<script>onload = () => Promise.all(sends).then(() => fetch('/sent')).then(() => { location = %q })</script>",
			"http://localhost"+port+forgeries["an unsigned token"](p).Encode())
	}))
	defer page.Close()

	profile := p.path("run") + "/chromium"
	v := p.with("DBUS_SESSION_BUS_ADDRESS=disabled:", "XDG_RUNTIME_DIR="+p.path("run"))
	cmd := v.command(t.Context(), chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-proxy-server",
		"--user-data-dir="+profile, "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
		"--remote-debugging-port=0", page.URL)
	cmd.SysProcAttr.Setpgid = true
	browser := v.startCommand(cmd, "").goOn()
	defer func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		browser.wait()
		// What the page sent is the stranger's own.
		if err := errors.Join(awaitGone(p.uid), os.RemoveAll(profile)); err != nil {
			t.Error(err)
		}
	}()
	select {
	case <-sent:
	case <-time.After(testenv.Timeout):
		t.Fatalf("the page does not say that all was sent: %s", browser.stderr)
	}
	r.says("a callback was not accepted: ")
	p.stillWaits(r)
}
