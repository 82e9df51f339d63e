package helper

import (
	"net"
	"net/url"
	"strings"
)

// registryHost says whether server, which is what a client sent, names registry
// or a host below it, and gives that host as keys and audiences have it: lower
// case, with its port where that is not the scheme's own.
//
// A client may send a host, with its port, a URL, or either with a path, which
// changes nothing. Everything in doubt is not ours: a credential that goes to a
// look-alike is lost, one that is not found costs a message.
func registryHost(registry *url.URL, server string) (host string, ours bool) {
	rest := server
	scheme := registry.Scheme
	if s, r, found := strings.Cut(server, "://"); found {
		scheme, rest = strings.ToLower(s), r
		// Plain http is for a registry that was configured so, on loopback.
		if scheme != "https" && (scheme != "http" || registry.Scheme != "http") {
			return "", false
		}
	}
	if strings.ContainsAny(rest, `\?#`) {
		return "", false // read as the host's end by some and not by others
	}
	authority, _, _ := strings.Cut(rest, "/")
	if len(authority) > maxHost+len(":65535") {
		return "", false
	}
	// Before ToLower, which would turn some other letters into ASCII ones.
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
		return "", false // nothing is below an address
	}
	for label := range strings.SplitSeq(below, ".") {
		if !isLabel(label) {
			return "", false
		}
	}
	return authority, true
}

// maxHost is how many bytes the name of a host has at most (RFC 1035, section 2.3.4).
const maxHost = 253

func isASCII(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r >= 0x80 })
}

// isLabel says whether text is a label of a host name: letters, digits and
// hyphens inside (RFC 1123, section 2.1), lower case.
func isLabel(text string) bool {
	if text == "" || len(text) > 63 || text[0] == '-' || text[len(text)-1] == '-' {
		return false
	}
	return !strings.ContainsFunc(text, func(r rune) bool {
		return r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z')
	})
}
