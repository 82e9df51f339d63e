package helper

import (
	"net"
	"net/url"
	"strings"

	"docker-credential-cgr/config"
)

// registryHost reports whether server, which a client sent, names the registry or a
// subdomain, and returns the host in the form of keys and audiences: lower case, with a
// port that is not the scheme's.
//
// A client may send a host, with its port, or a URL, with any path. Ambiguous names are not
// ours: sending a credential to a similar host is worse than not finding one.
func registryHost(registry *url.URL, server string) (host string, ours bool) {
	rest := server
	scheme := registry.Scheme
	if s, r, found := strings.Cut(server, "://"); found {
		scheme, rest = strings.ToLower(s), r
		// Plain http only for a registry that is configured with it, on loopback.
		if scheme != "https" && (scheme != "http" || registry.Scheme != "http") {
			return "", false
		}
	}
	if strings.ContainsAny(rest, `\?#`) {
		return "", false // parsers disagree whether these end the host
	}
	authority, _, _ := strings.Cut(rest, "/")
	if len(authority) > maxHost+len(":65535") {
		return "", false
	}
	// ToLower would turn some other letters into ASCII letters.
	if !isASCII(authority) {
		return "", false
	}
	authority = strings.ToLower(authority)
	switch scheme {
	case "https":
		authority = strings.TrimSuffix(authority, ":443")
	case "http":
		authority = strings.TrimSuffix(authority, ":80")
	}
	if authority == registry.Host {
		return authority, true
	}
	below, found := strings.CutSuffix(authority, "."+registry.Host)
	if !found || net.ParseIP(registry.Hostname()) != nil {
		return "", false // an IP address has no subdomains
	}
	for label := range strings.SplitSeq(below, ".") {
		if !isLabel(label) {
			return "", false
		}
	}
	return authority, true
}

// maxHost is the length limit for the name of a host in bytes (RFC 1035, section 2.3.4).
const maxHost = 253

func isASCII(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r >= 0x80 })
}

// isLabel reports whether text is a label of a host name in lower case: letters, digits, and
// hyphens inside (RFC 1123, section 2.1).
func isLabel(text string) bool {
	if text == "" || len(text) > 63 || text[0] == '-' || text[len(text)-1] == '-' {
		return false
	}
	return !strings.ContainsFunc(text, func(r rune) bool {
		return r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z')
	})
}

// organization returns the organization that a server's path names if it has a session of its
// own, else "". Some clients send the name of the repository behind the host; the path of a
// request to the registry begins with v2 (OCI distribution specification).
func organization(cfg config.Config, server string) string {
	if len(cfg.Organizations) == 0 {
		return ""
	}
	if _, rest, found := strings.Cut(server, "://"); found {
		server = rest
	}
	_, path, _ := strings.Cut(server, "/")
	name, _, _ := strings.Cut(strings.TrimPrefix(path, "v2/"), "/")
	o, _ := cfg.FindOrganization(name)
	return o.Name
}
