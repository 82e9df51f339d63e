package config

import (
	"errors"
	"net"
	"net/url"
	"strings"
)

// parseEndpoint parses a URL to which a bearer token can be sent: https, or http on the
// loopback interface (as in RFC 8252, section 8.3), without parts that could mislead a
// reader. example is for the error.
func parseEndpoint(text, example string) (*url.URL, error) {
	u, err := url.Parse(text)
	why := ""
	switch {
	case err != nil:
		why = "is not a URL"
	case u.User != nil:
		why = "must have no user name or password"
	case u.Hostname() == "":
		why = "must be a full URL, such as " + example
	case u.Scheme != "https" && u.Scheme != "http":
		why = "must start with https://"
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		why = "must start with https:// (plain http is for the loopback interface only)"
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(text, "#"):
		why = "must end with the path, without ? or #"
	case strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c >= 0x7f }):
		why = "must be plain ASCII without spaces"
	case !isHostName(u.Hostname()) || strings.HasSuffix(u.Host, ":"):
		why = "must name a host in letters, digits, dots and hyphens, or an IP address"
	}
	if why != "" {
		return nil, errors.New(why)
	}
	u.Host = strings.ToLower(u.Host)
	u.Host = strings.TrimSuffix(u.Host, map[string]string{"https": ":443", "http": ":80"}[u.Scheme])
	u.Path = strings.TrimRight(u.Path, "/")
	u.RawPath = ""
	return u, nil
}

// isHostName reports whether host is an IP address, or made of the characters of host
// names (RFC 1123, section 2.1). Programs read other characters, also percent-encoded
// ones, as different hosts.
func isHostName(host string) bool {
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

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
