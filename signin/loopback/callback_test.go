package loopback

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// heard is a listener and what it took.
type heard struct {
	*Callback
	t     *testing.T
	mu    sync.Mutex
	taken []url.Values
}

// hears starts a listener that takes every callback but those with the token
// "foreign".
func hears(t *testing.T) *heard {
	t.Helper()
	h := &heard{t: t}
	var err error
	h.Callback, err = ListenForCallback(Localhost, func(rawQuery string) (Page, error) {
		q, err := ParseQuery(rawQuery)
		if err != nil {
			return Page{}, err
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		if token := q.Get("token"); token == "" || token == "foreign" || q.Has("error") {
			return Page{}, errors.New("not of this sign-in")
		}
		h.taken = append(h.taken, q)
		return Page{Good: true, Title: "Signed in as <b>", Text: "text"}, nil
	}, func() {})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h
}

func (h *heard) got() []url.Values {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]url.Values(nil), h.taken...)
}

// address is the listener's on one of its two sockets.
func (h *heard) address(family string) string {
	if family == "tcp6" {
		return fmt.Sprintf("[::1]:%d", h.Port)
	}
	return fmt.Sprintf("127.0.0.1:%d", h.Port)
}

// send sends a request as a browser would, to either socket, and gives the answer
// without following it.
func (h *heard) send(family, method, target, host string, header map[string]string) *http.Response {
	h.t.Helper()
	r, err := http.NewRequestWithContext(h.t.Context(), method, "http://"+h.address(family)+target, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	if r.Host = host; host == "" {
		r.Host = fmt.Sprintf("localhost:%d", h.Port)
	}
	for name, value := range header {
		r.Header.Set(name, value)
	}
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       10 * time.Second,
	}
	resp, err := client.Do(r)
	if err != nil {
		h.t.Fatalf("%s %.100s: %v", method, target, err)
	}
	h.t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// wantDelivery checks that the real callback still wins.
func (h *heard) wantDelivery() {
	h.t.Helper()
	if got := h.got(); len(got) != 0 {
		h.t.Errorf("got %+v taken, want nothing yet", got)
	}
	resp := h.send("tcp4", "GET", "/callback?token=a.b.c&refresh_token=r", "", map[string]string{"Sec-Fetch-Dest": "document"})
	if resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != donePath {
		h.t.Errorf("I69 the real callback: got %d to %q, want 303 to %q", resp.StatusCode, resp.Header.Get("Location"), donePath)
	}
	if got := h.got(); len(got) != 1 || got[0].Encode() != "refresh_token=r&token=a.b.c" {
		h.t.Errorf("the real callback: got %+v taken, want it", got)
	}
}

func TestListenerNoDelivery(t *testing.T) {
	const good = "/callback?token=x.y.z"
	tests := []struct {
		name, method, target, host string
		header                     map[string]string
		want                       int
	}{
		{"I63 root", "GET", "/", "", nil, 404},
		{"I63 icon", "GET", "/favicon.ico", "", nil, 404},
		{"I63 Apple's icon", "GET", "/apple-touch-icon-precomposed.png", "", nil, 404},
		{"I63 a scanner's path", "GET", "/.env", "", nil, 404},
		{"I63 callback below another path", "GET", "/x/callback?token=x.y.z", "", nil, 404},
		{"I63 callback with a slash", "GET", "/callback/?token=x.y.z", "", nil, 404},
		{"I63 root with a token", "GET", "/?token=x.y.z", "", nil, 404},
		{"I63 no query", "GET", "/callback", "", nil, 400},
		{"I63 HEAD of the root", "HEAD", "/", "", nil, 404},
		{"I63 HEAD of the callback, as a link preview", "HEAD", good, "", nil, 405},
		{"I63 the last page too early", "GET", "/done", "", nil, 404},
		{"I64 preflight", "OPTIONS", good, "", map[string]string{
			"Origin": "https://evil.example", "Access-Control-Request-Method": "GET", "Access-Control-Request-Private-Network": "true",
		}, 204},
		{"I64 POST", "POST", good, "", nil, 405},
		{"I64 PUT", "PUT", good, "", nil, 405},
		{"I64 an image", "GET", good, "", map[string]string{"Sec-Fetch-Dest": "image"}, 400},
		{"I64 a script", "GET", good, "", map[string]string{"Sec-Fetch-Dest": "script"}, 400},
		{"I64 fetch", "GET", good, "", map[string]string{"Sec-Fetch-Dest": "empty"}, 400},
		{"I64 a frame", "GET", good, "", map[string]string{"Sec-Fetch-Dest": "iframe"}, 400},
		{"I65 another host", "GET", good, "evil.example", nil, 421},
		{"I65 another host with our port", "GET", good, "evil.example:PORT", nil, 421},
		{"I65 ours without a port", "GET", good, "localhost", nil, 421},
		{"I65 ours with another port", "GET", good, "localhost:1", nil, 421},
		{"I65 a host that begins like ours", "GET", good, "localhost.evil.example:PORT", nil, 421},
		{"I65 another loopback address", "GET", good, "127.0.0.2:PORT", nil, 421},
		{"I65 preflight for another host", "OPTIONS", good, "evil.example:PORT", nil, 421},
		{"I66 foreign token", "GET", "/callback?token=foreign", "", nil, 400},
		{"I67 token twice", "GET", "/callback?token=x.y.z&token=x.y.z", "", nil, 400},
		{"I67 token and error", "GET", "/callback?token=x.y.z&error=x", "", nil, 400},
		{"I67 token of 100 KB", "GET", "/callback?token=" + strings.Repeat("x", 100_000), "", nil, 431},
		{"I67 header of 100 KB", "GET", good, "", map[string]string{"X": strings.Repeat("x", 100_000)}, 431},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := hears(t)
			host := strings.Replace(test.host, "PORT", fmt.Sprint(h.Port), 1)
			resp := h.send("tcp4", test.method, test.target, host, test.header)
			if resp.StatusCode != test.want {
				t.Errorf("got %d, want %d", resp.StatusCode, test.want)
			}
			for name := range resp.Header {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("got header %s, want none that grants anything", name)
				}
			}
			if got := resp.Header.Get("Cache-Control"); test.want != 431 && got != "no-store" {
				t.Errorf("I69 got Cache-Control %q, want no-store", got)
			}
			h.wantDelivery()
		})
	}
}

