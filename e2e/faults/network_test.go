//go:build e2e && linux

package faults

import (
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"docker-credential-cgr/e2e/fakeplatform"
	"docker-credential-cgr/e2e/testenv"
)

// getLimit bounds a get that needs no person, whatever the network does.
const getLimit = 30 * time.Second

// An issuer that cannot be reached: a kept token serves while it lives; else it
// is an error in time that names the host.
func TestF15_Unreachable(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(t *testing.T, address string){
		"refused":    func(*testing.T, string) {},
		"black hole": swallow,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newFixture(t)
			address := closedPort(t)
			p.set("CHAINGUARD_PLATFORM_ISSUER=http://" + address)
			p.sessionAt(address)
			fail(t, address)
			p.served(p.get()) // warm
			p.refreshIsDue()
			r := p.get()
			p.served(r)
			p.within(r, 5*time.Second)
			p.expire()
			r = p.get()
			p.broken(r, address)
			p.within(r, getLimit)
		})
	}
}

// sessionAt has the place signed in at an issuer that is not there any more. The
// platform stands in for it for as long as that takes.
func (p *fixture) sessionAt(address string) {
	p.t.Helper()
	stop := p.forward(address)
	defer stop()
	p.platform.Change(func(b *fakeplatform.Behavior) { b.WrongIssuer = "http://" + address })
	p.login()
}

// closedPort gives an address that nobody listens on.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// One that takes the request and says nothing.
func TestF15_Silent(t *testing.T) {
	t.Parallel()
	p := newFixture(t)
	p.login()
	p.expire()
	p.slowly(time.Hour)
	r := p.get()
	p.broken(r, p.platform.IssuerHost(), "no answer in time")
	p.within(r, getLimit)
	p.slowly(0)
	if n := p.totals(); n.windows != 1 || n.lost != 0 {
		t.Errorf("got %s", n)
	}
}

// The answer is lost after the issuer has done its work. An early refresh is one
// try, and the kept token serves on; an expired one is tried again, and then the
// session has ended. Nothing loops.
func TestF16_AnswerLost(t *testing.T) {
	p := newFixture(t)
	lose := func(times int) {
		p.platform.ResetCounts()
		p.platform.Change(func(b *fakeplatform.Behavior) {
			b.Faults = []fakeplatform.Fault{{On: "sts.refresh", Times: times, CommitFirst: true, Cut: true}}
		})
	}
	p.login()
	p.refreshIsDue()
	lose(1)
	p.served(p.get())
	p.served(p.get())
	if n := p.platform.Count("sts.refresh"); n != 1 {
		t.Errorf("early: got %d refreshes, want 1", n)
	}
	// What was lost with the answer is gone: it shows once, and once only.
	p.expire()
	r := p.get()
	p.refused(r, "has ended", "docker-credential-cgr login")
	asked := p.platform.Count("sts.refresh")
	p.refused(p.get(), "docker-credential-cgr login")
	if n := p.platform.Count("sts.refresh"); n != asked {
		t.Errorf("a session that has ended is asked for again: %d refreshes, then %d", asked, n)
	}

	p.login()
	p.expire()
	lose(1)
	p.refused(p.get(), "has ended", "docker-credential-cgr login")
	if n := p.platform.Count("sts.refresh"); n > 3 {
		t.Errorf("expired: got %d refreshes, want 3 at most", n)
	}
	// With somebody there one window opens.
	p.login()
	p.expire()
	p.forgetWindows()
	lose(1)
	p.served(p.with(alwaysSignsIn).get())
	if n := len(p.windows()); n != 1 {
		t.Errorf("got %d windows, want 1", n)
	}
	// An issuer that takes the spent token once more: nothing is lost.
	p.platform.Change(func(b *fakeplatform.Behavior) { b.Reuse = fakeplatform.ReuseAccepted })
	p.expire()
	lose(1)
	p.served(p.get())
}

