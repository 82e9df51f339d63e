package helper

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"docker-credential-cgr/config"
	"docker-credential-cgr/platform"
)

// mcpPath is the path of the platform's MCP servers. The audience of their tokens is a URL
// with this path; they refuse a token for the host alone.
const mcpPath = "/mcp"

// ForeignError means that an address is not one of the configured platform.
type ForeignError struct{ Address, Registry, API string }

func (e *ForeignError) Error() string {
	return fmt.Sprintf("%q is not an https address of %s, a host below it, or %s", printableAddress(e.Address), e.Registry, e.API)
}

// printableAddress returns an address for a message, without what may be a secret in it.
func printableAddress(address string) string {
	if end := strings.IndexAny(address, "?#"); end >= 0 {
		address = address[:end] + "…"
	}
	if at := strings.LastIndex(address, "@"); at >= 0 { // of a user name and a password
		address = "…" + address[at:]
	}
	return platform.Printable(address)
}

// audienceOf returns the audience of a token for an HTTP request to address, a URL: the URL of
// an MCP server of the platform, that of the platform API, or the host of the registry or a
// subdomain. It reports false for other hosts, and for http unless the platform is configured
// with it.
func audienceOf(cfg config.Config, address string) (audience string, ours bool) {
	scheme, rest, found := strings.Cut(address, "://")
	if !found {
		return "", false
	}
	authority, path, _ := strings.Cut(rest, "/")
	server := scheme + "://" + authority
	if i := strings.IndexAny(path, "?#"); i >= 0 {
		path = path[:i]
	}
	isMCP := path == mcpPath[1:] || strings.HasPrefix(path, mcpPath[1:]+"/")
	if cfg.API != nil && cfg.API.Host != cfg.Registry.Host { // it may be a subdomain of the registry
		if host, _ := registryHost(cfg.API, server); host == cfg.API.Host {
			if isMCP {
				return cfg.API.Scheme + "://" + host + mcpPath, true
			}
			return cfg.API.String(), true
		}
	}
	host, ours := registryHost(cfg.Registry, server)
	if isMCP && ours && hasMCP(cfg.Registry, host) {
		return cfg.Registry.Scheme + "://" + host + mcpPath, true
	}
	return host, ours
}

// hasMCP reports whether a host of the registry has an MCP server.
func hasMCP(registry *url.URL, host string) bool {
	below, found := strings.CutSuffix(host, "."+registry.Host)
	return host == registry.Host || found && slices.Contains([]string{"apk", "skills", "versions"}, below)
}
