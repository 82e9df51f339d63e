package doctor

import (
	"context"
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
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// askedIssuer gives what the check of the issuer finds, with a transport of its own.
func askedIssuer(t *testing.T, p *Checker, issuer *url.URL, transport http.RoundTripper) Result {
	t.Helper()
	p.Config.Issuer, p.Transport = issuer, transport
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	return only(t, p.checkNetwork(ctx).results, "issuer")
}

func TestNetworkAnswers(t *testing.T) {
	page := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "<html>\x1b[31m")
		}
	}
	redirect := func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://portal.example/login", http.StatusFound)
	}
	for _, test := range []struct {
		name         string
		issuer       http.HandlerFunc
		status       Status
		message, fix string
	}{
		{"the token service", refuse(501, `{"code":12,"message":"Method Not Allowed","details":[]}`), OK, "answers", ""},
		{"another gateway", refuse(404, `{"code":5,"message":"Not Found"}`), Failure, "not the platform (status 404, application/json)", "if the network asks for a sign-in"},
		{"I44 a page", page(200), Failure, "a captive portal or a proxy answered, not the platform (status 200, text/html)", "if the network asks for a sign-in"},
		{"I44 a page that blocks", page(403), Failure, "not the platform (status 403, text/html)", "if the network asks for a sign-in"},
		{"I44 JSON of another shape", refuse(200, `[1]`), Failure, "not the platform (status 200", "if the network asks for a sign-in"},
		{"I46 a redirect", redirect, Failure, "redirects to portal.example", "if the network asks for a sign-in"},
		{"it is not well", refuse(503, `{"code":14}`), Failure, "it answered 503 Service Unavailable", "try again later"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newChecker(t)
			p.Config.Issuer = serves(t, test.issuer)
			found := p.checkNetwork(t.Context())
			want(t, found.results[0], test.status, test.message, test.fix)
			if found.issuer != (test.status == OK) || found.knowsTime != found.issuer {
				t.Errorf("got %+v, want that the issuer answered, with its clock, only where it did", found)
			}
			want(t, found.results[1], OK, p.Config.API.String()+" answers", "")
			want(t, found.results[2], OK, p.Config.Registry.String()+" answers", "")
		})
	}
	for name, handler := range map[string]http.HandlerFunc{
		"I44 a page": page(200), "I46 a redirect": redirect, "I44 a page of the proxy's": page(403),
		"I59 a realm elsewhere": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="https://evil.example/token"`)
			w.WriteHeader(http.StatusUnauthorized)
		},
	} {
		t.Run("registry: "+name, func(t *testing.T) {
			p := newChecker(t)
			p.Config.Registry = serves(t, handler)
			want(t, p.checkNetwork(t.Context()).results[2], Failure, "cannot be reached", "if the network asks for a sign-in")
		})
	}
}

// authority signs certificates of servers.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, organization string) authority {
	t.Helper()
	a := authority{key: newKey(t)}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{Organization: []string{organization}, CommonName: "CA"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(raw); err != nil {
		t.Fatal(err)
	}
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// serves starts an issuer with a certificate for host, good until then.
func (a authority) serves(t *testing.T, host string, until time.Time) *url.URL {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: []string{host},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: until,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(refuse(501, `{"code":12}`))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // clients that hang up
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{raw}, PrivateKey: key}}}
	server.StartTLS()
	t.Cleanup(server.Close)
	u := parse(t, server.URL)
	u.Host = net.JoinHostPort("localhost", u.Port())
	return u
}

// trusting is a transport that knows one authority.
func (a authority) trusting() *http.Transport {
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	return &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
}

func TestNetworkCertificates(t *testing.T) {
	known, other := newAuthority(t, "Authority Ltd"), newAuthority(t, "Inspecting Proxy Inc")
	hour := time.Now().Add(time.Hour)
	for _, test := range []struct {
		name         string
		server       *url.URL
		status       Status
		message, fix string
	}{
		{"good", known.serves(t, "localhost", hour), OK, `answers, with a certificate signed by "Authority Ltd"`, ""},
		{"F19 unknown authority", other.serves(t, "localhost", hour), Failure, `signed by "Inspecting Proxy Inc", which this machine does not trust`, "get your organization's authority"},
		{"F19 wrong name", known.serves(t, "elsewhere.example", hour), Failure, "elsewhere.example", "sign in to this network"},
		{"F19 expired", known.serves(t, "localhost", time.Now().Add(-time.Hour)), Failure, "is not valid at this machine's time", "set the clock"},
	} {
		t.Run(test.name, func(t *testing.T) {
			want(t, askedIssuer(t, newChecker(t), test.server, known.trusting()), test.status, test.message, test.fix)
		})
	}
	t.Run("F19 no list of authorities", func(t *testing.T) {
		broken := transportFunc(func(*http.Request) (*http.Response, error) {
			return nil, x509.SystemRootsError{Err: errors.New("none")}
		})
		want(t, askedIssuer(t, newChecker(t), parse(t, "https://localhost"), broken), Failure, "list of certificate authorities cannot be read", "ca-certificates")
	})
}

// I27: what SSL_CERT_FILE names is looked at where a certificate is not good.
func TestNetworkCertFile(t *testing.T) {
	if runtime.GOOS == "darwin" || runtime.GOOS == "windows" {
		t.Skip("Go does not read it there")
	}
	known, other := newAuthority(t, "Authority Ltd"), newAuthority(t, "Inspecting Proxy Inc")
	server := other.serves(t, "localhost", time.Now().Add(time.Hour))
	write := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, test := range []struct{ name, file, message, fix string }{
		{"missing", filepath.Join(t.TempDir(), "none.pem"), "is not a file", "unset SSL_CERT_FILE, or correct it"},
		{"a folder", t.TempDir(), "is not a file", "unset SSL_CERT_FILE, or correct it"},
		{"empty", write("empty.pem", ""), "has no certificate", "unset SSL_CERT_FILE, or correct it"},
		{"a key", write("key.pem", "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n"), "has no certificate", "unset SSL_CERT_FILE, or correct it"},
		{"of another authority", write("other.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: known.cert.Raw}))), "does not trust", "get your organization's authority"},
	} {
		t.Run("I27 "+test.name, func(t *testing.T) {
			p := newChecker(t)
			t.Setenv("SSL_CERT_FILE", test.file)
			want(t, askedIssuer(t, p, server, known.trusting()), Failure, test.message, test.fix)
		})
	}
}

// connects is a proxy that lets HTTPS through; status is what it says to CONNECT.
func connects(t *testing.T, status int) *url.URL {
	t.Helper()
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			w.WriteHeader(http.StatusBadGateway) // for what is not asked by HTTPS
			return
		}
		if status != http.StatusOK {
			w.WriteHeader(status)
			return
		}
		to, err := net.Dial("tcp", r.Host)
		if err != nil {
			t.Error(err)
			return
		}
		from, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(from, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(to, buffered); _ = to.Close() }()
		go func() { _, _ = io.Copy(from, to); _ = from.Close() }()
	}))
	t.Cleanup(proxy.Close)
	u := parse(t, proxy.URL)
	u.User = url.UserPassword("ada", "lovelace")
	return u
}

func TestNetworkProxy(t *testing.T) {
	known := newAuthority(t, "Authority Ltd")
	server := known.serves(t, "localhost", time.Now().Add(time.Hour))
	gone := parse(t, "http://ada:lovelace@127.0.0.1:1")
	for _, test := range []struct {
		name         string
		proxy        *url.URL
		status       Status
		message, fix string
	}{
		{"in use", connects(t, http.StatusOK), OK, `answers through the proxy 127.0.0.1:`, ""},
		{"not there", gone, Failure, "through the proxy 127.0.0.1:1: no server accepts connections at 127.0.0.1:1", "correct https_proxy, or unset it"},
		{"wants a password", connects(t, http.StatusProxyAuthRequired), Failure, "Proxy Authentication Required", "correct https_proxy, or unset it"},
	} {
		t.Run("I26 "+test.name, func(t *testing.T) {
			p := newChecker(t)
			p.Getenv = getenv(map[string]string{"https_proxy": test.proxy.String()})
			transport := known.trusting()
			transport.Proxy = http.ProxyURL(test.proxy)
			got := askedIssuer(t, p, server, transport)
			want(t, got, test.status, test.message, test.fix)
			if strings.Contains(got.Message+fixText(got), "lovelace") {
				t.Errorf("P13 got %+v, want no password in it", got)
			}
		})
	}
	t.Run("I26 no address", func(t *testing.T) {
		p := newChecker(t)
		p.Getenv = getenv(map[string]string{"HTTPS_PROXY": "ftp://x"})
		transport := known.trusting()
		transport.Proxy = func(*http.Request) (*url.URL, error) { return nil, errors.New("no address") }
		want(t, askedIssuer(t, p, server, transport), Failure, "HTTPS_PROXY is not the address of a proxy", "correct HTTPS_PROXY, or unset it")
	})
}

func TestNetworkWays(t *testing.T) {
	lookup := func(timeout bool) http.RoundTripper {
		return &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "issuer.example", IsNotFound: !timeout, IsTimeout: timeout}}
		}}
	}
	// A name server that answers with this machine for what it blocks.
	blocked := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:1")
	}}
	// A server that takes no connections, without a network to have one in.
	refused := transportFunc(func(r *http.Request) (*http.Response, error) {
		trace := httptrace.ContextClientTrace(r.Context())
		trace.GetConn(r.URL.Host + ":443")
		trace.ConnectStart("tcp", "192.0.2.1:443")
		return nil, &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	})
	const example = "https://issuer.example"
	for _, test := range []struct {
		name, url    string
		transport    http.RoundTripper
		message, fix string
	}{
		{"F20 no such name", example, lookup(false), "there is no address for the name issuer.example (no such host)", "to allow issuer.example:443; if a proxy is needed, set HTTPS_PROXY"},
		{"F20 the name server is silent", example, lookup(true), "there is no address for the name issuer.example", "check that this machine is online"},
		{"F20 a name that is blocked", example, blocked, "no server accepts connections at 127.0.0.1:1", "to allow issuer.example:443"},
		{"F15 nobody there, far away", example, refused, "no server accepts connections at 192.0.2.1:443 (connection refused)", "to allow issuer.example:443"},
		{"F15 nobody there", "http://127.0.0.1:1", new(http.Transport), "no server accepts connections at 127.0.0.1:1", "to allow 127.0.0.1:1"},
		{"no TLS", "https" + strings.TrimPrefix(serves(t, challenge).String(), "http"), new(http.Transport), "does not look like a TLS handshake", "if the network asks for a sign-in"},
	} {
		t.Run(test.name, func(t *testing.T) {
			want(t, askedIssuer(t, newChecker(t), parse(t, test.url), test.transport), Failure, test.message, test.fix)
		})
	}
	t.Run("F15 one that was set", func(t *testing.T) {
		p := newChecker(t)
		read(t, p, "", map[string]string{"CHAINGUARD_PLATFORM_ISSUER": "http://127.0.0.1:1"})
		want(t, askedIssuer(t, p, p.Config.Issuer, blocked), Failure, "no server accepts connections at 127.0.0.1:1",
			"check that platform.issuer is right (CHAINGUARD_PLATFORM_ISSUER); unset CHAINGUARD_PLATFORM_ISSUER")
	})
}

func TestSilent(t *testing.T) {
	for want, way := range map[string]*route{
		"the name server did not answer in time":                {},
		"no answer from b:1 in time: does a firewall block it?": {tried: "b:1"},
		"b:1 accepts connections, but does not answer":          {tried: "b:1", connected: true},
	} {
		if got := way.explainTimeout(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
