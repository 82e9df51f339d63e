package doctor

import (
	"context"
	"crypto/tls"
	"net/http/httptrace"
	"net/url"
	"slices"
	"sync"

	"docker-credential-cgr/platform"
)

// route is how far a request came. It is traced in the transport that all requests of the
// program use.
type route struct {
	target string // host:port of the server

	mu        sync.Mutex
	via       string // host:port to connect to: target, or a proxy
	tried     string // address that was dialed last
	connected bool
	signer    string // authority that signed the server's certificate
}

// trace returns a context that records the route of a request.
func trace(ctx context.Context, target *url.URL) (context.Context, *route) {
	r := &route{target: platform.HostPort(target)}
	set := func(change func()) {
		r.mu.Lock()
		defer r.mu.Unlock()
		change()
	}
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn:      func(hostPort string) { set(func() { r.via = hostPort }) },
		ConnectStart: func(_, address string) { set(func() { r.tried = address }) },
		ConnectDone: func(_, _ string, err error) {
			set(func() { r.connected = r.connected || err == nil })
		},
		TLSHandshakeDone: func(state tls.ConnectionState, err error) {
			if err == nil && len(state.PeerCertificates) > 0 {
				set(func() { r.signer = platform.CertificateIssuer(state.PeerCertificates[0]) })
			}
		},
	}), r
}

// snapshot returns a copy, which a connection that was abandoned cannot change.
func (r *route) snapshot() *route {
	r.mu.Lock()
	defer r.mu.Unlock()
	return &route{target: r.target, via: r.via, tried: r.tried, connected: r.connected, signer: r.signer}
}

// proxy returns the host and port of the proxy, without a password, or "".
func (r *route) proxy() string {
	if r.via == r.target {
		return ""
	}
	return r.via
}

// proxyVariable returns the name of the variable that sets the proxy for a scheme, by the
// rules of net/http.
func (c *Checker) proxyVariable(scheme string) string {
	names := []string{"HTTPS_PROXY", "https_proxy"}
	if scheme == "http" {
		names = []string{"HTTP_PROXY", "http_proxy"}
	}
	if i := slices.IndexFunc(names, func(name string) bool { return c.Getenv(name) != "" }); i >= 0 {
		return names[i]
	}
	return names[0]
}
