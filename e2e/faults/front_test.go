//go:build e2e && linux

package faults

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"docker-credential-cgr/e2e/fakeplatform"
)

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert, key}
}

// sign makes a certificate for a host that is good until an hour from now, or
// from then.
func (a *authority) sign(t *testing.T, host string, until time.Duration) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(until),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der, a.cert.Raw}, PrivateKey: key}
}

// file writes the authority's certificate where the place's user can read it.
func (a *authority) file(p *fixture) string {
	p.t.Helper()
	path := p.path("authority.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
	if err := os.WriteFile(path, text, 0o644); err != nil {
		p.t.Fatal(err)
	}
	return path
}

// front is the place's issuer behind TLS.
type front struct {
	address string // host and port that it listens on
	mu      sync.Mutex
	cert    tls.Certificate
	protos  map[string]bool // that the token service's requests came with
}

// behindTLS puts the issuer behind TLS as host, which is "localhost", or a name
// that nothing but a proxy can resolve; without a port where the name has none.
func (p *fixture) behindTLS(cert tls.Certificate, host string) *front {
	p.t.Helper()
	target, err := url.Parse(p.platform.Issuer)
	if err != nil {
		p.t.Fatal(err)
	}
	f := &front{cert: cert, protos: map[string]bool{}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		p.t.Fatal(err)
	}
	f.address = l.Addr().String()
	issuer := "https://" + host
	if host == "localhost" {
		_, port, _ := net.SplitHostPort(f.address)
		issuer = "https://localhost:" + port
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:  func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ErrorLog: log.New(io.Discard, "", 0),
	}
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/sts/") {
				f.mu.Lock()
				f.protos[r.Proto] = true
				f.mu.Unlock()
			}
			proxy.ServeHTTP(w, r)
		}),
		TLSConfig: &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			return &f.cert, nil
		}},
		ErrorLog: log.New(io.Discard, "", 0),
	}
	go func() { _ = server.ServeTLS(l, "", "") }() // until the test ends
	p.t.Cleanup(func() { _ = server.Close() })
	p.set("CHAINGUARD_PLATFORM_ISSUER=" + issuer)
	p.platform.Change(func(b *fakeplatform.Behavior) { b.WrongIssuer = issuer })
	return f
}

// shows changes the certificate.
func (f *front) shows(cert tls.Certificate) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cert = cert
}

// connectProxy is an HTTP proxy that takes CONNECT alone, and leads wherever a
// client wants to go to one address.
type connectProxy struct {
	url     string // with a user name and a password
	mu      sync.Mutex
	targets []string
	refuses int // the status that it refuses with; 0: it does not
}

const proxyPassword = "pr0xy-p4ssword-of-somebody"

func newConnectProxy(t *testing.T, to string) *connectProxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &connectProxy{url: "http://somebody:" + proxyPassword + "@" + l.Addr().String()}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			serving.Go(func() { p.serve(conn, to) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		serving.Wait()
	})
	return p
}

func (p *connectProxy) serve(conn net.Conn, to string) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	req, err := http.ReadRequest(in)
	if err != nil {
		return
	}
	user, password, _ := (&http.Request{Header: http.Header{"Authorization": req.Header["Proxy-Authorization"]}}).BasicAuth()
	p.mu.Lock()
	p.targets = append(p.targets, req.Method+" "+req.Host)
	refuses := p.refuses
	p.mu.Unlock()
	if user != "somebody" || password != proxyPassword {
		refuses = http.StatusProxyAuthRequired
	}
	if refuses != 0 || req.Method != http.MethodConnect {
		_, _ = io.WriteString(conn, "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
		return
	}
	server, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer server.Close()
	_, _ = io.WriteString(conn, "HTTP/1.1 200 Connection established\r\n\r\n")
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(server, in) // until one of them leaves
		_ = server.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(conn, server)
	_ = conn.Close()
	<-done
}
