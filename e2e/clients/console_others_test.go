//go:build e2e && linux

package clients

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"docker-credential-cgr/e2e/leaks"
)

// TestConsoleRefuses has other people's addresses and pages at the console.
func TestConsoleRefuses(t *testing.T) {
	p := newFixture(t)
	tab := p.openTab()
	c := p.startConsole("--no-browser", "--parent", "example.com")
	tab.do(chromedp.Navigate(c.page() + "?key=wrong"))
	if text := tab.text("h1"); text != "This address cannot be used" {
		t.Errorf("a wrong key: the page says %q", text)
	}
	tab.screenshots("console-refused")
	tab.enters(c.address)
	tab.until(`document.querySelector('#status')?.textContent === 'There are no pull tokens.'`)
	tab.do(chromedp.Navigate(c.address))
	if text := tab.text("h1"); text != "This address cannot be used" {
		t.Errorf("the key again: the page says %q", text)
	}
	p.platform.ResetCounts()

	// Another program's page on this machine: to the browser it is the same site,
	// so that the cookie goes with all that it asks of the console. Itself it gets the
	// cookie only where it knows the console's path.
	var mu sync.Mutex
	var cookies []string
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		for _, cookie := range r.Cookies() {
			cookies = append(cookies, cookie.Name)
		}
		mu.Unlock()
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!doctype html><title>evil</title><iframe name=f></iframe>")
	}))
	defer evil.Close()
	evilPage := strings.Replace(evil.URL, "127.0.0.1", "localhost", 1)
	known, err := url.Parse(c.page())
	if err != nil {
		t.Fatal(err)
	}
	tab.do(chromedp.Navigate(evilPage + known.Path))
	got := func() []string { // since it was last asked
		mu.Lock()
		defer mu.Unlock()
		got := cookies
		cookies = nil
		return got
	}
	if !slices.Contains(got(), "cgr-console") {
		t.Fatal("the browser sends the other page no cookie: nothing is tested")
	}
	tab.do(chromedp.Navigate(evilPage))
	if names := got(); names != nil {
		t.Errorf("another program at localhost got the cookies %q", names)
	}
	for _, script := range []string{
		`fetch(API, {method: 'POST', mode: 'no-cors', credentials: 'include', body: BODY})`,
		`fetch(API, {method: 'POST', credentials: 'include', headers: {'Content-Type': 'application/json', 'Cgr-Console': '1'}, body: BODY})`,
		`fetch(API, {credentials: 'include'})`,
		`fetch(API, {credentials: 'include', headers: {'Cgr-Console': '1'}})`,
		`fetch(API, {mode: 'no-cors', credentials: 'include'})`,
		`fetch(PAGE, {mode: 'no-cors', credentials: 'include'})`,
		`new Promise((done, fail) => { const s = document.createElement('script'); s.src = PAGE + 'console.js'; s.onload = done; s.onerror = fail; document.head.append(s) })`,
		`new Promise((done, fail) => { const f = document.querySelector('iframe'); f.onload = () => { try { f.contentDocument ? done() : fail() } catch { fail() } }; f.src = PAGE })`,
	} {
		if got := tab.tries(c, script); got != "refused" && got != "got nothing" {
			t.Errorf("another origin: %s: %s", script, got)
		}
	}
	p.wantCounts("another origin", map[string]int{"api.identities": 0, "api.rolebindings": 0})
	// A window can be opened, as by a link. Who opened it has no hold of it.
	if got := tab.tries(c, `new Promise((done, fail) => { const w = open(PAGE); setTimeout(() => w && !w.closed ? done() : fail(), 2000) })`); got != "refused" {
		t.Errorf("another origin has hold of a window: %s", got)
	}
	p.wantCounts("a window", map[string]int{"api.identities.create": 0, "api.rolebindings.create": 0, "api.identities.delete": 0})
	c.interrupt()
	c.wait(130)
}

// tries has a page try something, which gives a promise, and tells what came of it.
func (b *tab) tries(c *console, script string) string {
	b.p.t.Helper()
	wish := `{"organization":"` + b.p.platform.OrganizationID("example.com") + `","name":"evil","description":"","seconds":2592000,"repositories":["oci"]}`
	script = strings.NewReplacer("API", fmt.Sprintf("%q", c.page()+"api/tokens"), "PAGE", fmt.Sprintf("%q", c.page()), "BODY", "`"+wish+"`").Replace(script)
	return read(b, chromedp.Evaluate[string](script+`.then(async r => 'got ' + (await r?.text?.() || 'nothing'), () => 'refused')`, chromedp.EvalAwaitPromise))
}

// TestConsoleOpens has the console open the browser itself: what everybody on the
// machine can see of that does not let them in.
func TestConsoleOpens(t *testing.T) {
	p := newFixture(t)
	p.must("docker-credential-cgr", "login")
	next := p.takesAddresses()
	tab := p.openTab()
	// A browser that stays, so that there is something to see.
	stays, release := p.path("stays"), p.path("release")
	if err := os.WriteFile(stays, []byte("#!/bin/sh\nhand-over \"$1\"\nuntil [ -e '"+release+"' ]; do sleep 0.05; done\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	leave := sync.OnceValue(func() error { return os.WriteFile(release, nil, 0o600) })
	defer leave()
	p.set("CHAINGUARD_AUTH_MODE=browser", "BROWSER="+stays) // though nobody is at a terminal
	c := p.startConsole()
	file := next()
	c.wantKeyUnseen(file)
	path := strings.TrimPrefix(file, "file://")
	folder := filepath.Dir(path)
	if filepath.Dir(folder) != filepath.Join(p.home, ".cache") {
		t.Errorf("the browser was sent to %s, want a file in the user's cache", file)
	}
	for path, want := range map[string]os.FileMode{path: 0o600, folder: os.ModeDir | 0o700} {
		info, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%s has the mode %s, want %s", path, info.Mode(), want)
		}
	}

	tab.enters(file)
	tab.until(`document.querySelector('#status')?.textContent === 'There are no pull tokens.'`)
	if where := read(tab, chromedp.Location()); where != c.page() {
		t.Errorf("the browser is at %s, want %s", where, c.page())
	}
	for _, entry := range read(tab, chromedp.NavigationEntries()).Entries {
		if strings.Contains(entry.URL, c.key()) {
			t.Errorf("the key is in the back list: %s", entry.URL)
		}
	}
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, err := os.Lstat(folder); errors.Is(err, os.ErrNotExist) {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%s is there after the key was used", folder)
		}
	}
	if err := leave(); err != nil {
		t.Fatal(err)
	}
	c.interrupt()
	if said := c.wait(130); strings.Contains(said, "yourself") {
		t.Errorf("a browser came, and the console says that none did:\n%s", said)
	}
	if found := p.watch.find(leaks.Of([]string{c.key()}), leaks.Of([]string{c.key()})); found != nil {
		t.Errorf("the key is in %q", found)
	}
}

// wantKeyUnseen fails if the arguments or the environment of a process show the key
// while the browser is being opened on an address.
func (c *console) wantKeyUnseen(address string) {
	c.p.t.Helper()
	opening := 0
	for _, running := range processes(c.p.dir, nil) {
		if strings.Contains(running.arguments, c.key()) || strings.Contains(running.environ, c.key()) {
			c.p.t.Errorf("%s shows the key", running)
		}
		if strings.HasSuffix(running.arguments, "\x00"+address+"\x00") {
			opening++
		}
	}
	if opening < 2 { // the program that opens it, and the browser
		c.p.t.Errorf("%d processes have the argument %s: nothing is tested", opening, address)
	}
}
