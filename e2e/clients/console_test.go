//go:build e2e && linux

package clients

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"

	"docker-credential-cgr/e2e/leaks"
)

// console is the console, as it runs.
type console struct {
	p       *place
	cmd     *exec.Cmd
	address string // with the key
	said    chan string
}

// startConsole starts the console, which signs in where nobody is, and waits for its
// address.
func (p *place) startConsole(flags ...string) *console {
	p.t.Helper()
	p.signsInAlone()
	ctx, stop := context.WithTimeout(p.t.Context(), 2*patience)
	p.t.Cleanup(stop)
	c := &console{p: p, said: make(chan string, 1)}
	c.cmd = p.command(ctx, append([]string{"docker-credential-cgr", "console"}, flags...)...)
	stderr, err := c.cmd.StderrPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	said := ""
	for lines.Scan() {
		said += lines.Text() + "\n"
		if c.address = regexp.MustCompile(`http://localhost:\d+/[\w-]{22}/\?key=\S+`).FindString(lines.Text()); c.address != "" {
			break
		}
	}
	if c.address == "" {
		_ = c.cmd.Wait()
		p.t.Fatalf("the console gave no address:\n%s", said)
	}
	go func() {
		for lines.Scan() {
			said += lines.Text() + "\n"
		}
		c.said <- said
	}()
	return c
}

// page is where the page is without the key.
func (c *console) page() string {
	page, _, _ := strings.Cut(c.address, "?")
	return page
}

// key is what lets a browser in.
func (c *console) key() string {
	_, key, _ := strings.Cut(c.address, "?key=")
	return key
}

// wait waits for the end of the console, and gives what it said.
func (c *console) wait(wantCode int) string {
	c.p.t.Helper()
	said := <-c.said
	err := c.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || c.cmd.ProcessState.ExitCode() != wantCode {
		c.p.t.Errorf("the console ended with %v, want exit code %d:\n%s", err, wantCode, said)
	}
	return said
}

// interrupt is Ctrl-C.
func (c *console) interrupt() {
	c.p.t.Helper()
	if err := c.cmd.Process.Signal(os.Interrupt); err != nil {
		c.p.t.Fatal(err)
	}
}

// mayUseClipboard lets the page write to the clipboard, and the test read it.
func (b *tab) mayUseClipboard(setting browser.PermissionSetting) {
	b.p.t.Helper()
	for _, name := range []string{"clipboard-read", "clipboard-write"} {
		b.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
			_, err := chromedp.CallBrowser(ctx, browser.SetPermission, browser.SetPermissionParams{
				Permission: &browser.PermissionDescriptor{Name: name}, Setting: setting,
			})
			return err
		}))
	}
}

func (b *tab) clipboard() string {
	b.p.t.Helper()
	return read(b, chromedp.Evaluate[string]("navigator.clipboard.readText()", chromedp.EvalAwaitPromise))
}

// until waits until a condition holds in the page.
func (b *tab) until(condition string) {
	b.p.t.Helper()
	read(b, chromedp.Poll[bool](condition))
}

func (b *tab) click(selector chromedp.CSS) {
	b.p.t.Helper()
	b.do(chromedp.WaitVisible(selector), chromedp.Click(selector))
}

// enters goes to an address that lets it in, and waits for the page that it is sent on
// to.
func (b *tab) enters(address string) {
	b.p.t.Helper()
	b.do(chromedp.Navigate(address), chromedp.WaitVisible(chromedp.ID("title")))
}

// focused is the id, else the name, of what has the focus.
func (b *tab) focused() string {
	b.p.t.Helper()
	return read(b, chromedp.Evaluate[string]("document.activeElement.id || document.activeElement.ariaLabel || document.activeElement.tagName"))
}

// wantFocus fails unless something comes to have the focus: those who do not see the
// page would be lost.
func (b *tab) wantFocus(when, want string) {
	b.p.t.Helper()
	got := ""
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if got = b.focused(); got == want {
			return
		}
	}
	b.p.t.Errorf("%s: the focus is at %q, want %q", when, got, want)
}

