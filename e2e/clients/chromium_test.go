//go:build e2e && linux

package clients

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"docker-credential-cgr/e2e/fakeplatform"
	"docker-credential-cgr/e2e/leaks"
)

// TestChromium signs in with a real browser: the page at the end says who signed
// in, and nothing that a look at the browser shows holds a secret.
func TestChromium(t *testing.T) {
	p := newFixture(t)
	nextAddress := p.takesAddresses()
	tab := p.openTab()
	login := p.start("", "docker-credential-cgr", "login")
	tab.do(chromedp.Navigate(nextAddress()))
	tab.signIn(fakeplatform.Ada, "lovelace")
	if text := tab.text("main:has(.good)"); !strings.Contains(text, "signed in as "+fakeplatform.Ada) || !strings.Contains(text, "close this window") {
		t.Errorf("the last page says %q", text)
	}
	r := login.wait()
	if r.code != 0 || !strings.Contains(r.stdout, "Signed in as "+fakeplatform.Ada) {
		t.Errorf("login: %s", r)
	}
	p.wantCounts("sign-in", map[string]int{"oauth": 1, "oauth.form": 1, "signin": 1, "sts.refresh": 1})

	address := tab.showsNoSecret()
	if address.Hostname() != "localhost" || address.RawQuery != "" || address.Fragment != "" {
		t.Errorf("the browser is at %s", address)
	}
	headers := tab.headers(address.String())
	for name, want := range map[string]string{
		"Content-Security-Policy": "default-src 'none'",
		"Cache-Control":           "no-store",
		"Referrer-Policy":         "no-referrer",
	} {
		if got := headers.Get(name); !strings.Contains(got, want) {
			t.Errorf("the last page has %s %q, want %q", name, got, want)
		}
	}
	tab.screenshots("signed-in")
	tab.wantLoopback()
	if problems := tab.problemsOf(address.Host); problems != nil {
		t.Errorf("the browser's console says %q", problems)
	}
}

// showsNoSecret looks at all that the tab shows and keeps, and gives its address.
func (b *tab) showsNoSecret() *url.URL {
	b.p.t.Helper()
	secrets := leaks.Of(b.p.platform.Issued())
	if len(secrets) == 0 {
		b.p.t.Fatal("the platform has issued nothing: there is nothing to look for")
	}
	seen := map[string]string{}
	for _, script := range []string{
		"location.href", "document.documentElement.outerHTML", "document.title", "document.referrer", "document.cookie",
		"JSON.stringify(performance.getEntries())", "JSON.stringify(history.state)",
	} {
		seen[script] = read(b, chromedp.Evaluate[string](script))
	}
	history := read(b, chromedp.NavigationEntries())
	if len(history.Entries) < 2 {
		b.p.t.Errorf("the back list has %d entries: is it the right one?", len(history.Entries))
	}
	for i, entry := range history.Entries {
		seen[fmt.Sprintf("entry %d of the back list", i)] = entry.URL + " " + entry.UserTypedURL + " " + entry.Title
	}
	for what, text := range seen {
		if secrets.In([]byte(text)) {
			b.p.t.Errorf("a secret is in %s", what)
		}
	}
	address, err := url.Parse(seen["location.href"])
	if err != nil {
		b.p.t.Fatal(err)
	}
	return address
}

// TestChromiumWrongPassword types a wrong password first.
func TestChromiumWrongPassword(t *testing.T) {
	p := newFixture(t)
	nextAddress := p.takesAddresses()
	tab := p.openTab()
	login := p.start("", "docker-credential-cgr", "login")
	tab.do(chromedp.Navigate(nextAddress()))
	tab.signIn(fakeplatform.Ada, "wrong")
	if text := tab.text("#error"); !strings.Contains(text, "Wrong email or password") {
		t.Errorf("the form says %q", text)
	}
	tab.signIn(fakeplatform.Ada, "lovelace")
	if text := tab.text("main .good ~ p"); !strings.Contains(text, fakeplatform.Ada) {
		t.Errorf("the last page says %q", text)
	}
	if r := login.wait(); r.code != 0 {
		t.Errorf("login: %s", r)
	}
	p.wantCounts("sign-in", map[string]int{"oauth": 1, "oauth.form": 2, "signin": 1})
}

// TestChromiumDeny refuses the sign-in. `login` has failed; for `get` there is no
// credential, so that public images still come; both say why.
func TestChromiumDeny(t *testing.T) {
	p := newFixture(t)
	p.signsInAlone()
	nextAddress := p.takesAddresses()
	tab := p.openTab()
	deny := func(start func() *running) result {
		t.Helper()
		asked := start()
		tab.do(chromedp.Navigate(nextAddress()), chromedp.WaitVisible(chromedp.ID("deny")), chromedp.Click(chromedp.ID("deny")))
		if text := tab.text("main .bad ~ h1"); text != "Not signed in" {
			t.Errorf("the last page says %q", text)
		}
		if text := tab.text("main:has(.bad)"); !strings.Contains(text, "denied") {
			t.Errorf("the last page does not say why: %q", text)
		}
		r := asked.wait()
		if r.code != 1 || !strings.Contains(r.stderr, "denied") {
			t.Errorf("no failure that says why: %s", r)
		}
		return r
	}

	get := func() *running { return p.start(p.host, "docker-credential-cgr", "get") }
	if r := deny(get); strings.TrimSpace(r.stdout) != "credentials not found in native keychain" {
		t.Errorf("get: %s", r)
	}
	tab.screenshots("denied")
	tab.wantLoopback()

	// That was an answer: the next one does not ask again at once.
	p.wantCounts("denied", map[string]int{"oauth": 1})
	if r := p.get(); r.code != 1 || !strings.Contains(r.stderr, "denied") {
		t.Errorf("the next get: %s", r)
	}
	p.wantCounts("the next get", map[string]int{"issuer": 0})

	login := func() *running { return p.start("", "docker-credential-cgr", "login") }
	if r := deny(login); r.stdout != "" {
		t.Errorf("login: %s", r)
	}
}
