//go:build e2e && linux

package clients

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"docker-credential-cgr/e2e/fakeplatform"
)

// trueName is the name of the real registry, and librariesName that of the host for packages.
const (
	trueName      = "cgr.dev"
	librariesName = "libraries." + trueName
)

// trueNetwork is a network namespace in which the registry of the fake platform has its true name and
// a trusted certificate. It reaches nothing but itself.
type trueNetwork struct {
	namespace   *os.File
	certificate tls.Certificate
	authority   []byte // PEM
}

// newTrueNetwork returns a namespace, which the test has then entered.
func newTrueNetwork(t *testing.T) *trueNetwork {
	t.Helper()
	runtime.LockOSThread() // until the thread ends with the test
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	namespace, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = namespace.Close() }) // it was only read
	n := &trueNetwork{namespace: namespace}
	if n.certificate, n.authority, err = newCertificate(trueName, librariesName); err != nil {
		t.Fatal(err)
	}
	return n
}

// enter moves a subtest into the namespace, with all that it listens at and starts.
func (n *trueNetwork) enter(t *testing.T) {
	t.Helper()
	runtime.LockOSThread() // until the thread ends with the test
	if err := unix.Setns(int(n.namespace.Fd()), unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
}

// etc returns a folder with what is appended to files of /etc ($APPEND_TO_ETC): the names, and the authority.
func (n *trueNetwork) etc(t *testing.T) (dir, authority string) {
	t.Helper()
	dir = t.TempDir()
	authority = filepath.Join(dir, "ssl/certs/ca-certificates.crt")
	for path, text := range map[string]string{
		filepath.Join(dir, "hosts"): "127.0.0.1 " + trueName + " " + librariesName + "\n",
		authority:                   string(n.authority),
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir, authority
}

// startDaemon starts a Docker daemon in the namespace, which the test has entered, with what etc returned.
func (n *trueNetwork) startDaemon(t *testing.T, etc string) *daemon {
	t.Helper()
	d, err := startDaemon("APPEND_TO_ETC=" + etc)
	if d != nil {
		t.Cleanup(func() {
			if err := d.stop(); err != nil {
				t.Error(err)
			}
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// registry gives the platform's registry its true name.
func (n *trueNetwork) registry() fakeplatform.Option {
	return func(b *fakeplatform.Behavior) { b.RegistryName, b.RegistryCertificate = trueName, n.certificate }
}

// newCertificate returns a certificate for a server with these names and its authority's.
func newCertificate(names ...string) (certificate tls.Certificate, authority []byte, err error) {
	parentKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return certificate, nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return certificate, nil, err
	}
	parent := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority of a test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	server := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: parent.NotBefore, NotAfter: parent.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	signed, err := x509.CreateCertificate(rand.Reader, parent, parent, parentKey.Public(), parentKey)
	if err != nil {
		return certificate, nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, server, parent, key.Public(), parentKey)
	if err != nil {
		return certificate, nil, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed}), nil
}
