//go:build e2e && linux

package clients

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"docker-credential-cgr/e2e/program"
	"docker-credential-cgr/e2e/testenv"
)

// handOver is a program for $BROWSER that gives the address to the test, through
// the FIFO $HAND_OVER.
func handOver() {
	to, err := os.OpenFile(os.Getenv("HAND_OVER"), os.O_WRONLY, 0)
	if err == nil {
		_, err = fmt.Fprintln(to, os.Args[len(os.Args)-1])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "hand-over:", err)
		os.Exit(1)
	}
}

// takesAddresses has the place's browser hand addresses to the test. next waits
// for the next one.
func (p *fixture) takesAddresses() (next func() string) {
	p.t.Helper()
	path := p.path("hand-over")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		p.t.Fatal(err)
	}
	// For both, so that neither side waits for the other to open it.
	fifo, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = fifo.Close() })
	p.set("BROWSER=hand-over", "HAND_OVER="+path)
	lines := bufio.NewReader(fifo)
	return func() string {
		p.t.Helper()
		if err := fifo.SetReadDeadline(time.Now().Add(testenv.Timeout)); err != nil {
			p.t.Fatal(err)
		}
		address, err := lines.ReadString('\n')
		if err != nil {
			p.t.Fatalf("no browser was opened: %v", err)
		}
		return strings.TrimSpace(address)
	}
}

// tab is a tab of a Chromium, and what was seen in it.
type tab struct {
	p   *fixture
	ctx context.Context

	mu        sync.Mutex
	requests  []string                   // the addresses
	documents map[string]network.Headers // of the pages shown, by address
	problems  []string                   // of the console
}

// openTab starts a Chromium without a window, with a profile of its own.
func (p *fixture) openTab() *tab {
	p.t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		p.t.Fatal(err)
	}
	p.profile = p.path("chromium")
	if err := os.Mkdir(p.profile, 0o700); err != nil {
		p.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*testenv.Timeout)
	p.t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.UserDataDir(p.profile),
		chromedp.NoSandbox, chromedp.DisableGPU, // root, and no display
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-breakpad", true),
		chromedp.Flag("no-proxy-server", true),
		// What is not on this machine does not exist.
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1"),
		chromedp.ModifyCmdFunc(func(cmd *exec.Cmd) {
			cmd.Env = []string{"DBUS_SESSION_BUS_ADDRESS=disabled:", "HOME=" + p.profile}
			for _, name := range []string{"XDG_RUNTIME_DIR", "TMPDIR", "PATH", "LANG"} {
				cmd.Env = append(cmd.Env, name+"="+p.environ[name])
			}
		}),
		chromedp.WSURLReadTimeout(testenv.Timeout),
	)...)
	p.t.Cleanup(cancel)
	tab := &tab{p: p, documents: map[string]network.Headers{}}
	tab.ctx, cancel = chromedp.NewContext(ctx, chromedp.WithListener(tab.note))
	p.t.Cleanup(func() {
		defer cancel()
		if err := chromedp.Cancel(tab.ctx); err != nil {
			p.t.Errorf("closing Chromium: %v", err)
		}
	})
	// It starts with the first thing that it is to do, and cannot be closed before.
	tab.do(chromedp.Navigate("about:blank"))
	return tab
}

// note keeps what happens in the tab.
func (b *tab) note(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request.URL)
	case *network.EventResponseReceived:
		if e.Type == network.ResourceTypeDocument {
			b.documents[e.Response.URL] = e.Response.Headers
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type == "error" || e.Type == "warning" {
			b.problems = append(b.problems, fmt.Sprintf("console.%s", e.Type))
		}
	case *runtime.EventExceptionThrown:
		b.problems = append(b.problems, e.ExceptionDetails.Text)
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			b.problems = append(b.problems, fmt.Sprintf("%s: %s (%s)", e.Entry.Source, e.Entry.Text, e.Entry.URL))
		}
	}
}

// do has the tab do something.
func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.p.t.Helper()
	read(b, chromedp.Steps(steps...))
}

// read has the tab tell something.
func read[T any](b *tab, action chromedp.Action[T]) T {
	b.p.t.Helper()
	value, err := chromedp.Run(b.ctx, action)
	if err != nil {
		where, _ := chromedp.Run(b.ctx, chromedp.Location())
		b.p.t.Fatalf("the browser, at %s: %v", where, err)
	}
	return value
}

