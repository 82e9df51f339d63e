package platform

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// certificate makes one for host, signed by itself, that ends at end.
func certificate(t *testing.T, signer, host string, end time.Time) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: signer}, NotBefore: end.Add(-48 * time.Hour), NotAfter: end,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// overTLS starts an issuer with a certificate, which must never see a request
// unless the client trusts it.
func overTLS(t *testing.T, c tls.Certificate, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{c}}
	server.EnableHTTP2 = true
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

func asksOverTLS(t *testing.T, url string, trusted ...*x509.Certificate) error {
	t.Helper()
	client := NewTransport()
	roots := x509.NewCertPool()
	for _, c := range trusted {
		roots.AddCert(c)
	}
	client.TLSClientConfig = &tls.Config{RootCAs: roots}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err := Send(ctx, client, refresh(url), &struct{}{})
	return err
}

// A certificate that is not good is never bypassed, and the error says who signed
// it and what can be done.
func TestBadCertificates(t *testing.T) {
	later := time.Now().Add(time.Hour)
	tests := []struct {
		name, signer, host string
		end                time.Time
		trusted            bool
		want               []string
	}{
		{"F19 unknown authority", "Example Corp Proxy CA", "127.0.0.1", later, false, []string{`"Example Corp Proxy CA"`, "proxy"}},
		{"F19 expired", "Example CA", "127.0.0.1", time.Now().Add(-time.Hour), true, []string{`"Example CA"`, "expired"}},
		{"F19 wrong name", "Example CA", "other.example", later, true, []string{`"Example CA"`, "127.0.0.1"}},
		{"P14 a signer that drives the terminal", "x\x1b]0;y\a", "127.0.0.1", later, false, []string{`x\\x1b]0;y\\a`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := certificate(t, test.signer, test.host, test.end)
			server := overTLS(t, c, func(http.ResponseWriter, *http.Request) { t.Error("P15 the request was sent all the same") })
			var trusted []*x509.Certificate
			if leaf, err := x509.ParseCertificate(c.Certificate[0]); err != nil {
				t.Fatal(err)
			} else if test.trusted {
				trusted = append(trusted, leaf)
			}
			err := asksOverTLS(t, server.URL, trusted...)
			if err == nil {
				t.Fatal("got no error, want one")
			}
			for _, part := range append(test.want, strings.TrimPrefix(server.URL, "https://")) {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("got %q, want %q in it", err, part)
				}
			}
			if strings.ContainsAny(err.Error(), "\x1b\a\n") || strings.Contains(err.Error(), bearer) {
				t.Errorf("got %q, want one printable line without the token", err)
			}
		})
	}
}

// The token service is spoken to in HTTP/1.1, also where the other side would
// rather not.
func TestHTTP1(t *testing.T) {
	c := certificate(t, "Example CA", "127.0.0.1", time.Now().Add(time.Hour))
	leaf, err := x509.ParseCertificate(c.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	var proto string
	server := overTLS(t, c, func(w http.ResponseWriter, r *http.Request) {
		proto = r.Proto
		serving(200, "application/json", goodAnswer)(w, r)
	})
	if err := asksOverTLS(t, server.URL, leaf); err != nil || proto != "HTTP/1.1" {
		t.Errorf("F19 got %s, %v, want HTTP/1.1", proto, err)
	}
}

// A file of authorities that holds none is named.
func TestCertFileNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "authorities.pem")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSL_CERT_FILE", path)
	c := certificate(t, "Example CA", "127.0.0.1", time.Now().Add(time.Hour))
	server := overTLS(t, c, func(http.ResponseWriter, *http.Request) {})
	if err := asksOverTLS(t, server.URL); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("I27 got %v, want the file named", err)
	}
}
