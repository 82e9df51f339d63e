package config

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"docker-credential-cgr/spelling"
)

// property is a setting.
type property struct {
	name     string
	doc      string // one line for the documentation, in Markdown
	standard string // the default
	// set puts text into c and returns the value in its usual form. After an error c
	// has the default, or nil for a URL.
	set    func(c *Config, text string) (value string, err error)
	values []string // all that it can be; empty if these are not a few words
}

// properties is all properties, in the order in which they are shown.
var properties = []property{
	endpoint("platform.issuer", "URL of the issuer of tokens", "https://issuer.enforce.dev", func(c *Config) **url.URL { return &c.Issuer }),
	endpoint("platform.api", "URL of the platform API", "https://console-api.enforce.dev", func(c *Config) **url.URL { return &c.API }),
	define("platform.registry", "URL of the registry", standardRegistry, func(c *Config) **url.URL { return &c.Registry }, parseRegistry),
	endpoint("platform.console", "URL of the Chainguard console, where people get an account", "https://console.chainguard.dev", func(c *Config) **url.URL { return &c.Console }),
	choice("keychain", "where secrets are stored", func(c *Config) *string { return &c.Keychain }, KeychainAuto, KeychainOS, KeychainKernel, KeychainFile, KeychainNone),
	choice("auth.auto-login", "when `get` may start a sign-in: if standard error is a terminal and `CI` is not set, always, or never", func(c *Config) *string { return &c.AutoLogin }, AutoLoginTTY, AutoLoginAlways, AutoLoginNever),
	choice("auth.mode", "how to sign in: in a browser if there is one here, in a browser even as root or without a display, or on another device", func(c *Config) *string { return &c.Mode }, ModeAuto, ModeBrowser, ModeHeadless),
	text("auth.identity", "ID of the identity to assume. `--identity` also accepts its name while you are signed in", func(c *Config) *string { return &c.Identity }, checkUIDP),
	text(identityToken, "path of the file that holds the ID token", func(c *Config) *string { return &c.IdentityToken }, checkPath),
	text("auth.identity-token-env", "name of the variable that holds the ID token", func(c *Config) *string { return &c.IdentityTokenEnv }, checkVariable),
	define("auth.organizations", "organizations with a session or an identity of their own, as `ORGANIZATION` or `ORGANIZATION=IDENTITY_ID`, separated by commas. `login --for` changes it", "", func(c *Config) *Organizations { return &c.Organizations }, parseOrganizations),
	text("auth.oidc.issuer", "URL of your organization's own OpenID provider", func(c *Config) *string { return &c.OIDC.Issuer }, checkIssuer),
	text("auth.oidc.client-id", "ID of this program at that provider", func(c *Config) *string { return &c.OIDC.ClientID }, checkName),
	choice("auth.oidc.flow", "how to sign in with that provider: authorization code or device code", func(c *Config) *string { return &c.OIDC.Flow }, FlowCode, FlowDevice),
	text("default.group", "name or ID of the organization that commands use without `--parent`", func(c *Config) *string { return &c.Group }, checkName),
	text("default.org-name", "verified name of the organization whose provider you sign in with", func(c *Config) *string { return &c.OrgName }, checkName),
	text("default.identity-provider", "ID of the identity provider to sign in with", func(c *Config) *string { return &c.IdentityProvider }, checkUIDP),
	choice("default.social-login", "public provider to sign in with", func(c *Config) *string { return &c.SocialLogin }, "", "email", "google", "github", "gitlab"),
	toggle("default.use-refresh-token", "whether a sign-in gets a refresh token, so that the session renews itself", true, func(c *Config) *bool { return &c.UseRefreshToken }),
	toggle("default.skip-auto-login", "`true` is chainctl's name for `auth.auto-login=never`, unless that is set", false, func(c *Config) *bool { return &c.skipAutoLogin }),
}

// identityToken is the property whose value is the path of a file.
const identityToken = "auth.identity-token"

// exclusive is groups of properties of which at most one can be set. The issuer accepts
// one of the first group.
var exclusive = [][]string{
	{"default.org-name", "default.identity-provider", "default.social-login"},
	{identityToken, "auth.identity-token-env"},
}

