package config

import (
	"net"
	"net/url"
	"strings"
)

// parseEndpoint checks that text is a URL which a bearer token may be sent to:
// https, or http on the loopback interface (RFC 8252, section 8.3, draws the
// same line), with nothing in it that could send a reader astray. The example is
// for whoever gave another.
func parseEndpoint(text, example string) (u *url.URL, why string) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, "is no URL"
	case u.User != nil:
		return nil, "must hold no user name or password"
	case u.Hostname() == "":
		return nil, "must be a full URL, such as " + example
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, "must start with https://"
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return nil, "must start with https:// (plain http is for the loopback interface only)"
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(text, "#"):
		return nil, "must end with the path, without ? or #"
	case strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c >= 0x7f }):
		return nil, "must be plain ASCII without spaces"
	case !hostName(u.Hostname()) || strings.HasSuffix(u.Host, ":"):
		return nil, "must name a host in letters, digits, dots and hyphens, or an IP address"
	}
	u.Host = strings.ToLower(u.Host)
	u.Host = strings.TrimSuffix(u.Host, map[string]string{"https": ":443", "http": ":80"}[u.Scheme])
	u.Path = strings.TrimRight(u.Path, "/")
	u.RawPath = ""
	return u, ""
}

// hostName says whether host is an IP address, or made of what host names are
// (RFC 1123, section 2.1). Other characters, percent-encoded ones too, are read
// as one host by some and as another by others.
func hostName(host string) bool {
	if strings.Contains(host, ":") {
		return net.ParseIP(host) != nil
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
			return false
		}
	}
	return !strings.ContainsFunc(host, func(c rune) bool {
		return c != '-' && c != '.' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z')
	})
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