// TestConsole makes a pull token on the page, logs in with what its button copied,
// and revokes it.
func TestConsole(t *testing.T) {
	p := newPlaceFor(t, docker)
	tab := p.openTab()
	tab.mayUseClipboard(browser.PermissionSettingGranted)
	c := p.startConsole("--no-browser")
	tab.enters(c.address)
	tab.until(`document.querySelector('#status').textContent === 'There are no pull tokens.'`)
	if where := read(tab, chromedp.Location()); where != c.page() {
		t.Errorf("the browser is at %s, want %s: no key", where, c.page())
	}
	if text := tab.text("header"); !strings.Contains(text, "Signed in as ada@example.com") {
		t.Errorf("the page does not say who is signed in: %q", text)
	}

	// With the keyboard alone.
	tab.do(chromedp.Focus(chromedp.ID("new")), chromedp.KeyEvent("\r"))
	tab.until(`document.querySelector('#create').open`)
	tab.wantFocus("the pane to create one", "name")
	tab.screenshots("console-create")
	tab.do(chromedp.KeyEvent("Builds!"), chromedp.KeyEvent("\r"))
	tab.until(`document.querySelector('#create-problem').textContent.includes('lower-case')`)
	tab.wantFocus("a wrong name", "name")
	tab.do(chromedp.SetValue(chromedp.ID("name"), "builds"), chromedp.SendKeys(chromedp.ID("description"), `<img src=x onerror="document.title='harm'">`))
	tab.do(chromedp.Focus(chromedp.ID("description")), chromedp.KeyEvent("\r"))
	tab.until(`document.querySelector('#made').open`)
	tab.wantFocus("the new pair", "made-title")
	tab.screenshots("console-made")

	login := tab.copies("docker login")
	user, token := loginPair(t, login)
	if env := tab.copies("Environment"); env != "export CHAINGUARD_IDENTITY_ID="+user+"\nexport CHAINGUARD_TOKEN="+token+"\n" {
		t.Errorf("not the pair for the environment: %d bytes", len(env))
	}
	if secret := tab.copies("Kubernetes"); !strings.Contains(kubernetesConfig(t, secret), base64.StdEncoding.EncodeToString([]byte(user+":"+token))) {
		t.Errorf("not the pair for Kubernetes: %d bytes", len(secret))
	}
	tab.do(chromedp.KeyEvent("\x1b")) // Escape: not by accident
	tab.until(`document.querySelector('#made').open && document.querySelector('#made-status').textContent.includes('Copy it first')`)
	tab.click("#made-done")
	tab.until(`!document.querySelector('#made').open`)
	tab.wantFocus("after the new pair", "new")
	tab.keepsNone(token)

	if r := p.must("sh", "-c", login); !strings.Contains(r.stdout, "Login Succeeded") {
		t.Errorf("docker login as it was copied: %s", r)
	}
	docker.pulls(p, privateImage)
	tab.do(chromedp.Reload())
	tab.until(`document.querySelector('#rows')?.textContent.includes('saved here')`)
	if text := tab.text("#rows"); !strings.Contains(text, "builds") || !strings.Contains(text, "in 30 days") || !strings.Contains(text, "<img src=x onerror=") {
		t.Errorf("the table says %q", text)
	}
	tab.screenshots("console")
	tab.keepsNone(token)

	tab.click("#rows button")
	tab.until(`document.querySelector('#revoke').open`)
	tab.wantFocus("the question", "revoke-keep")
	if text := tab.text("#revoke-text"); !strings.Contains(text, "“builds”") || !strings.Contains(text, "saved on this machine") {
		t.Errorf("the question is %q", text)
	}
	tab.screenshots("console-revoke")
	tab.do(chromedp.KeyEvent("\r")) // the answer that does no harm
	tab.until(`!document.querySelector('#revoke').open`)
	p.wantCounts("before the question was answered", map[string]int{"api.identities.create": 1, "api.identities.delete": 0})
	tab.wantFocus("after the question", "Revoke builds")
	tab.click("#rows button")
	tab.click("#revoke-send")
	tab.until(`document.querySelector('#status').textContent === '“builds” is revoked. There are no pull tokens.'`)
	tab.wantFocus("after it was revoked", "title")
	p.wantCounts("revoked", map[string]int{"api.identities.delete": 1})
	if r := p.run("docker", "pull", p.host+"/"+privateImage); r.code == 0 || !strings.Contains(r.stderr, "Forbidden") {
		t.Errorf("a pull with what was revoked: %s", r)
	}

	if title := read(tab, chromedp.Title()); !strings.HasPrefix(title, "Pull tokens") {
		t.Errorf("the title is %q", title)
	}
	tab.wantOnly(c.page())
	if problems := tab.problemsOf(strings.TrimPrefix(c.page(), "http://")); problems != nil {
		t.Errorf("the browser's console says %q", problems)
	}
	c.interrupt()
	tab.until(`document.querySelector('#ended').textContent.includes('has ended')`)
	tab.screenshots("console-ended")
	said := c.wait(130)
	if strings.Contains(said, token) {
		t.Error("the secret is in what the console said")
	}
	found, err := leaks.Of([]string{token}).InFiles(p.dir, p.mayHoldSecrets)
	if err != nil || found != nil {
		t.Errorf("the secret is in %q (%v)", found, err)
	}
}

// wantOnly fails if anything was fetched from elsewhere than below an address, but for
// the browser's own icons.
func (b *tab) wantOnly(address string) {
	b.p.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, asked := range b.requests {
		if !strings.HasPrefix(asked, address) && !strings.HasPrefix(asked, "data:") && asked != "about:blank" {
			b.p.t.Errorf("the browser asked %s", asked)
		}
	}
}

