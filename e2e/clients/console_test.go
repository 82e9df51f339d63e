//go:build e2e && linux

package clients

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
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

	"docker-credential-cgr/e2e/fakeplatform"
	"docker-credential-cgr/e2e/leaks"
	"docker-credential-cgr/e2e/testenv"
)

// console is the console, as it runs.
type console struct {
	p       *fixture
	cmd     *exec.Cmd
	address string // with the key
	said    chan string
}

// startConsole starts the console, which signs in where nobody is, and waits for its
// address.
func (p *fixture) startConsole(flags ...string) *console {
	p.t.Helper()
	p.signsInAlone()
	ctx, stop := context.WithTimeout(p.t.Context(), 2*testenv.Timeout)
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
		if c.address = regexp.MustCompile(`http://localhost:\d+/[A-Z2-7]{26}/\?key=\S+`).FindString(lines.Text()); c.address != "" {
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
	tab.do(chromedp.KeyEvent("Builds!"), chromedp.KeyEvent("\r"))
	tab.until(`document.querySelector('#create-problem').textContent.includes('lowercase')`)
	tab.wantFocus("a wrong name", "name")
	tab.do(chromedp.SetValue(chromedp.ID("name"), "builds"), chromedp.SendKeys(chromedp.ID("description"), `<img src=x onerror="document.title='harm'">`))
	tab.do(chromedp.Focus(chromedp.ID("description")), chromedp.KeyEvent("\r"))
	tab.until(`document.querySelector('#made').open`)
	tab.wantFocus("the new pair", "made-title")

	login := tab.copies("docker login")
	user, token := loginPair(t, login)
	if got := [2]string{tab.copies("Username"), tab.copies("Password")}; got != [2]string{user, token} {
		t.Errorf("the fields for a username and a password do not hold those of docker login: %d and %d bytes", len(got[0]), len(got[1]))
	}
	if env := tab.copies("Environment"); env != "export CHAINGUARD_IDENTITY_ID="+user+"\nexport CHAINGUARD_TOKEN="+token+"\n" {
		t.Errorf("not the pair for the environment: %d bytes", len(env))
	}
	if secret := tab.copies("Kubernetes"); !strings.Contains(kubernetesConfig(t, secret), base64.StdEncoding.EncodeToString([]byte(user+":"+token))) {
		t.Errorf("not the pair for Kubernetes: %d bytes", len(secret))
	}
	tab.do(chromedp.KeyEvent("\x1b")) // Escape: not by accident
	tab.until(`document.querySelector('#made').open && document.querySelector('#made-status').textContent.includes('Copy the pull token')`)
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
	tab.wantFocus("the question", "revoke-cancel")
	if text := tab.text("#revoke"); !strings.Contains(text, "builds") || !strings.Contains(text, user) || !strings.Contains(text, "saved on this machine") {
		t.Errorf("the question is %q", text)
	}
	tab.do(chromedp.KeyEvent("\r")) // the answer that does no harm
	tab.until(`!document.querySelector('#revoke').open`)
	p.wantCounts("before the question was answered", map[string]int{"api.identities.create": 1, "api.identities.delete": 0})
	tab.wantFocus("after the question", "Revoke builds")
	tab.click("#rows button")
	tab.click("#revoke-send")
	tab.until(`document.querySelector('#status').textContent === 'Revoked “builds”. There are no pull tokens.'`)
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
	tab.until(`document.querySelector('#ended').textContent.includes('has stopped')`)
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

// listed has the platform list these pull tokens, which pullTokenOf makes.
func (p *fixture) listed(tokens ...map[string]any) {
	p.t.Helper()
	p.answers("api.identities.list", map[string]any{"items": tokens})
}

// answers has the platform answer requests of a name with v.
func (p *fixture) answers(on string, v any) {
	p.t.Helper()
	body, err := json.Marshal(v)
	if err != nil {
		p.t.Fatal(err)
	}
	p.platform.Change(func(b *fakeplatform.Behavior) {
		b.Faults = append(b.Faults, fakeplatform.Fault{On: on, ContentType: "application/json", Body: string(body)})
	})
}

// pullTokenOf is a pull token in a list of the platform, which expires after left.
func pullTokenOf(id, name, description string, left time.Duration) map[string]any {
	now := time.Now()
	return map[string]any{
		"id": id, "name": name, "description": description, "createdAt": now.AddDate(0, 0, -20), "lastSeen": now.AddDate(0, 0, -1),
		"static": map[string]any{"issuer": fakeplatform.PullTokenIssuer, "subject": name, "expiration": now.Add(left)},
	}
}

// brokenWords are the words of an element that go on in another line, though they are no
// longer than names usually are, or have room.
const brokenWords = `(selector => {
	const broken = [], range = document.createRange();
	const texts = document.createTreeWalker(document.querySelector(selector), NodeFilter.SHOW_TEXT);
	for (let node; node = texts.nextNode();) {
		for (const {0: word, index} of node.data.matchAll(/[^\s-]+/g)) {
			range.setStart(node, index);
			range.setEnd(node, index + word.length);
			const pieces = [...range.getClientRects()].filter(r => r.width > 0);
			const width = pieces.reduce((sum, r) => sum + r.width, 0), box = node.parentElement.closest('th, td, dd, p');
			if (pieces.length > 1 && (word.length < 28 || width < box.clientWidth - 24)) broken.push(word);
		}
	}
	return broken;
})`

// TestConsoleList shows pull tokens that are hard to show: of one name, with long names,
// with names that pretend to be others, in several organizations.
func TestConsoleList(t *testing.T) {
	p := newFixture(t)
	tab := p.openTab()
	p.signsInAlone()
	p.must("docker-credential-cgr", "pull-token", "create", "--name", "ci", "--save")
	saved := strings.TrimSpace(p.must("docker-credential-cgr", "pull-token", "list", "-o", "id").stdout)
	org, other := p.platform.OrganizationID(fakeplatform.Organization), p.platform.OrganizationID(fakeplatform.OtherOrganization)
	const day = 24 * time.Hour
	long := "mirror of the registry for the production clusters in eu-west-1, ap-southeast-2 and us-east-1"
	twins := []string{org + "/1111111111111111", org + "/2222222222222222"}
	unused := pullTokenOf(twins[1], "builds", "", 29*day+11*time.Hour)
	unused["createdAt"] = time.Now()
	delete(unused, "lastSeen")
	p.listed(
		pullTokenOf(saved, "ci", "", 300*day),
		pullTokenOf(twins[0], "builds", "GitHub Actions of the web team", 29*day+13*time.Hour), unused,
		pullTokenOf(other+"/3333333333333333", long, "Artifactory, asks for a new one each quarter: see https://wiki.example.com/runbooks/artifactory/pull-tokens", 25*time.Hour),
		pullTokenOf(org+"/4444444444444444", "artifactoryproductionmirror", "", 23*time.Hour),
		pullTokenOf(org+"/5555555555555555", "old", "replaced", -3*day),
		pullTokenOf(org+"/6666666666666666", "ci\u202egnp.exe\u0000\u200b", "", 60*day),
		pullTokenOf(org+"/7777777777777777", strings.Repeat("x", 255), "", 90*day),
	)
	p.answers("api.groups.list", map[string]any{"items": []any{
		map[string]any{"id": org, "name": fakeplatform.Organization}, map[string]any{"id": other, "name": "a-subsidiary-with-a-longer-name.example.net"},
	}})
	c := p.startConsole("--no-browser")
	tab.enters(c.address)
	tab.until(`document.querySelector('#status').textContent === '8 pull tokens'`)
	tab.screenshots("console-list")
	for _, width := range []int64{800, 1280} {
		tab.look("light", width)
		if words := read(tab, chromedp.Evaluate[[]string](brokenWords+"('#list')")); len(words) > 0 {
			t.Errorf("at %d pixels the table breaks the words %q", width, words)
		}
	}

	rows := read(tab, chromedp.Evaluate[[]string]("[...document.querySelectorAll('#rows tr')].map(r => r.innerText)"))
	text := strings.Join(rows, "\n")
	for _, id := range twins {
		if short := "builds\n…/" + id[len(org)+1:]; !strings.Contains(text, short) {
			t.Errorf("the rows %q do not show which of two is %q", rows, short)
		}
	}
	if !strings.Contains(text, `ci\u202egnp.exe\u0000\u200b`) {
		t.Errorf("characters that nobody can see are not escaped: %q", text)
	}
	p.agreesWithTable(rows)

	ask := func(id string) {
		tab.click(chromedp.CSS(fmt.Sprintf(`button[aria-label="Revoke builds …/%s"]`, id[len(org)+1:])))
	}
	ask(twins[0])
	tab.wantFocus("the question", "revoke-cancel")
	facts := tab.text("#revoke-facts")
	for _, want := range []string{"builds", "GitHub Actions of the web team", twins[0], fakeplatform.Organization, "Created", "in 30 days", "Last seen"} {
		if !strings.Contains(facts, want) {
			t.Errorf("the question is about %q, without %q", facts, want)
		}
	}
	tab.screenshots("console-revoke")
	tab.click("#revoke-cancel")
	ask(twins[1])
	if facts := tab.text("#revoke-facts"); !strings.Contains(facts, twins[1]) || !strings.Contains(facts, "never") {
		t.Errorf("the question is about %q, want the other pull token of this name", facts)
	}
	tab.click("#revoke-cancel")
	tab.click("#new")
	tab.wantFocus("the dialog to create one", "name")
	tab.screenshots("console-create")
	tab.click("#create-send")
	tab.until(`document.querySelector('#made').open`)
	tab.screenshots("console-made")
	tab.click("#made-done")
	if problems := tab.problemsOf(strings.TrimPrefix(c.page(), "http://")); problems != nil {
		t.Errorf("the browser's console says %q", problems)
	}
	c.interrupt()
	c.wait(130)
}

// agreesWithTable fails unless the rows of the page say the same of the days that are
// left as pull-token list.
func (p *fixture) agreesWithTable(rows []string) {
	p.t.Helper()
	var list struct {
		Items []struct{ DaysLeft int }
	}
	if err := json.Unmarshal([]byte(p.must("docker-credential-cgr", "pull-token", "list", "-o", "json").stdout), &list); err != nil {
		p.t.Fatal(err)
	}
	if len(list.Items) != len(rows) {
		p.t.Fatalf("the page shows %d pull tokens, pull-token list %d", len(rows), len(list.Items))
	}
	for i, row := range rows {
		want := fmt.Sprintf("in %d days", list.Items[i].DaysLeft)
		switch days := list.Items[i].DaysLeft; {
		case days < 0:
			want = "expired"
		case days == 0:
			want = "in less than a day"
		case days == 1:
			want = "in 1 day"
		}
		if !strings.Contains(row, want) {
			p.t.Errorf("the page says %q, want %q as pull-token list has it", row, want)
		}
	}
}

// TestConsoleMayNotList has the page of somebody who may not list all pull tokens.
func TestConsoleMayNotList(t *testing.T) {
	p := newFixture(t)
	tab := p.openTab()
	org, other := p.platform.OrganizationID(fakeplatform.Organization), p.platform.OrganizationID(fakeplatform.OtherOrganization)
	may := func(group, name string, capabilities ...string) any {
		return map[string]any{"group": map[string]any{"id": group, "name": name}, "role": map[string]any{"name": "custom", "capabilities": capabilities}}
	}
	p.answers("api.ok", map[string]any{"subject": p.platform.PersonID(fakeplatform.Ada), "capabilities": []any{
		may(org, fakeplatform.Organization, "identity.list"), may(other, fakeplatform.OtherOrganization, "groups.list"),
	}})
	p.answers("api.groups.list", map[string]any{"items": []any{
		map[string]any{"id": org, "name": fakeplatform.Organization}, map[string]any{"id": other, "name": fakeplatform.OtherOrganization},
	}})
	c := p.startConsole("--no-browser")
	tab.enters(c.address)
	tab.until(`document.querySelector('#status').textContent === 'There are no pull tokens that you can list.'`)
	p.listed(pullTokenOf(org+"/1111111111111111", "builds", "", 720*time.Hour))
	tab.do(chromedp.Reload())
	tab.until(`document.querySelector('#status')?.textContent === '1 pull token'`)
	if text := tab.text("#problem"); !strings.Contains(text, "may be incomplete") || !strings.Contains(text, `"`+fakeplatform.OtherOrganization+`"`) || !strings.Contains(text, "role viewer") {
		t.Errorf("the page says %q, want what is missing", text)
	}
	if text := tab.text("#rows"); !strings.Contains(text, "builds") {
		t.Errorf("the table says %q, want what may be listed", text)
	}
	tab.screenshots("console-incomplete")

	p.platform.Change(func(b *fakeplatform.Behavior) { b.Faults = nil })
	p.platform.SetRoles(fakeplatform.Ada, "registry.pull", "registry.pull_token_creator")
	tab.do(chromedp.Reload())
	tab.until(`document.querySelector('#problem')?.textContent.includes('which the role viewer has')`)
	if status := read(tab, chromedp.Evaluate[string]("document.querySelector('#status').textContent")); status != "" {
		t.Errorf("the page says %q to somebody who may not list pull tokens", status)
	}
	tab.screenshots("console-no-list")
	if enabled := read(tab, chromedp.Evaluate[bool]("!document.querySelector('#new').disabled")); !enabled {
		t.Error("whoever may not list pull tokens cannot create one either")
	}
	c.interrupt()
	c.wait(130)
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
	p := newFixture(t)
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
	p := newFixture(t)
	tab := p.openTab()
	c := p.startConsole("--no-browser", "--idle", "2s")
	tab.enters(c.address)
	tab.until(`document.querySelector('#ended').textContent.includes('docker-credential-cgr console')`)
	if said := c.wait(0); !strings.Contains(said, "it was not used for 2s") {
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
