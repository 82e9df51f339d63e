// Package config reads the program's settings and says where each came from.
//
// A setting is found in the environment under its property's name in capitals,
// with "_" for "." and "-", behind "CHAINGUARD_" (chainctl's own rule); without
// one its default holds. A value that cannot be right is an error that names
// the variable: it is never replaced by the default in silence.
package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// The values of Config.Keychain.
const (
	KeychainAuto   = "auto"
	KeychainOS     = "os"
	KeychainKernel = "kernel"
	KeychainFile   = "file"
	KeychainNone   = "none"
)

// The values of Config.AutoLogin.
const (
	AutoLoginTTY    = "tty"    // sign in where a person sits at a terminal
	AutoLoginAlways = "always" // sign in without a terminal, and in CI too
	AutoLoginNever  = "never"  // `get` never opens a window
)

// The values of Config.Mode.
const (
	ModeAuto    = "auto"
	ModeBrowser = "browser"
)

// Config holds every setting the program knows, checked.
type Config struct {
	Issuer   *url.URL // security token service; no trailing slash
	API      *url.URL // platform API; its text is the API's audience
	Registry *url.URL // no path; its Host is the registry's audience
	Console  *url.URL // the vendor's web page, for people

	Keychain  string // one of the Keychain constants
	AutoLogin string // one of the AutoLogin constants
	Mode      string // one of the Mode constants
	Debug     bool   // narrate every step on standard error

	// IdentityID and Token are a pull token given by the environment
	// (CHAINGUARD_IDENTITY_ID and CHAINGUARD_TOKEN). Both are set or neither.
	IdentityID, Token string
	// Unpaired says which of the two is missing, where one alone is set. That is
	// no error: other tools of the field use CHAINGUARD_TOKEN alone.
	Unpaired string
}

// Variable is the name of the environment variable that sets property.
func Variable(property string) string {
	return "CHAINGUARD_" + strings.NewReplacer(".", "_", "-", "_").Replace(strings.ToUpper(property))
}

// Load reads the settings through getenv, which answers "" for what is not set
// (os.Getenv does). On error the returned Config holds every setting that could
// be read, so that a caller can still tell which registry is ours: its Registry
// is nil only when the registry's own setting is wrong.
func Load(getenv func(string) string) (Config, error) {
	var c Config
	r := reader{getenv: getenv}

	c.Registry = r.endpoint("platform.registry", "https://cgr.dev")
	if c.Registry != nil && c.Registry.Path != "" {
		r.fail("platform.registry", c.Registry.String(), "a registry's URL has no path")
		c.Registry = nil
	}
	c.Issuer = r.endpoint("platform.issuer", "https://issuer.enforce.dev")
	c.API = r.endpoint("platform.api", "https://console-api.enforce.dev")
	c.Console = r.endpoint("platform.console", "https://console.chainguard.dev")
	c.Keychain = r.choice("keychain", KeychainAuto, KeychainOS, KeychainKernel, KeychainFile, KeychainNone)
	c.AutoLogin = r.choice("auth.auto-login", AutoLoginTTY, AutoLoginAlways, AutoLoginNever)
	c.Mode = r.choice("auth.mode", ModeAuto, ModeBrowser)
	c.Debug = r.flag("debug")

	c.IdentityID, c.Token = r.secret("CHAINGUARD_IDENTITY_ID"), r.secret("CHAINGUARD_TOKEN")
	if c.IdentityID == "" || c.Token == "" {
		switch {
		case c.Token != "":
			c.Unpaired = "CHAINGUARD_IDENTITY_ID"
		case c.IdentityID != "":
			c.Unpaired = "CHAINGUARD_TOKEN"
		}
		c.IdentityID, c.Token = "", ""
	}
	return c, errors.Join(r.errs...)
}

// reader collects what is wrong, so that one bad setting hides no good one.
type reader struct {
	getenv func(string) string
	errs   []error
}

func (r *reader) fail(property, value, why string) {
	r.errs = append(r.errs, fmt.Errorf("%s=%q: %s", Variable(property), value, why))
}

// choice reads a property that takes one of a few words; the first is the default.
func (r *reader) choice(property string, values ...string) string {
	got := r.getenv(Variable(property))
	if got == "" {
		return values[0]
	}
	for _, v := range values {
		if got == v {
			return v
		}
	}
	r.fail(property, got, "must be one of "+strings.Join(values, ", "))
	return values[0]
}

// secret reads a variable whose value is never shown. A line end that came with
// it, as from a file, is cut off; inside, no header could carry one.
func (r *reader) secret(variable string) string {
	value := r.getenv(variable)
	value = strings.TrimSuffix(strings.TrimSuffix(value, "\n"), "\r")
	if strings.ContainsFunc(value, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		r.errs = append(r.errs, fmt.Errorf("%s holds a control character: set it to the value alone", variable))
		return ""
	}
	return value
}

// flag reads an on-off property.
func (r *reader) flag(property string) bool {
	switch got := r.getenv(Variable(property)); strings.ToLower(got) {
	case "1", "true", "yes", "on":
		return true
	case "", "0", "false", "no", "off":
		return false
	default:
		r.fail(property, got, "must be 1 or 0")
		return false
	}
}

// endpoint reads a URL that secrets will be sent to.
func (r *reader) endpoint(property, standard string) *url.URL {
	text := r.getenv(Variable(property))
	if text == "" {
		text = standard
	}
	u, why := parseEndpoint(text, standard)
	if why != "" {
		// Not the value itself where it may hold a password.
		shown := text
		if strings.Contains(text, "@") {
			shown = "…"
		}
		r.fail(property, shown, why)
		return nil
	}
	return u
}

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
