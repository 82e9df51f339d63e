package config

import (
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"docker-credential-cgr/spelling"
)

// property is one thing that can be set.
type property struct {
	name     string
	standard string // the default
	file     bool   // its value is the path of a file
	// set checks text and puts it into c; it gives what was understood, or why
	// text is wrong, in which case c gets the default, or nil for a URL.
	set func(c *Config, text string) (value, why string)
}

// properties are all there are, in the order in which they are shown.
var properties = []property{
	endpoint("platform.issuer", "https://issuer.enforce.dev", func(c *Config) **url.URL { return &c.Issuer }),
	endpoint("platform.api", "https://console-api.enforce.dev", func(c *Config) **url.URL { return &c.API }),
	{name: "platform.registry", standard: standardRegistry, set: setRegistry},
	endpoint("platform.console", "https://console.chainguard.dev", func(c *Config) **url.URL { return &c.Console }),
	choice("keychain", func(c *Config) *string { return &c.Keychain }, KeychainAuto, KeychainOS, KeychainKernel, KeychainFile, KeychainNone),
	choice("auth.auto-login", func(c *Config) *string { return &c.AutoLogin }, AutoLoginTTY, AutoLoginAlways, AutoLoginNever),
	choice("auth.mode", func(c *Config) *string { return &c.Mode }, ModeAuto, ModeBrowser, ModeHeadless),
	text("auth.identity", func(c *Config) *string { return &c.Identity }, checkUIDP),
	identityToken(),
	text("auth.identity-token-env", func(c *Config) *string { return &c.IdentityTokenEnv }, checkVariable),
	text("auth.oidc.issuer", func(c *Config) *string { return &c.OIDC.Issuer }, checkIssuer),
	text("auth.oidc.client-id", func(c *Config) *string { return &c.OIDC.ClientID }, checkName),
	choice("auth.oidc.flow", func(c *Config) *string { return &c.OIDC.Flow }, FlowCode, FlowDevice),
	text("default.group", func(c *Config) *string { return &c.Group }, checkName),
	text("default.org-name", func(c *Config) *string { return &c.OrgName }, checkName),
	text("default.identity-provider", func(c *Config) *string { return &c.IdentityProvider }, checkUIDP),
	choice("default.social-login", func(c *Config) *string { return &c.SocialLogin }, "", "email", "google", "github", "gitlab"),
	toggle("default.use-refresh-token", "true", func(c *Config) *bool { return &c.UseRefreshToken }),
	toggle("default.skip-auto-login", "false", func(c *Config) *bool { return &c.skipAutoLogin }),
}

// exclusive holds groups of properties of which one at most can be set. The
// issuer takes one of the first group's: a connection goes with its own client
// alone, and a provider is named by one name.
var exclusive = [][]string{
	{"default.org-name", "default.identity-provider", "default.social-login"},
	{"auth.identity-token", "auth.identity-token-env"},
}

// foreign are chainctl's properties that mean nothing to this program, and those
// below them.
var foreign = []string{
	"platform.audience", "auth.device-flow", "default.active-within", "default.autoclose", "default.autoclose-timeout",
	"default.log-level", "default.skip-version-check", "output",
}

// clientSecret is refused wherever it is set (RFC 8252, sections 8.4 and 8.5).
const (
	clientSecret   = "auth.oidc.client-secret"
	noClientSecret = "a program on people's machines can keep no client secret, and this one uses none: register it as a public client"
)

// Properties gives the names of all properties, in the order in which they are
// shown.
func Properties() []string {
	names := make([]string, len(properties))
	for i, p := range properties {
		names[i] = p.name
	}
	return names
}

// Variable is the name of the environment variable that sets property.
func Variable(property string) string {
	return "CHAINGUARD_" + strings.Map(func(r rune) rune {
		if r == '.' || r == '-' {
			return '_'
		}
		return unicode.ToUpper(r)
	}, property)
}

// Flag is the name of the flag that sets property, without dashes: chainctl's,
// where it has one. That of auth.mode is a switch, "headless".
func Flag(property string) string {
	switch {
	case property == "auth.mode":
		return "headless"
	case strings.HasPrefix(property, "auth.oidc."):
		return "oidc-" + strings.TrimPrefix(property, "auth.oidc.")
	}
	return property[strings.LastIndex(property, ".")+1:]
}

// Near gives the property that word was probably meant for, or "".
func Near(word string) string {
	return nearest(word, Properties())
}

// Misspelled says, a line each, which variables of an environment are probably meant
// to set a property and have another name. environ is as os.Environ gives it.
func Misspelled(environ []string) []string {
	const prefix = "CHAINGUARD_"
	known := map[string]bool{"CHAINGUARD_CONFIG": true, "CHAINGUARD_DEBUG": true, "CHAINGUARD_IDENTITY_ID": true, "CHAINGUARD_TOKEN": true}
	var names []string
	for _, property := range Properties() {
		known[Variable(property)] = true
		names = append(names, Variable(property))
	}
	var said []string
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, prefix) || known[name] || len(name) > 64 {
			continue
		}
		if near := spelling.Near(name, names); len(near) > 0 && spelling.Distance(name, near[0]) <= 2 {
			said = append(said, fmt.Sprintf("the variable %s means nothing; did you mean: %s", name, near[0]))
		}
	}
	return said
}

// index is the place of a property in properties, or -1.
func index(name string) int {
	return slices.IndexFunc(properties, func(p property) bool { return p.name == name })
}

func isForeign(name string) bool {
	return slices.ContainsFunc(foreign, func(f string) bool { return name == f || strings.HasPrefix(name, f+".") })
}