// copies presses a copy button, and gives what is in the clipboard then.
func (b *tab) copies(title string) string {
	b.p.t.Helper()
	b.click(chromedp.CSS(fmt.Sprintf("button[aria-label=%q]", "Copy "+title)))
	b.until(fmt.Sprintf("document.querySelector('#made-status').textContent === %q", title+": copied."))
	b.wantFocus("after copying", "Copy "+title)
	return b.clipboard()
}

// keepsNone fails if the page still has a secret.
func (b *tab) keepsNone(secret string) {
	b.p.t.Helper()
	for _, script := range []string{
		"document.documentElement.outerHTML", "[...document.querySelectorAll('input, textarea')].map(e => e.value).join()", "location.href", "document.cookie",
		"JSON.stringify({...localStorage, ...sessionStorage})", "JSON.stringify(history.state)", "JSON.stringify(performance.getEntries())", "JSON.stringify(listing)",
	} {
		if strings.Contains(read(b, chromedp.Evaluate[string](script)), secret) {
			b.p.t.Errorf("the secret is in %s", script)
		}
	}
}

func loginPair(t *testing.T, command string) (user, token string) {
	t.Helper()
	words := regexp.MustCompile(`^ docker login \S+ --username (\S+) --password-stdin <<'EOF'\n(\S+)\nEOF\n$`).FindStringSubmatch(command)
	if words == nil {
		t.Fatalf("no docker login was copied, but %d bytes", len(command))
	}
	return words[1], words[2]
}

func kubernetesConfig(t *testing.T, text string) string {
	t.Helper()
	data := regexp.MustCompile(`(?m)^  \.dockerconfigjson: (\S+)$`).FindStringSubmatch(text)
	if data == nil {
		t.Fatalf("no secret for Kubernetes was copied, but %d bytes", len(text))
	}
	config, err := base64.StdEncoding.DecodeString(data[1])
	if err != nil {
		t.Fatal(err)
	}
	return string(config)
}

// TestConsoleNoClipboard copies where the browser keeps the clipboard from the page:
// the older way does it, or the text is selected.
func TestConsoleNoClipboard(t *testing.T) {
	p := newPlace(t)
	tab := p.openTab()
	tab.mayUseClipboard(browser.PermissionSettingDenied)
	c := p.startConsole("--no-browser")
	tab.enters(c.address)
	tab.click("#new:enabled")
	tab.click("#life-date")
	tomorrow := time.Now().AddDate(0, 0, 1)
	tab.do(chromedp.SetValue(chromedp.ID("date"), tomorrow.Format(time.DateOnly)))
	tab.click("#repositories input[value=java]")
	tab.click("#create-send")
	tab.click(`button[aria-label="Copy Environment"]`)
	tab.until(`document.querySelector('#made-status').textContent !== ''`)
	tab.mayUseClipboard(browser.PermissionSettingGranted)
	got := read(tab, chromedp.Evaluate[string]("String(getSelection())"))
	if strings.HasSuffix(tab.text("#made-status"), "copied.") {
		got = tab.clipboard()
	}
	if !strings.Contains(got, "export CHAINGUARD_JAVA_TOKEN=ey") || !strings.Contains(got, "export CHAINGUARD_TOKEN=ey") {
		t.Errorf("neither copied nor selected: %d bytes", len(got))
	}
	if text := tab.text("#made-text"); !strings.Contains(text, "11:59") && !strings.Contains(text, "12:00") && !strings.Contains(text, "23:59") {
		t.Errorf("a date counts to its end, here: %q", text)
	}
	tab.click("#made-done")
	c.interrupt()
	c.wait(130)
}

// TestConsoleIdle leaves the page alone.
func TestConsoleIdle(t *testing.T) {
	p := newPlace(t)
	tab := p.openTab()
	c := p.startConsole("--no-browser", "--idle", "2s")
	tab.enters(c.address)
	tab.until(`document.querySelector('#ended').textContent.includes('docker-credential-cgr console')`)
	if said := c.wait(0); !strings.Contains(said, "nobody has used the page for 2s") {
		t.Errorf("the console does not say why it ended:\n%s", said)
	}
	if _, err := http.Get(c.page()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("after the end: %v, want nobody there", err)
	}
	// Nothing of this is for those who type a thing that cannot be right.
	for _, flags := range [][]string{{"--idle", "0s"}, {"--idle", "25h"}, {"--idle", "soon"}, {"more"}} {
		if r := p.run(append([]string{"docker-credential-cgr", "console"}, flags...)...); r.code != 2 {
			t.Errorf("want exit code 2: %s", r)
		}
	}
}
