package doctor

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"runtime"

	"docker-credential-cgr/hint"
	"docker-credential-cgr/platform"
)

// issuerOf returns the name of the authority that signed a certificate.
func issuerOf(certificate *x509.Certificate) string {
	issuer := certificate.Issuer
	if len(issuer.Organization) > 0 && issuer.Organization[0] != "" {
		return platform.Printable(issuer.Organization[0])
	}
	return platform.Printable(cmp.Or(issuer.CommonName, issuer.String()))
}

// explainTLS explains an error about a server's certificate. It returns nil for other
// errors.
func (c *Checker) explainTLS(host string, err error) error {
	var noRoots x509.SystemRootsError
	var invalid *tls.CertificateVerificationError
	switch {
	case errors.As(err, &noRoots):
		err = hint.With(fmt.Errorf("this machine's list of certificate authorities cannot be read: %s", platform.Printable(noRoots.Error())),
			hint.Text("install it (the package is called ca-certificates)"))
	case errors.As(err, &invalid):
		err = explainCertificate(host, invalid)
	default:
		return nil
	}
	if problem := c.certFileProblem(); problem != "" {
		return hint.With(fmt.Errorf("%s; SSL_CERT_FILE replaces this machine's authorities, and %s", err, problem),
			hint.Text("unset SSL_CERT_FILE, or correct it"))
	}
	return err
}

func explainCertificate(host string, err *tls.CertificateVerificationError) error {
	signer := "an unnamed authority"
	if len(err.UnverifiedCertificates) > 0 {
		signer = issuerOf(err.UnverifiedCertificates[0])
	}
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err.Err, &unknown):
		return hint.With(fmt.Errorf("the certificate of %s is signed by %q, which this machine does not trust: does a proxy inspect the traffic?", host, signer),
			trustAuthority())
	case errors.As(err.Err, &name):
		return hint.With(fmt.Errorf("the certificate for %s, signed by %q, is another server's: %s", host, signer, platform.Printable(name.Error())),
			hint.Text("sign in to this network, or ask its administrator to allow %s", host))
	case errors.As(err.Err, &invalid) && invalid.Reason == x509.Expired:
		return hint.With(fmt.Errorf("the certificate of %s, signed by %q, is not valid at this machine's time: %s", host, signer, platform.Printable(invalid.Error())),
			setClock())
	}
	return hint.With(fmt.Errorf("the certificate of %s, signed by %q, is invalid: %s", host, signer, platform.Printable(err.Err.Error())),
		hint.Text("show this to the administrator of this network"))
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

// certFileProblem returns what is wrong with the file that $SSL_CERT_FILE names, or "".
func (c *Checker) certFileProblem() string {
	path := c.Getenv("SSL_CERT_FILE")
	if path == "" || runtime.GOOS == "darwin" || runtime.GOOS == "windows" {
		return ""
	}
	text, err := readFile(path)
	switch {
	case err != nil:
		return fmt.Sprintf("%q cannot be read", path)
	case !x509.NewCertPool().AppendCertsFromPEM(text):
		return fmt.Sprintf("%q has no certificate", path)
	}
	return ""
}