// foreign is the properties of chainctl that this program ignores, and those below them.
var foreign = []string{
	"platform.audience", "auth.device-flow", "default.active-within", "default.autoclose", "default.autoclose-timeout",
	"default.log-level", "default.skip-version-check", "output",
}

// clientSecret is refused in all sources (RFC 8252, sections 8.4 and 8.5).
const (
	clientSecret   = "auth.oidc.client-secret"
	noClientSecret = "a program on users' machines cannot keep a client secret: register it as a public client"
)

// Properties returns the names of all properties, in the order in which they are shown.
func Properties() []string {
	names := make([]string, len(properties))
	for i, p := range properties {
		names[i] = p.name
	}
	return names
}

// Doc returns what a property means, in Markdown on one line, or "" if there is no such
// property.
func Doc(property string) string {
	if i := index(property); i >= 0 {
		return properties[i].doc
	}
	return ""
}

// Values returns all values of a property, or nil if there is no such property or its values
// are not a few words.
func Values(property string) []string {
	if i := index(property); i >= 0 {
		return properties[i].values
	}
	return nil
}

// Variable returns the name of the environment variable that sets property.
func Variable(property string) string {
	return "CHAINGUARD_" + strings.NewReplacer(".", "_", "-", "_").Replace(strings.ToUpper(property))
}

// Flag returns the name of the flag that sets property, without dashes. It is chainctl's,
// if chainctl has one. That of auth.mode is a switch, "headless".
func Flag(property string) string {
	switch {
	case property == "auth.mode":
		return "headless"
	case strings.HasPrefix(property, "auth.oidc."):
		return "oidc-" + strings.TrimPrefix(property, "auth.oidc.")
	}
	return property[strings.LastIndex(property, ".")+1:]
}

// similar returns the one of words that differs from word by two letters at most, or "".
func similar(word string, words []string) string {
	near := spelling.Near(word, words)
	if len(word) > 64 || len(near) == 0 || spelling.Distance(word, near[0]) > 2 {
		return ""
	}
	return near[0]
}

// Misspelled returns a line for each variable of an environment that is probably meant to
// set a property and has another name. environ is as os.Environ returns it.
func Misspelled(environ []string) (lines []string) {
	var variables []string
	for _, property := range Properties() {
		variables = append(variables, Variable(property))
	}
	others := []string{"CHAINGUARD_CONFIG", "CHAINGUARD_DEBUG", "CHAINGUARD_IDENTITY_ID", "CHAINGUARD_TOKEN"}
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, "CHAINGUARD_") || slices.Contains(others, name) || slices.Contains(variables, name) {
			continue
		}
		if near := similar(name, variables); near != "" {
			lines = append(lines, fmt.Sprintf("the variable %s means nothing; did you mean: %s", name, near))
		}
	}
	return lines
}

// index returns the index of a property in properties, or -1.
func index(name string) int {
	return slices.IndexFunc(properties, func(p property) bool { return p.name == name })
}

func isForeign(name string) bool {
	return slices.ContainsFunc(foreign, func(f string) bool { return name == f || strings.HasPrefix(name, f+".") })
}

// parse is set, but refuses a token: a setting is not secret.
func (p property) parse(c *Config, text string) (value string, err error) {
	if isToken(text) {
		_, _ = p.set(c, "")
		return "", errors.New("looks like a token, which a setting cannot have: give auth.identity-token the path of a file with it, " +
			"or auth.identity-token-env the name of a variable")
	}
	return p.set(c, text)
}

// parseInFile is parse for the settings file, where a path has to mean the same file in
// all folders.
func (p property) parseInFile(c *Config, text string) (value string, err error) {
	value, err = p.parse(c, text)
	if err == nil && p.name == identityToken && text != "" && !filepath.IsAbs(text) {
		return "", errors.New("must be an absolute path")
	}
	return value, err
}

// define returns a property. With an error, parse returns the value to use instead: the
// default, or nil for a URL.
func define[T any](name, doc, standard string, field func(*Config) *T, parse func(text string) (T, error)) property {
	return property{name: name, doc: doc, standard: standard, set: func(c *Config, text string) (string, error) {
		value, err := parse(text)
		*field(c) = value
		if err != nil {
			return "", err
		}
		return fmt.Sprint(value), nil
	}}
}

