package platform

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strings"
)

// explainTLS returns the text for an error about a server's certificate: who signed it and
// what to do. Most often a proxy inspects the traffic, and this machine does not trust its
// authority. It returns "" for other errors.
func explainTLS(err error) string {
	var noRoots x509.SystemRootsError
	if errors.As(err, &noRoots) {
		return "this machine's list of certificate authorities cannot be read: " + Printable(noRoots.Error()) + certFile()
	}
	var bad *tls.CertificateVerificationError
	if !errors.As(err, &bad) {
		return ""
	}
	signer := "an unnamed authority"
	if len(bad.UnverifiedCertificates) > 0 {
		name := bad.UnverifiedCertificates[0].Issuer
		if signer = name.CommonName; signer == "" {
			signer = name.String()
		}
	}
	text := fmt.Sprintf("its certificate, signed by %q, is invalid: %s", Printable(signer), Printable(bad.Err.Error()))
	var unknown x509.UnknownAuthorityError
	if errors.As(err, &unknown) {
		text += "; if that is your organization's proxy, add its authority to "
		if runtime.GOOS == "linux" {
			text += "this system's, or name its PEM file in SSL_CERT_FILE"
		} else {
			text += "this system's (SSL_CERT_FILE is not read here)"
		}
	}
	return text + certFile()
}

// certFile names the file that $SSL_CERT_FILE uses instead of the system's authorities.
func certFile() string {
	if file := os.Getenv("SSL_CERT_FILE"); file != "" {
		return fmt.Sprintf(" (SSL_CERT_FILE is %q)", file)
	}
	return ""
}

// proxy is http.ProxyFromEnvironment with an error for every invalid value:
// ProxyFromEnvironment ignores some, and quotes others with the password in them.
func proxy(req *http.Request) (*url.URL, error) {
	u, err := http.ProxyFromEnvironment(req)
	if u == nil && isLoopback(req.URL.Hostname()) {
		return nil, nil // the loopback interface is never behind a proxy
	}
	names := []string{"HTTPS_PROXY", "https_proxy"}
	if req.URL.Scheme == "http" {
		names = []string{"HTTP_PROXY", "http_proxy"}
	}
	for _, name := range names {
		value := os.Getenv(name)
		if value == "" {
			continue
		}
		if err != nil || !isProxyAddress(value) {
			return nil, fmt.Errorf("%s is no address of a proxy, such as http://proxy.example:3128", name)
		}
		break
	}
	return u, err
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

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
