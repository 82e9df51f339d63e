package doctor

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"

	"docker-credential-cgr/platform"
)

// organization names the authority that signed a certificate: by what it is called,
// else by its own name.
func organization(cert *x509.Certificate) string {
	issuer := cert.Issuer
	if len(issuer.Organization) > 0 && issuer.Organization[0] != "" {
		return platform.Printable(issuer.Organization[0])
	}
	return platform.Printable(cmp.Or(issuer.CommonName, issuer.String()))
}

// certificate says what is wrong with a server's certificate, where err tells of
// one.
func (p *Patient) certificate(host string, err error) (says, mend string, found bool) {
	var noRoots x509.SystemRootsError
	var bad *tls.CertificateVerificationError
	switch {
	case errors.As(err, &noRoots):
		says = "this machine's list of certificate authorities cannot be read: " + platform.Printable(noRoots.Error())
		mend = "install it (the package is called ca-certificates)"
	case errors.As(err, &bad):
		says, mend = explainCertificate(host, bad)
	default:
		return "", "", false
	}
	if flaw := p.certFileFlaw(); flaw != "" {
		return says + "; SSL_CERT_FILE takes the place of this machine's authorities, and " + flaw, "unset SSL_CERT_FILE, or correct it", true
	}
	return says, mend, true
}

func explainCertificate(host string, bad *tls.CertificateVerificationError) (says, mend string) {
	signer := "somebody unnamed"
	if len(bad.UnverifiedCertificates) > 0 {
		signer = organization(bad.UnverifiedCertificates[0])
	}
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(bad.Err, &unknown):
		return fmt.Sprintf("the certificate of %s is signed by %q, which this machine does not know: a proxy that looks into the traffic?", host, signer), trustAuthority()
	case errors.As(bad.Err, &name):
		return fmt.Sprintf("the certificate that came for %s, signed by %q, is another server's: %s", host, signer, platform.Printable(name.Error())),
			"sign in to this network, or have whoever runs it let " + host + " through"
	case errors.As(bad.Err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Sprintf("the certificate of %s, signed by %q, is not good at this machine's time: %s", host, signer, platform.Printable(invalid.Error())), setClock()
	}
	return fmt.Sprintf("the certificate of %s, signed by %q, is not good: %s", host, signer, platform.Printable(bad.Err.Error())),
		"show this to whoever runs this network"
}

// trustAuthority says how an organization's own authority becomes known here.
func trustAuthority() string {
	switch runtime.GOOS {
	case "darwin": // where Go reads no SSL_CERT_FILE
		return "get your organization's authority as a PEM file, then: sudo security add-trusted-cert -d -k /Library/Keychains/System.keychain FILE"
	case "windows":
		return "get your organization's authority as a file, then as administrator: certutil -addstore Root FILE"
	}
	return "get your organization's authority as a PEM file, then: export SSL_CERT_FILE=FILE (or add it to this system's: sudo cp FILE /usr/local/share/ca-certificates/ORGANIZATION.crt && sudo update-ca-certificates)"
}

// maxCertFile bounds what is read of a file of authorities. A system's list has some
// 200 KB.
const maxCertFile = 16 << 20

// certFileFlaw says what is wrong with the file that $SSL_CERT_FILE names, or "".
func (p *Patient) certFileFlaw() string {
	path := p.Getenv("SSL_CERT_FILE")
	if path == "" || runtime.GOOS == "darwin" || runtime.GOOS == "windows" {
		return ""
	}
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return fmt.Sprintf("there is no file %q", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Sprintf("%q cannot be read", path)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxCertFile))
	if err != nil || !x509.NewCertPool().AppendCertsFromPEM(text) {
		return fmt.Sprintf("%q holds no certificate", path)
	}
	return ""
}