// endpoint is a property whose value is a URL that secrets are sent to.
func endpoint(name, doc, standard string, field func(*Config) **url.URL) property {
	return define(name, doc, standard, field, func(text string) (*url.URL, error) { return parseEndpoint(text, standard) })
}

const standardRegistry = "https://cgr.dev"

func parseRegistry(text string) (*url.URL, error) {
	u, err := parseEndpoint(text, standardRegistry)
	if err == nil && u.Path != "" {
		return nil, errors.New("a registry's URL has no path")
	}
	return u, err
}

// choice is a property that is one of a few words. The first is the default.
func choice(name, doc string, field func(*Config) *string, words ...string) property {
	p := define(name, doc, words[0], field, func(text string) (string, error) {
		if slices.Contains(words, text) {
			return text, nil
		}
		return words[0], errors.New("must be one of " + strings.TrimPrefix(strings.Join(words, ", "), ", "))
	})
	p.values = words
	return p
}

// toggle is a property that is true or false.
func toggle(name, doc string, standard bool, field func(*Config) *bool) property {
	p := define(name, doc, strconv.FormatBool(standard), field, func(text string) (bool, error) {
		on, err := parseBool(text)
		if err != nil {
			return standard, err
		}
		return on, nil
	})
	p.values = []string{"true", "false"}
	return p
}

func parseBool(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "1", "true", "yes", "on":
		return true, nil
	case "0", "false", "no", "off":
		return false, nil
	}
	return false, errors.New("must be true or false")
}

// text is a property that is empty or accepted by check.
func text(name, doc string, field func(*Config) *string, check func(string) error) property {
	return define(name, doc, "", field, func(text string) (string, error) {
		if text != "" {
			if err := check(text); err != nil {
				return "", err
			}
		}
		return text, nil
	})
}

// ValidUIDP reports whether id has the form of the id of an identity or a group: 40
// hexadecimal digits in lower case, and "/" and 16 more for each level below.
func ValidUIDP(id string) bool {
	for i, segment := range strings.Split(id, "/") {
		digits := 16
		if i == 0 {
			digits = 40
		}
		if len(segment) != digits || strings.Trim(segment, "0123456789abcdef") != "" {
			return false
		}
	}
	return true
}

func checkUIDP(text string) error {
	if !ValidUIDP(text) {
		return errors.New("must be an id: 40 hexadecimal digits, then / and 16 more for each level below")
	}
	return nil
}

// checkVariable accepts the names that shells can set.
func checkVariable(text string) error {
	other := func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}
	if strings.ContainsFunc(text, other) || text[0] >= '0' && text[0] <= '9' {
		return errors.New("must be the name of a variable: letters, digits and _")
	}
	return nil
}

func checkIssuer(text string) error {
	_, err := parseEndpoint(text, "https://login.example.com")
	return err
}

// maxName is the length of the longest host name, which a verified organization's name
// is, in bytes (RFC 1035, section 2.3.4).
const maxName = 253

func checkName(text string) error {
	switch {
	case len(text) > maxName:
		return fmt.Errorf("must be at most %d bytes long", maxName)
	case !printable(text):
		return errors.New("must have no control characters")
	case strings.TrimSpace(text) != text:
		return errors.New("must not begin or end with a blank")
	}
	return nil
}

func checkPath(text string) error {
	switch {
	case !printable(text):
		return errors.New("must have no control characters")
	case text == "-":
		return errors.New("must be the path of a file")
	}
	return nil
}

func printable(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}

// isToken reports whether text looks like a JWT or a refresh token: both begin with a JSON
// object in base64.
func isToken(text string) bool {
	return strings.HasPrefix(strings.TrimSpace(text), "eyJ")
}

// redact returns value if an error can repeat it, else "…". An invalid value can be any
// secret: a URL with a password, a token, a key.
func redact(value string) string {
	isKey := func(word string) bool { return len(word) >= 20 && strings.ContainsAny(word, "0123456789") }
	words := strings.FieldsFunc(value, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("_-+=", r)
	})
	if len(value) > 100 || strings.Contains(value, "eyJ") || strings.Contains(value, "@") || slices.ContainsFunc(words, isKey) {
		return "…"
	}
	return value
}
