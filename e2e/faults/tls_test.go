//go:build e2e && linux

package faults

import (
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"docker-credential-cgr/e2e/fakeplatform"
)

// Whoever signed a certificate that is not good is named, and what can be done;
// there is no way around it.
func TestF19_Certificates(t *testing.T) {
	p := newFixture(t)
	known, other := newAuthority(t, "Authority of the test"), newAuthority(t, "Inspecting Proxy Inc")
	good := known.sign(t, "localhost", time.Hour)
	f := p.behindTLS(good, "localhost")
	file := known.file(p)
	p.set("SSL_CERT_FILE=" + file)
	p.login()
	p.expire()
	p.served(p.get())

	empty, key := p.path("empty.pem"), p.path("key.pem")
	for path, text := range map[string]string{empty: "", key: "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n"} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name, file string
		says       []string
	}{
		{"unknown authority", "", []string{"Authority of the test", "SSL_CERT_FILE"}},
		{"file missing", p.path("missing.pem"), []string{p.path("missing.pem")}},
		{"file empty", empty, []string{empty}},
		{"file of a key", key, []string{key}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p.t = t
			p.expire()
			p.platform.ResetCounts()
			r := p.with("SSL_CERT_FILE=" + test.file).get()
			p.broken(r, test.says...)
			p.within(r, 10*time.Second)
			if n := p.platform.Count(""); n != 0 {
				t.Errorf("got %d requests past a certificate that is not good", n)
			}
		})
	}
	p.t = t
	certificates := []struct {
		name string
		show func()
		says string
	}{
		{"expired", func() { f.shows(known.sign(t, "localhost", -time.Hour)) }, "expired"},
		{"wrong name", func() { f.shows(known.sign(t, "elsewhere.example", time.Hour)) }, "elsewhere.example"},
		{"signed anew by an inspecting proxy", func() { f.shows(other.sign(t, "localhost", time.Hour)) }, "Inspecting Proxy Inc"},
	}
	for _, test := range certificates {
		t.Run(test.name, func(t *testing.T) {
			p.t = t
			test.show()
			p.expire()
			p.broken(p.get(), test.says)
		})
	}
	p.t = t
	f.shows(good)
	p.expire()
	p.served(p.get())
	f.mu.Lock()
	defer f.mu.Unlock()
	for proto := range f.protos {
		if proto != "HTTP/1.1" {
			t.Errorf("the token service was asked over %s", proto)
		}
	}
}

// A proxy with a password: it is used, it is named where it fails, and the
// password is shown nowhere.
func TestF19_Proxy(t *testing.T) {
	const host = "issuer.example"
	p := newFixture(t)
	ca := newAuthority(t, "Authority of the test")
	f := p.behindTLS(ca.sign(t, host, time.Hour), host)
	proxy := newConnectProxy(t, f.address)
	p.set("SSL_CERT_FILE="+ca.file(p), "HTTPS_PROXY="+proxy.url)
	p.login()
	p.expire()
	p.served(p.get())
	proxy.mu.Lock()
	if !slices.Contains(proxy.targets, "CONNECT "+host+":443") {
		t.Errorf("the proxy was asked for %v", proxy.targets)
	}
	proxy.refuses = 407
	proxy.mu.Unlock()

	at, err := url.Parse(proxy.url)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, proxy, says string }{
		{"refuses", proxy.url, at.Host},
		{"is not there", "http://somebody:" + proxyPassword + "@127.0.0.1:1", "127.0.0.1:1"},
		{"is no URL", "http://somebody:" + proxyPassword + "@[::1", "HTTPS_PROXY"},
		{"is of no known kind", "gopher://somebody:" + proxyPassword + "@127.0.0.1:1", "proxy"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p.t = t
			p.expire()
			p.broken(p.with("HTTPS_PROXY="+test.proxy, "CHAINGUARD_DEBUG=1").get(), host, test.says)
		})
	}
	p.t = t
	for _, r := range p.results {
		if said := r.stdout + r.stderr; strings.Contains(said, proxyPassword) {
			t.Errorf("the proxy's password is shown: %s", r)
		}
	}
}

// A captive portal answers with its page and 200.
func TestF19_CaptivePortal(t *testing.T) {
	p := newFixture(t)
	p.login()
	for _, status := range []int{200, 302, 403, 511} {
		p.expire()
		p.platform.Change(func(b *fakeplatform.Behavior) {
			b.Faults = []fakeplatform.Fault{fakeplatform.PageFault("sts.refresh", status)}
		})
		p.broken(p.get(), p.platform.IssuerHost())
	}
	p.platform.Change(func(b *fakeplatform.Behavior) {
		b.Faults = []fakeplatform.Fault{fakeplatform.PageFault("sts.refresh", 200)}
	})
	p.broken(p.get(), "captive portal", "200", "text/html")
	p.platform.Change(func(b *fakeplatform.Behavior) { b.Faults = nil })
	p.served(p.get())
	if n := p.totals(); n.lost != 0 || n.windows != 1 {
		t.Errorf("got %s", n)
	}
}