// The first whole callback wins; the address that the browser ends at holds no
// secret, and can be loaded again.
func TestListenerDelivery(t *testing.T) {
	for _, host := range []string{"localhost:PORT", "127.0.0.1:PORT", "[::1]:PORT"} {
		t.Run("I65 "+host, func(t *testing.T) {
			h := hears(t)
			resp := h.send("tcp4", "GET", "/callback?token=a.b.c", strings.Replace(host, "PORT", fmt.Sprint(h.Port), 1), nil)
			if resp.StatusCode != http.StatusSeeOther {
				t.Errorf("got %d, want 303", resp.StatusCode)
			}
		})
	}
	h := hears(t)
	h.wantDelivery()
	for range 2 {
		resp := h.send("tcp4", "GET", donePath, "", nil)
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != 200 || !strings.Contains(string(body), "Signed in as &lt;b&gt;") || strings.Contains(string(body), "a.b.c") {
			t.Errorf("I69 the last page: got %d, %v, %s, want it without a token", resp.StatusCode, err, body)
		}
		if got := resp.Header.Get("Referrer-Policy"); got != "no-referrer" {
			t.Errorf("I69 got Referrer-Policy %q, want no-referrer", got)
		}
	}
	select {
	case <-h.shown:
	default:
		t.Error("the last page was fetched: got it not shown, want it shown")
	}
	for _, again := range []string{"/callback?token=a.b.c&refresh_token=r", "/callback?token=d.e.f", "/callback?error=x"} {
		resp := h.send("tcp4", "GET", again, "", nil)
		if resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != donePath {
			t.Errorf("I67 again %s: got %d, want 303 to the last page", again, resp.StatusCode)
		}
	}
	if got := h.got(); len(got) != 1 || got[0].Get("token") != "a.b.c" {
		t.Errorf("I67 got %+v taken, want the first alone", got)
	}
}

