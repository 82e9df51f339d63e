//go:build e2e && linux

package clients

import (
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"docker-credential-cgr/e2e/fakeplatform"
)

// TestOrganizationProvider signs in on the page of the organization's own
// provider, in a real browser: sent there by the issuer, or by the program itself.
func TestOrganizationProvider(t *testing.T) {
	t.Run("by the issuer", func(t *testing.T) {
		p := newFixture(t)
		tab := p.signsInAtProvider("docker-credential-cgr", "login", "--org-name", fakeplatform.Organization)
		p.wantCounts("login", map[string]int{
			"orgcheck": 1, "oauth": 1, "oauth.form": 0, "oauth.callback": 1, "signin": 1,
			"provider.authorize": 1, "provider.form": 1,
		})
		tab.wantSignedIn()
		skopeo.pulls(p, privateImage)
		p.wantCounts("pull", map[string]int{"windows": 0, "issuer": 0, "provider": 0})
	})

	t.Run("directly, with a code", func(t *testing.T) {
		p := newFixture(t)
		p.set(p.platform.ProviderEnviron()...)
		tab := p.signsInAtProvider("docker-credential-cgr", "login")
		p.wantCounts("login", map[string]int{
			"oauth": 0, "provider.authorize": 1, "provider.form": 1, "provider.code": 1,
		})
		tab.wantSignedIn()
		skopeo.pulls(p, privateImage)
		p.wantCounts("pull", map[string]int{"windows": 0, "issuer": 0, "provider": 0})
	})

	t.Run("directly, with a device code", func(t *testing.T) {
		p := newFixture(t)
		p.set(p.platform.ProviderEnviron()...)
		p.set("CHAINGUARD_AUTH_OIDC_FLOW=device")
		tab := p.openTab()
		screen := p.openTerminal()
		screen.types("docker-credential-cgr login")
		code := screen.shows(regexp.MustCompile(`sign in with the code ([A-Z]{4}-[A-Z]{4}) `))
		tab.do(
			chromedp.Navigate(screen.shows(regexp.MustCompile(`(?m)only if you started this yourself:\s+(http://127\.0\.0\.1:\S+) *$`))),
			chromedp.WaitVisible(chromedp.ID("user_code")),
			// As people type it.
			chromedp.SendKeys(chromedp.ID("user_code"), strings.ToLower(strings.ReplaceAll(code, "-", " "))),
			chromedp.Click(chromedp.ID("continue")),
		)
		if shown := tab.text("strong#user_code"); shown != code {
			t.Errorf("the page shows the code %q, the terminal %q", shown, code)
		}
		tab.signIn(fakeplatform.Ada, "lovelace")
		tab.text("#done")
		screen.succeeds("Signed in as " + fakeplatform.Ada)
		tab.showsNoSecret()
		p.wantCounts("login", map[string]int{"oauth": 0, "provider.authorize": 0, "provider.device": 1, "provider.form": 1})
		skopeo.pulls(p, privateImage)
		p.wantCounts("pull", map[string]int{"windows": 0, "issuer": 0, "provider": 0})
	})
}

// signsInAtProvider runs a command that sends a browser to the provider's page,
// and signs in there.
func (p *fixture) signsInAtProvider(command ...string) *tab {
	p.t.Helper()
	nextAddress := p.takesAddresses()
	tab := p.openTab()
	login := p.start("", command...)
	tab.do(chromedp.Navigate(nextAddress()))
	tab.do(chromedp.WaitVisible(chromedp.ID("signin")))
	at, err := url.Parse(read(tab, chromedp.Location()))
	if err != nil || "http://"+at.Host != p.platform.Provider.Issuer {
		p.t.Errorf("the browser is at %s, want it at the provider %s", at, p.platform.Provider.Issuer)
	}
	tab.signIn(fakeplatform.Ada, "lovelace")
	tab.text("main:has(.good)")
	if r := login.wait(); r.code != 0 || !strings.Contains(r.stdout, "Signed in as "+fakeplatform.Ada) {
		p.t.Errorf("no sign-in: %s", r)
	}
	return tab
}

// wantSignedIn looks at the last page.
func (b *tab) wantSignedIn() {
	b.p.t.Helper()
	if text := b.text("main:has(.good)"); !strings.Contains(text, "signed in as "+fakeplatform.Ada) {
		b.p.t.Errorf("the last page says %q", text)
	}
	if address := b.showsNoSecret(); address.RawQuery != "" || address.Fragment != "" {
		b.p.t.Errorf("the browser is at %s", address)
	}
}
