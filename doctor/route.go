package doctor

import (
	"context"
	"crypto/tls"
	"net"
	"net/http/httptrace"
	"net/url"
	"slices"
	"sync"
)

// route is the way that a request took, as far as it came: what the transport does
// is looked at, so that it is the way that all requests of the program take.
type route struct {
	target string // host:port of the server

	mu        sync.Mutex
	via       string // host:port that a connection was wanted to: target, or a proxy
	tried     string // address that was last dialled
	connected bool
	signer    string // who signed the server's certificate
	sent      bool   // the request went out
}

// traced gives a context whose request leaves its traces in the route.
func traced(ctx context.Context, target *url.URL) (context.Context, *route) {
	r := &route{target: hostPort(target)}
	note := func(change func()) {
		r.mu.Lock()
		defer r.mu.Unlock()
		change()
	}
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn:      func(hostPort string) { note(func() { r.via = hostPort }) },
		ConnectStart: func(_, address string) { note(func() { r.tried = address }) },
		ConnectDone: func(_, _ string, err error) {
			note(func() { r.connected = r.connected || err == nil })
		},
		TLSHandshakeDone: func(state tls.ConnectionState, err error) {
			if err == nil {
				note(func() { r.signer = signerOf(state) })
			}
		},
		WroteRequest: func(httptrace.WroteRequestInfo) { note(func() { r.sent = true }) },
	}), r
}

// seen is what is known by now; a connection that was given up may still add to it.
func (r *route) seen() *route {
	r.mu.Lock()
	defer r.mu.Unlock()
	return &route{target: r.target, via: r.via, tried: r.tried, connected: r.connected, signer: r.signer, sent: r.sent}
}

// proxy is the host and port of the proxy on the way, or "". It never has a
// password.
func (r *route) proxy() string {
	if r.via == r.target {
		return ""
	}
	return r.via
}

func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// signerOf names whoever signed the server's certificate.
func signerOf(state tls.ConnectionState) string {
	if len(state.PeerCertificates) == 0 {
		return ""
	}
	return organization(state.PeerCertificates[0])
}

// loopback says whether address is this machine's own, or one that no server has:
// what filters answer for names that they block.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return ip != nil && (ip.IsLoopback() || ip.IsUnspecified() || ip.IsLinkLocalUnicast())
}

// proxyVariable names the variable that sets the proxy for a scheme, as net/http
// looks for it.
func (p *Patient) proxyVariable(scheme string) string {
	names := []string{"HTTPS_PROXY", "https_proxy"}
	if scheme == "http" {
		names = []string{"HTTP_PROXY", "http_proxy"}
	}
	if i := slices.IndexFunc(names, func(name string) bool { return p.Getenv(name) != "" }); i >= 0 {
		return names[i]
	}
	return names[0]
}