func TestListenerAtOnce(t *testing.T) {
	h := hears(t)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			resp, err := http.Get(fmt.Sprintf("http://localhost:%d/callback?token=t%d", h.Port, i))
			if err != nil {
				t.Error(err)
				return
			}
			resp.Body.Close()
			if resp.StatusCode != 200 {
				t.Errorf("got %d, want the last page", resp.StatusCode)
			}
		})
	}
	all.Wait()
}

// Whoever holds connections open, or speaks something else, keeps nobody out.
func TestListenerFlood(t *testing.T) {
	h := hears(t)
	for i := range 1000 {
		conn, err := net.Dial("tcp4", h.address("tcp4"))
		if err != nil {
			t.Fatalf("F29 connection %d: %v", i, err)
		}
		defer conn.Close()
		switch i % 4 {
		case 0:
			_, _ = io.WriteString(conn, "GET /callback?tok") // and no more
		case 1:
			_, _ = io.WriteString(conn, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03") // TLS
		case 2:
			_, _ = io.WriteString(conn, "\x00\xff garbage\r\n\r\n")
		}
	}
	h.wantDelivery()
}

// Silent connections are bounded in number, long before their time is up.
func TestListenerSilent(t *testing.T) {
	h := hears(t)
	const more = 50
	var dropped atomic.Int32
	for i := range maxNew + more {
		conn, err := net.Dial("tcp4", h.address("tcp4"))
		if err != nil {
			t.Fatalf("I67 connection %d: %v", i, err)
		}
		defer conn.Close()
		go func() {
			if _, err := conn.Read(make([]byte, 1)); err != nil {
				dropped.Add(1)
			}
		}()
	}
	waitFor(t, "the silent connections to be bounded", func() bool { return dropped.Load() >= more })
	h.wantDelivery()
}

func TestListenerTLS(t *testing.T) {
	h := hears(t)
	conn, err := net.Dial("tcp4", h.address("tcp4"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	// A ClientHello's beginning, as a browser sends it where localhost is https alone.
	if _, err := conn.Write(append([]byte{0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3}, []byte("\r\n\r\n")...)); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err == nil && !strings.Contains(line, "400") {
		t.Errorf("I70 got %q, want 400 or the connection closed", line)
	}
	h.wantDelivery()
}

func TestListenerClose(t *testing.T) {
	h := hears(t)
	h.wantDelivery()
	h.Close()
	for _, family := range []string{"tcp4", "tcp6"} {
		if conn, err := net.Dial(family, h.address(family)); err == nil {
			conn.Close()
			t.Errorf("S5 %s after close: got a connection, want none", family)
		}
	}
}

func TestListenerURL(t *testing.T) {
	h := hears(t)
	u, err := url.Parse(h.URL())
	if err != nil || u.Host != fmt.Sprintf("localhost:%d", h.Port) || u.Path != callbackPath || u.RawQuery != "" {
		t.Errorf("got %v, %v, want localhost, our port and /callback", u, err)
	}
}

// Both loopback addresses answer, and no other one does.
func TestListenerFamilies(t *testing.T) {
	h := hears(t)
	families := []string{"tcp4"}
	if probe, err := net.Listen("tcp6", "[::1]:0"); err == nil {
		probe.Close()
		families = append(families, "tcp6")
	} else {
		t.Logf("no IPv6 here: %v", err)
	}
	for _, family := range families {
		if resp := h.send(family, "GET", "/", "", nil); resp.StatusCode != 404 {
			t.Errorf("F26 %s: got %d, want 404", family, resp.StatusCode)
		}
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		ip, ok := a.(*net.IPNet)
		if !ok || ip.IP.IsLoopback() || ip.IP.IsLinkLocalUnicast() {
			continue
		}
		if conn, err := net.DialTimeout("tcp", net.JoinHostPort(ip.IP.String(), fmt.Sprint(h.Port)), time.Second); err == nil {
			conn.Close()
			t.Errorf("S2 %s: got a connection, want the loopback interface alone", ip.IP)
		}
	}
}

// waitFor waits until done says so.
func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