// parse is set for what anybody may have written, a token for one.
func (p property) parse(c *Config, text string) (value, why string) {
	if isToken(text) {
		p.set(c, "")
		return "", "looks like a token, and a setting holds none: give auth.identity-token the path of a file that holds it, or auth.identity-token-env the name of a variable"
	}
	return p.set(c, text)
}

// checkInFile says what is wrong with a value of the settings file that would do
// elsewhere. A path there means one file, whatever folder the program runs in.
func (p property) checkInFile(text string) (why string) {
	if p.file && text != "" && !filepath.IsAbs(text) {
		return "must be an absolute path"
	}
	return ""
}

// endpoint is a property whose value is a URL that secrets will be sent to.
func endpoint(name, standard string, field func(*Config) **url.URL) property {
	return property{name: name, standard: standard, set: func(c *Config, text string) (string, string) {
		u, why := parseEndpoint(text, standard)
		*field(c) = u
		if why != "" {
			return "", why
		}
		return u.String(), ""
	}}
}

const standardRegistry = "https://cgr.dev"

func setRegistry(c *Config, text string) (value, why string) {
	c.Registry, why = parseEndpoint(text, standardRegistry)
	if why == "" && c.Registry.Path != "" {
		c.Registry, why = nil, "a registry's URL has no path"
	}
	if why != "" {
		return "", why
	}
	return c.Registry.String(), ""
}

// choice is a property that takes one of a few words; the first is the default.
func choice(name string, field func(*Config) *string, words ...string) property {
	return property{name: name, standard: words[0], set: func(c *Config, text string) (string, string) {
		*field(c) = words[0]
		if !slices.Contains(words, text) {
			why := "must be one of " + strings.TrimPrefix(strings.Join(words, ", "), ", ")
			if near := nearest(text, words); near != "" {
				why += "; did you mean: " + near
			}
			return "", why
		}
		*field(c) = text
		return text, ""
	}}
}

// toggle is an on-off property.
func toggle(name, standard string, field func(*Config) *bool) property {
	return property{name: name, standard: standard, set: func(c *Config, text string) (string, string) {
		on, why := parseBool(text, "")
		if why != "" {
			*field(c) = standard == "true"
			return "", why
		}
		*field(c) = on
		if on {
			return "true", ""
		}
		return "false", ""
	}}
}

// parseBool reads yes or no, in the words that people use for it; standard stands
// in for "".
func parseBool(text, standard string) (on bool, why string) {
	if text == "" {
		text = standard
	}
	switch strings.ToLower(text) {
	case "1", "true", "yes", "on":
		return true, ""
	case "0", "false", "no", "off":
		return false, ""
	}
	return false, "must be true or false"
}

// text is a property that is empty, or something that check finds nothing wrong
// with.
func text(name string, field func(*Config) *string, check func(string) (why string)) property {
	return property{name: name, set: func(c *Config, text string) (string, string) {
		*field(c) = ""
		if text == "" {
			return "", ""
		}
		if why := check(text); why != "" {
			return "", why
		}
		*field(c) = text
		return text, ""
	}}
}

func identityToken() property {
	p := text("auth.identity-token", func(c *Config) *string { return &c.IdentityToken }, checkPath)
	p.file = true
	return p
}

// ValidUIDP says whether id has the form of an identity's or a group's id: 40
// hexadecimal digits, in small letters, and for each level below "/" and 16 more.
func ValidUIDP(id string) bool {
	root, rest, more := strings.Cut(id, "/")
	ok := isHex(root, 40)
	for ok && more {
		var segment string
		segment, rest, more = strings.Cut(rest, "/")
		ok = isHex(segment, 16)
	}
	return ok
}

func isHex(text string, digits int) bool {
	return len(text) == digits && strings.Trim(text, "0123456789abcdef") == ""
}

func checkUIDP(text string) (why string) {
	if !ValidUIDP(text) {
		return "must be an id: 40 hexadecimal digits, then / and 16 more for each level below"
	}
	return ""
}

// checkVariable holds to the names that shells can set.
func checkVariable(text string) (why string) {
	other := func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}
	if strings.ContainsFunc(text, other) || text[0] >= '0' && text[0] <= '9' {
		return "must be the name of a variable: letters, digits and _"
	}
	return ""
}

func checkIssuer(text string) (why string) {
	_, why = parseEndpoint(text, "https://login.example.com")
	return why
}

// maxName is the length of the longest host name, which a verified
// organization's name is (RFC 1035, section 2.3.4).
const maxName = 253

func checkName(text string) (why string) {
	switch {
	case len(text) > maxName:
		return "must be at most 253 bytes long"
	case !printable(text):
		return "must hold no control characters"
	case strings.TrimSpace(text) != text:
		return "must not begin or end with a blank"
	}
	return ""
}

func checkPath(text string) (why string) {
	switch {
	case !printable(text):
		return "must hold no control characters"
	case text == "-":
		return "must be the path of a file"
	}
	return ""
}

func printable(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}

// isToken says whether text looks like a JWT or a refresh token: both begin with
// a JSON object in base64.
func isToken(text string) bool {
	return strings.HasPrefix(strings.TrimSpace(text), "eyJ")
}

// shown is value as far as an error may repeat it. In a wrong place there may be
// anything: a password in a URL, a token, a key.
func shown(value string) string {
	run, digit := 0, false
	for _, r := range value {
		switch {
		case r >= '0' && r <= '9':
			run, digit = run+1, true
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r == '_', r == '-', r == '+', r == '=':
			run++
		default:
			run, digit = 0, false
		}
		if r == '@' || run >= 20 && digit {
			return "…"
		}
	}
	if len(value) > 100 || strings.Contains(value, "eyJ") {
		return "…"
	}
	return value
}