// signIn fills in the form and sends it.
func (b *tab) signIn(email, password string) {
	b.p.t.Helper()
	b.do(
		chromedp.WaitVisible(chromedp.ID("email")),
		chromedp.Clear(chromedp.ID("email")), chromedp.SendKeys(chromedp.ID("email"), email),
		chromedp.SendKeys(chromedp.ID("password"), password),
		chromedp.Click(chromedp.ID("signin")),
	)
}

// text waits for an element and gives what it says.
func (b *tab) text(selector chromedp.CSS) string {
	b.p.t.Helper()
	b.do(chromedp.WaitVisible(selector))
	return read(b, chromedp.Text(selector))
}

// problemsOf gives what the console said, but for what is about other pages than
// those of host.
func (b *tab) problemsOf(host string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var found []string
	for _, problem := range b.problems {
		if strings.Contains(problem, host) || !strings.Contains(problem, "http://") {
			found = append(found, problem)
		}
	}
	return found
}

// wantLoopback fails if anything was fetched from elsewhere than the issuer and
// the program's own listener.
func (b *tab) wantLoopback() {
	b.p.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, address := range b.requests {
		u, err := url.Parse(address)
		if err != nil || u.Host != b.p.platform.IssuerHost() && u.Hostname() != "localhost" {
			b.p.t.Errorf("the browser asked %s://%s (%v)", u.Scheme, u.Host, err)
		}
	}
}

// headers are those of the page at an address.
func (b *tab) headers(address string) http.Header {
	b.mu.Lock()
	defer b.mu.Unlock()
	headers := http.Header{}
	for name, value := range b.documents[address] {
		headers.Set(name, fmt.Sprint(value))
	}
	return headers
}

// lowContrast are the texts on the page whose contrast is below that of WCAG 2.2, AA.
const lowContrast = `(() => {
	const light = color => {
		const [r, g, b] = color.match(/[\d.]+/g).map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
		return .2126 * r + .7152 * g + .0722 * b;
	};
	const back = e => {
		for (; e; e = e.parentElement) {
			const color = getComputedStyle(e).backgroundColor;
			if (color !== 'rgba(0, 0, 0, 0)') return color;
		}
		return 'rgb(255, 255, 255)';
	};
	return [...document.querySelectorAll('body *')].filter(e => e.checkVisibility() && !e.disabled && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
		.filter(e => {
			const a = light(getComputedStyle(e).color), b = light(back(e));
			return (Math.max(a, b) + .05) / (Math.min(a, b) + .05) < 4.5;
		}).map(e => e.textContent);
})()`

// screenshots keeps pictures of the page as on a phone, a tablet and a desktop, light and
// dark. Nothing may be wider than the screen, or hard to read.
func (b *tab) screenshots(name string) {
	b.p.t.Helper()
	backs := map[string]string{}
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{360, 800, 1280} {
			b.look(scheme, width)
			b.picture(fmt.Sprintf("%s-%d-%s", name, width, scheme))
			if over := read(b, chromedp.Evaluate[int]("document.documentElement.scrollWidth - window.innerWidth")); over > 0 {
				b.p.t.Errorf("%s, %s: %d pixels wider than the screen of %d", name, scheme, over, width)
			}
		}
		if texts := read(b, chromedp.Evaluate[[]string](lowContrast)); len(texts) > 0 {
			b.p.t.Errorf("%s, %s: the contrast is too low of %q", name, scheme, texts)
		}
		backs[scheme] = read(b, chromedp.Evaluate[string]("getComputedStyle(document.body).backgroundColor"))
	}
	if backs["light"] == backs["dark"] {
		b.p.t.Errorf("light and dark look the same: %s", backs["light"])
	}
}

// look shows the page in a window of a width, in a color scheme.
func (b *tab) look(scheme string, width int64) {
	b.p.t.Helper()
	b.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	}), chromedp.EmulateViewport(width, 740))
}

// picture keeps a picture of what the window shows.
func (b *tab) picture(name string) {
	b.p.t.Helper()
	picture := read(b, chromedp.CaptureScreenshot())
	dir := artifacts()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		b.p.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o644); err != nil {
		b.p.t.Fatal(err)
	}
}

// artifacts is where what people may want to look at is kept.
func artifacts() string {
	if dir := os.Getenv("E2E_ARTIFACTS"); dir != "" {
		return dir
	}
	return filepath.Join(program.Root(), "e2e", "artifacts")
}
