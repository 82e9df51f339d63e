package platform

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strings"

	"docker-credential-cgr/hint"
)

// ExplainTLS returns the cause of an error about a server's certificate, with hints. Most
// often a proxy inspects the traffic, and this machine does not trust its authority. It
// returns nil for other errors.
func ExplainTLS(err error) error {
	var noRoots x509.SystemRootsError
	var invalid *tls.CertificateVerificationError
	switch {
	case errors.As(err, &noRoots):
		err = hint.With(fmt.Errorf("this machine's list of certificate authorities cannot be read: %s", Printable(noRoots.Error())),
			hint.Text("install it (the package is called ca-certificates)"))
	case errors.As(err, &invalid):
		err = explainCertificate(invalid)
	default:
		return nil
	}
	if problem := certFileProblem(); problem != "" {
		return hint.With(fmt.Errorf("%s; SSL_CERT_FILE replaces this machine's authorities, and %s", err, problem),
			hint.Text("%s, or correct it", hint.Unset("SSL_CERT_FILE").Text))
	}
	return err
}

func explainCertificate(err *tls.CertificateVerificationError) error {
	signer := "an unnamed authority"
	if len(err.UnverifiedCertificates) > 0 {
		signer = CertificateIssuer(err.UnverifiedCertificates[0])
	}
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err.Err, &unknown):
		return hint.With(fmt.Errorf("its certificate is signed by %q, which this machine does not trust: does a proxy inspect the traffic?", signer), trustAuthority())
	case errors.As(err.Err, &name):
		return hint.With(fmt.Errorf("its certificate, signed by %q, is another server's: %s", signer, Printable(name.Error())),
			hint.Text("sign in to this network, or ask its administrator to allow %s", name.Host))
	case errors.As(err.Err, &invalid) && invalid.Reason == x509.Expired:
		return hint.With(fmt.Errorf("its certificate, signed by %q, is not valid at this machine's time: %s", signer, Printable(invalid.Error())), SetClock())
	}
	return hint.With(fmt.Errorf("its certificate, signed by %q, is invalid: %s", signer, Printable(err.Err.Error())),
		hint.Text("show this to the administrator of this network"))
}

// CertificateIssuer returns the name of the authority that signed a certificate.
func CertificateIssuer(certificate *x509.Certificate) string {
	issuer := certificate.Issuer
	if len(issuer.Organization) > 0 && issuer.Organization[0] != "" {
		return Printable(issuer.Organization[0])
	}
	return Printable(cmp.Or(issuer.CommonName, issuer.String()))
}

// trustAuthority returns how to make this machine trust an organization's authority.
func trustAuthority() hint.Hint {
	switch runtime.GOOS {
	case "darwin": // Go does not read SSL_CERT_FILE there
		return hint.Text("get your organization's authority as a PEM file, then: sudo security add-trusted-cert -d -k /Library/Keychains/System.keychain FILE")
	case "windows":
		return hint.Text("get your organization's authority as a file, then as administrator: certutil -addstore Root FILE")
	}
	return hint.Text("get your organization's authority as a PEM file, then: export SSL_CERT_FILE=FILE (or add it to this system's: " +
		"sudo cp FILE /usr/local/share/ca-certificates/ORGANIZATION.crt && sudo update-ca-certificates)")
}

// SetClock returns how to set this machine's clock.
func SetClock() hint.Hint {
	switch runtime.GOOS {
	case "darwin":
		return hint.Text("set the clock: sudo sntp -sS time.apple.com")
	case "windows":
		return hint.Text("set the clock, as administrator: w32tm /resync")
	}
	return hint.Text("set the clock: sudo timedatectl set-ntp true (in a virtual machine that slept: sudo hwclock --hctosys)")
}

// certFileProblem returns what is wrong with the file that $SSL_CERT_FILE names, or "".
func certFileProblem() string {
	path := os.Getenv("SSL_CERT_FILE")
	if path == "" || runtime.GOOS == "darwin" || runtime.GOOS == "windows" {
		return ""
	}
	// Opening a pipe would wait for a writer.
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return fmt.Sprintf("%q is not a file", path)
	}
	text, err := os.ReadFile(path)
	if err != nil || !x509.NewCertPool().AppendCertsFromPEM(text) {
		return fmt.Sprintf("%q has no certificate", path)
	}
	return ""
}

// proxy is http.ProxyFromEnvironment with an error for every invalid value:
// ProxyFromEnvironment ignores some, and quotes others with the password in them.
func proxy(req *http.Request) (*url.URL, error) {
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"} {
		if value := os.Getenv(name); value != "" && !isProxyAddress(value) {
			return nil, fmt.Errorf("%s is not the address of a proxy, such as http://proxy.example:3128", name)
		}
	}
	return http.ProxyFromEnvironment(req)
}

// isProxyAddress reports whether net/http can use value as a proxy.
func isProxyAddress(value string) bool {
	if !strings.Contains(value, "://") {
		value = "http://" + value
	}
	u, err := url.Parse(value)
	if err != nil || u.Hostname() == "" {
		return false
	}
	return slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme)
}