// What is not whole is never taken, and costs nothing.
func TestF17_Cut(t *testing.T) {
	whole := `{"token":{"token":"forged"},"refreshToken":{"token":"forged"}}`
	kind := "application/json"
	faults := map[string]fakeplatform.Fault{
		"reset before the header": {Cut: true},
		"reset in the body":       {Cut: true, CutAfter: 20, Body: whole, ContentType: kind},
		"reset after the body":    {Cut: true, CutAfter: int64(len(whole)), Body: whole, ContentType: kind, Header: map[string][]string{"Content-Length": {"200"}}},
		"shorter than its length": {Body: whole, ContentType: kind, Header: map[string][]string{"Content-Length": {"200"}}},
		"half of it":              {Body: whole[:30], ContentType: kind},
		"empty":                   {ContentType: kind},
		"another shape":           {Body: `[]`, ContentType: kind},
		"an empty token":          {Body: `{"token":{"token":""}}`, ContentType: kind},
		"a gigabyte":              {Size: 1 << 30, ContentType: kind},
		"a bomb":                  {Size: 1 << 30, Gzip: true, ContentType: kind},
	}
	p := newFixture(t)
	p.login()
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			p.t = t
			fault.On = "sts.refresh"
			p.platform.Change(func(b *fakeplatform.Behavior) { b.Faults = []fakeplatform.Fault{fault} })
			p.expire()
			before := p.kept()["refresh"]
			r := p.get()
			p.broken(r, p.platform.IssuerHost())
			p.within(r, getLimit)
			if p.kept()["refresh"] != before || len(p.records("credential")) != 0 {
				t.Error("something was kept")
			}
		})
	}
	p.t = t
	p.platform.Change(func(b *fakeplatform.Behavior) { b.Faults = nil })
	if n := p.totals(); n.windows != 1 || n.lost != 0 {
		t.Errorf("got %s", n)
	}
}

// What may pass is tried again, in time; what will not is not.
func TestF18_Retries(t *testing.T) {
	p := newFixture(t)
	p.login()
	tests := []struct {
		name   string
		fault  fakeplatform.Fault
		served bool
		asked  int
	}{
		{"503 then well", fakeplatform.Fault{Status: 503, Times: 1}, true, 2},
		{"502 twice then well", fakeplatform.Fault{Status: 502, Times: 2}, true, 3},
		{"503 for ever", fakeplatform.Fault{Status: 503}, false, 3},
		{"503 with a wait of years", fakeplatform.Fault{Status: 503, Times: 1, Header: map[string][]string{"Retry-After": {"1000000000"}}}, true, 2},
		{"unavailable", fakeplatform.StatusFault("", codes.Unavailable, "later"), false, 3},
		{"internal, once", once(fakeplatform.StatusFault("", codes.Internal, "oops")), true, 2},
		{"deadline, once", once(fakeplatform.StatusFault("", codes.DeadlineExceeded, "slow")), true, 2},
		{"forbidden", fakeplatform.StatusFault("", codes.PermissionDenied, "no"), false, 1},
		{"not found", fakeplatform.Fault{Status: 404}, false, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p.t = t
			p.expire()
			p.platform.ResetCounts()
			test.fault.On = "sts.refresh"
			p.platform.Change(func(b *fakeplatform.Behavior) { b.Faults = []fakeplatform.Fault{test.fault} })
			r := p.get()
			if test.served {
				p.served(r)
			} else {
				p.broken(r, p.platform.IssuerHost())
			}
			p.within(r, 10*time.Second)
			if n := p.platform.Count("sts.refresh"); n != test.asked {
				t.Errorf("asked %d times, want %d", n, test.asked)
			}
		})
	}
	p.t = t
	p.platform.Change(func(b *fakeplatform.Behavior) { b.Faults = nil })
	if n := p.totals(); n.windows != 1 || n.lost != 0 {
		t.Errorf("got %s", n)
	}
}

func once(f fakeplatform.Fault) fakeplatform.Fault {
	f.Times = 1
	return f
}

// An answer that comes a byte a second ends at the limit.
func TestF18_Drip(t *testing.T) {
	t.Parallel()
	p := newFixture(t)
	p.login()
	p.expire()
	p.platform.Change(func(b *fakeplatform.Behavior) {
		b.Faults = []fakeplatform.Fault{{On: "sts.refresh", Size: 1 << 10, Body: "{ ", ContentType: "application/json", Drip: time.Second}}
	})
	r := p.get()
	p.broken(r, p.platform.IssuerHost(), "no answer in time")
	p.within(r, getLimit)
}

