//go:build e2e && linux

package faults

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"docker-credential-cgr/e2e/fakebrowser"
	"docker-credential-cgr/e2e/fakeplatform"
	"docker-credential-cgr/e2e/program"
	"docker-credential-cgr/e2e/testenv"
)

// A browser that opens nothing: the address is there, and who opens it by hand is
// served. One that cannot start: it goes on without, on any other device.
func TestF22_BrowserDoesNotOpen(t *testing.T) {
	tests := []struct {
		name, browser string
		says          []string
	}{
		{"exits 0 and opens nothing", "true", []string{"open this address yourself"}},
		{"exits 1", "false", []string{"no browser could be opened", "on any device", "headless_code="}},
		{"is not there", "/no/such/browser", []string{"no browser could be opened", "on any device", "headless_code="}},
		{"needs a terminal", "lynx", []string{"no browser could be opened", "on any device", "headless_code="}},
		{"none is known", "", []string{"on any device", "headless_code="}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := newFixture(t)
			p.set("BROWSER="+test.browser, alwaysSignsIn)
			r := p.here().startGet()
			for _, what := range test.says {
				r.says(what)
			}
			if _, _, err := (fakebrowser.Person{}).Visit(p.addressOf(r)); err != nil {
				t.Fatal(err)
			}
			p.served(r.wait())
		})
	}
}

// An opener that stays in front and speaks neither blocks nor pollutes us.
func TestF23_OpenerStays(t *testing.T) {
	p := newFixture(t)
	lingering, stop := p.lingers()
	p.set(alwaysSignsIn)
	r := p.here().startGet()
	testenv.Await(t, "the browser is open", func() bool { return lingering() != "" })
	if _, _, err := (fakebrowser.Person{}).Visit(p.addressOf(r)); err != nil {
		t.Fatal(err)
	}
	ended := r.wait()
	p.served(ended)
	if strings.Contains(ended.stderr, "accelerator") || strings.Contains(ended.stdout, "existing") {
		t.Errorf("the opener speaks through us: %s", ended)
	}
	stop()
}

// Denied is an answer; left ends at its limit, which is five minutes.
func TestF24_Denied(t *testing.T) {
	p := newFixture(t, fakeplatform.WithBehavior(func(b *fakeplatform.Behavior) { b.AutoApprove = false }))
	v := p.with(alwaysSignsIn, deniesWindow)
	p.refused(v.get(), "was refused", "denied", "docker-credential-cgr login")
	p.refused(v.get(), "may start by itself at")
	if n := len(p.windows()); n != 1 || !p.lockFree() {
		t.Errorf("got %d windows, want 1; lock free: %v", n, p.lockFree())
	}
	r := p.with(deniesWindow).run("", program.Name, "login")
	if r.code != 1 || !strings.Contains(r.stderr, "denied") {
		t.Error(r)
	}
}

func TestF24_Left(t *testing.T) {
	if os.Getenv("FAULT_LONG") == "" {
		t.Skip("it takes the five minutes that a person has: set FAULT_LONG=1")
	}
	t.Parallel()
	p := newFixture(t)
	r := p.with(alwaysSignsIn, leavesWindow).startGet()
	select {
	case <-r.done:
	case <-time.After(6 * time.Minute):
	}
	ended := r.wait()
	p.refused(ended, "was not finished within 5 minutes", "docker-credential-cgr login")
	p.within(ended, 5*time.Minute+5*time.Second)
	p.refused(p.with(alwaysSignsIn).get(), "may start by itself at")
}

// A machine without IPv6 waits on 127.0.0.1 alone.
func TestF26_NoIPv6(t *testing.T) {
	p := newFixture(t)
	p.set(alwaysSignsIn)
	lingering, stop := p.lingers()
	v := p.here()
	cmd := v.command(t.Context(), "/bin/sh", "-c",
		`ip link set lo up && echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6 && exec setpriv --reuid="$1" --regid="$1" --clear-groups "$0" get`,
		bin+"/"+program.Name, fmt.Sprint(p.uid))
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	r := v.startCommand(cmd, p.host+"\n").goOn()
	testenv.Await(t, "the browser is open", func() bool { return lingering() != "" || !r.alive() })
	pid := cmd.Process.Pid
	// proc_net_tcp: local address in hexadecimal, peer, state; 0A is listening.
	four, _ := os.ReadFile(fmt.Sprintf("/proc/%d/net/tcp", pid))
	six, _ := os.ReadFile(fmt.Sprintf("/proc/%d/net/tcp6", pid))
	if n := strings.Count(string(four), " 0A "); n != 1 || !strings.Contains(string(four), " 0100007F:") {
		t.Errorf("want one listener on 127.0.0.1, got\n%s", four)
	}
	if strings.Contains(string(six), " 0A ") {
		t.Errorf("want no listener on IPv6, got\n%s", six)
	}
	_ = cmd.Process.Signal(os.Interrupt)
	r.wait()
	stop()
}

// Scans, slow connections and garbage during a sign-in: the real callback wins.
func TestF29_Flood(t *testing.T) {
	p := newFixture(t)
	r := p.with(alwaysSignsIn, leavesWindow).startGet()
	address := p.listenerOf(r)
	var mu sync.Mutex
	var conns []net.Conn
	var flood sync.WaitGroup
	for worker := range 10 {
		flood.Go(func() {
			for i := range 100 {
				conn, err := net.DialTimeout("tcp", address, testenv.Timeout)
				if err != nil {
					continue // pushed out already
				}
				mu.Lock()
				conns = append(conns, conn)
				mu.Unlock()
				// A broken pipe is what a flood may meet.
				switch (worker + i) % 4 {
				case 0: // silent
				case 1:
					_, _ = conn.Write([]byte("GET /callback?tok"))
				case 2:
					_, _ = conn.Write([]byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03garbage\r\n\r\n"))
				case 3:
					_, _ = fmt.Fprintf(conn, "GET /callback?token=forged&error=%d HTTP/1.1\r\nHost: %s\r\n\r\n", i, address)
				}
			}
		})
	}
	flood.Wait()
	for _, path := range []string{"/", "/favicon.ico", "/callback", "/callback?token=forged", "/callback?error=true", "/done", "/.env"} {
		resp, err := http.Get("http://" + address + path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		_ = resp.Body.Close()
		if resp.StatusCode < 400 {
			t.Errorf("%s: status %d", path, resp.StatusCode)
		}
	}
	if _, _, err := (fakebrowser.Person{}).Visit(p.addressOf(r)); err != nil {
		t.Error(err)
	}
	p.served(r.wait())
	for _, conn := range conns {
		_ = conn.Close()
	}
	if n := p.totals(); n != (totals{windows: 1, refreshes: 1}) {
		t.Errorf("got %s", n)
	}
}