// A name that does not resolve, or not in time, is an error that names it.
func TestF20_DNS(t *testing.T) {
	t.Parallel() // no other test looks a name up
	silent, err := net.ListenPacket("udp", "127.0.0.53:53")
	if err != nil {
		t.Skipf("a resolver of this machine has the address that the silent one needs: %v", err)
	}
	defer silent.Close()
	p := newFixture(t)
	resolv := p.path("resolv.conf")
	const issuer = "https://issuer.example"
	p.sessionOf(issuer)
	for name, server := range map[string]string{"no answer": "127.0.0.53", "refused": "127.0.0.54"} {
		t.Run(name, func(t *testing.T) {
			p.t = t
			if err := os.WriteFile(resolv, []byte("nameserver "+server+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			unmount := p.mount(resolv, "/etc/resolv.conf", "", syscall.MS_BIND, "")
			defer unmount()
			r := p.get()
			p.broken(r, "issuer.example")
			p.within(r, getLimit)
		})
	}
	p.t = t
}

// sessionOf has the place signed in at an issuer that only a proxy leads to.
func (p *fixture) sessionOf(issuer string) {
	p.t.Helper()
	ca := newAuthority(p.t, "Authority of the test")
	f := p.behindTLS(ca.sign(p.t, strings.TrimPrefix(issuer, "https://"), time.Hour), strings.TrimPrefix(issuer, "https://"))
	proxy := newConnectProxy(p.t, f.address)
	p.with("SSL_CERT_FILE="+ca.file(p), "HTTPS_PROXY="+proxy.url).login()
	p.expire()
}

// A clock that is off: a little works; a lot is said, and opens no window after
// window.
func TestF21_Clock(t *testing.T) {
	for _, skew := range []time.Duration{-4 * time.Minute, 5 * time.Minute} {
		t.Run(skew.String(), func(t *testing.T) {
			p := newFixture(t, fakeplatform.WithBehavior(func(b *fakeplatform.Behavior) { b.ClockSkew = skew }))
			p.served(p.with(alwaysSignsIn).get())
			p.platform.ResetCounts()
			p.served(p.get())
			if n := p.platform.Count(""); n != 0 {
				t.Errorf("a token that was just kept is not good: %d requests", n)
			}
			p.expire()
			p.served(p.get())
			if n := p.totals(); n.windows != 1 || n.lost != 0 {
				t.Errorf("got %s", n)
			}
		})
	}
	for _, skew := range []time.Duration{-24 * time.Hour, 24 * time.Hour} {
		t.Run("refresh "+skew.String(), func(t *testing.T) {
			p := newFixture(t)
			p.login()
			p.platform.Change(func(b *fakeplatform.Behavior) { b.ClockSkew = skew })
			p.expire()
			for range 3 {
				r := p.with(alwaysSignsIn).get()
				p.served(r)
			}
			if n := p.totals(); n.windows != 1 || n.lost != 0 {
				t.Errorf("got %s, want the login's window", n)
			}
		})
		t.Run("sign-in "+skew.String(), func(t *testing.T) {
			p := newFixture(t, fakeplatform.WithBehavior(func(b *fakeplatform.Behavior) { b.ClockSkew = skew }))
			v := p.with(alwaysSignsIn)
			first := v.startGet()
			testenv.Await(t, "it is served, or says what is wrong with the clock", func() bool {
				return !first.alive() || strings.Contains(first.stderr.String(), "clock")
			})
			if first.alive() {
				_ = first.cmd.Process.Signal(syscall.SIGTERM) // a person would have until the limit
			}
			if r := first.wait(); r.code != 0 && !strings.Contains(r.stderr, "clock") {
				t.Errorf("it does not say what is wrong: %s", r)
			}
			for range 3 {
				v.get()
			}
			if n := len(p.windows()); n != 1 {
				t.Errorf("got %d windows, want 1", n)
			}
		})
	}
}
