// Package config reads the program's settings and records where each comes from.
//
// The precedence is: command line, environment, settings file, default. The environment
// variable of a property is "CHAINGUARD_" and its name in capitals, with "_" for "." and
// "-" (chainctl's rule). The file is YAML, nested like chainctl's:
//
//	auth:
//	  mode: headless
//
// No file is read from the current folder. chainctl's file is not read either, but its
// text can be copied into this program's. These properties of chainctl are ignored:
// platform.audience, auth.device-flow, default.active-within, default.autoclose,
// default.autoclose-timeout, default.log-level, default.skip-version-check, and all below
// output.
//
// An invalid value is an error that names its source. It is never silently replaced by
// the default.
package config

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"docker-credential-cgr/hint"
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
	AutoLoginTTY    = "tty"    // sign in if there is a terminal
	AutoLoginAlways = "always" // sign in without a terminal, and in CI too
	AutoLoginNever  = "never"  // `get` never opens a window
)

// The values of Config.Mode.
const (
	ModeAuto     = "auto"
	ModeBrowser  = "browser"  // a browser on this machine
	ModeHeadless = "headless" // a browser on another machine
)

// The values of OIDC.Flow.
const (
	FlowCode   = "code"   // authorization code with PKCE
	FlowDevice = "device" // device code (RFC 8628)
)

// Config holds every setting, checked.
type Config struct {
	Issuer   *url.URL // security token service; no trailing slash
	API      *url.URL // platform API; its text is the API's audience
	Registry *url.URL // no path; its Host is the registry's audience
	Console  *url.URL // the vendor's web page

	Keychain  string // one of the Keychain constants
	AutoLogin string // one of the AutoLogin constants
	Mode      string // one of the Mode constants
	Debug     bool   // report every step on standard error

	Identity         string // UIDP of the identity to assume, or ""
	IdentityToken    string // path of the file with its ID token, or ""
	IdentityTokenEnv string // name of the variable with its ID token, or ""; never both
	OIDC             OIDC   // a provider that is used without the platform's broker
	// Organizations have a session or an identity of their own.
	Organizations Organizations

	Group            string // default organization of commands, or ""
	OrgName          string // verified name of the organization whose provider signs users in, or ""
	IdentityProvider string // UIDP of that provider, or ""
	SocialLogin      string // email, google, github, gitlab or ""; at most one of these three is set
	UseRefreshToken  bool   // ask for a refresh token at sign-in

	// IdentityID and Token are a pull token from the environment
	// (CHAINGUARD_IDENTITY_ID and CHAINGUARD_TOKEN). Both are set or neither.
	IdentityID, Token string
	// Unpaired is the name of the missing variable if only one of the two is set. That is
	// not an error: other tools use CHAINGUARD_TOKEN alone.
	Unpaired string

	// File is the path of the settings file, whether or not it exists, or "" if there
	// is no folder for it.
	File string
	// Settings has a Setting for each of Properties, in that order.
	Settings []Setting

	skipAutoLogin bool
}

// OIDC is an OpenID provider that users sign in to directly.
type OIDC struct {
	// Issuer is a URL, unchanged, or "": the issuer in the provider's metadata must be
	// equal to the last slash (OpenID Connect Discovery 1.0, section 4.3).
	Issuer   string
	ClientID string
	Flow     string // one of the Flow constants
}

// Setting is a property, its value and where that comes from.
type Setting struct {
	Property string `json:"property"`
	Value    string `json:"value"`  // "" if it is unset or invalid
	Source   string `json:"source"` // as "flag --issuer", "CHAINGUARD_AUTH_MODE", "/path/config.yaml:12", "default"
}

// Sources is where settings are read from.
type Sources struct {
	// Getenv returns "" for a variable that is not set, like os.Getenv.
	Getenv func(string) string
	// Flags has the values from the command line, by property. An empty value is valid
	// if the property's default is empty.
	Flags map[string]string
	// File is the settings file that the command line names. Without it, it is
	// CHAINGUARD_CONFIG's, else docker-credential-cgr/config.yaml in the user's
	// configuration folder, which need not exist.
	File string
}

// Load reads the settings without a command line.
func Load(getenv func(string) string) (Config, error) {
	return Read(Sources{Getenv: getenv})
}

// Read reads the settings. With an error, the Config has every setting that could be
// read, so that a caller still knows which registry is ours: Registry is nil only if the
// registry's own setting is invalid. A file that cannot be used counts as empty. So with
// an error, a caller uses no setting other than Registry, Debug and File.
func Read(s Sources) (Config, error) {
	var c Config
	r := reader{Sources: s}
	c.File, r.file = r.readFile()

	found := make([]finding, len(properties))
	for i, p := range properties {
		found[i] = r.find(p)
	}
	r.excludeRivals(found)
	c.Settings = make([]Setting, len(properties))
	for i, p := range properties {
		c.Settings[i] = r.take(&c, p, found[i])
	}
	if auto := index("auth.auto-login"); c.skipAutoLogin && found[auto].layer == layerDefault {
		c.AutoLogin = AutoLoginNever
		skip := c.Settings[index("default.skip-auto-login")]
		c.Settings[auto].Value, c.Settings[auto].Source = AutoLoginNever, skip.Source+" ("+skip.Property+")"
	}

	if debug := r.Getenv(Variable("debug")); debug != "" {
		var err error
		if c.Debug, err = parseBool(debug); err != nil {
			r.failVariable(Variable("debug"), fmt.Errorf("%s=%q: must be 1 or 0", Variable("debug"), redact(debug)))
		}
	}
	if secret := Variable(clientSecret); r.Getenv(secret) != "" {
		r.failVariable(secret, fmt.Errorf("%s: %s", secret, noClientSecret))
	}
	r.readPair(&c)
	return c, errors.Join(r.errs...)
}

// readPair reads the pull token in the environment.
func (r *reader) readPair(c *Config) {
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
}

// reader collects errors, so that an invalid setting hides no valid one.
type reader struct {
	Sources
	file map[string]entry // the settings file, by property
	errs []error
}

// layer is where a value was found. The highest has precedence.
type layer int

const (
	layerDefault layer = iota
	layerFile
	layerEnvironment
	layerFlag
)

// finding is a property's value before it is checked.
type finding struct {
	text   string
	layer  layer
	source string // Setting.Source
	where  string // source for an error, with the property's name if source does not have it
	err    error  // why there is no text
}

// find looks for a property in the layers, the highest first.
func (r *reader) find(p property) finding {
	if text, ok := r.Flags[p.name]; ok {
		flag := "flag --" + Flag(p.name)
		return finding{text: text, layer: layerFlag, source: flag, where: flag}
	}
	if text := r.Getenv(Variable(p.name)); text != "" {
		return finding{text: text, layer: layerEnvironment, source: Variable(p.name), where: Variable(p.name)}
	}
	if e, ok := r.file[p.name]; ok {
		return finding{text: e.text, layer: layerFile, source: e.source, where: e.source + ": " + p.name, err: e.err}
	}
	return finding{text: p.standard, source: "default", where: p.name}
}

// excludeRivals checks that of properties that exclude each other only one is set. One on
// the command line replaces the others, since it is meant for this run.
func (r *reader) excludeRivals(found []finding) {
	for _, group := range exclusive {
		top := layerDefault
		for _, name := range group {
			if f := found[index(name)]; f.text != "" {
				top = max(top, f.layer)
			}
		}
		for _, name := range group {
			if f := &found[index(name)]; top == layerFlag && f.layer != layerFlag {
				*f = finding{source: "default", where: name}
			}
		}
	}
	r.errs = append(r.errs, conflicts(func(name string) string {
		if f := found[index(name)]; f.text != "" {
			return f.where
		}
		return ""
	})...)
}

// conflicts returns an error for each group of exclusive of which more than one property
// is set. where returns where a property is set, or "".
func conflicts(where func(name string) string) (errs []error) {
	for _, group := range exclusive {
		var set []string
		for _, name := range group {
			if w := where(name); w != "" {
				set = append(set, w)
			}
		}
		if len(set) > 1 {
			errs = append(errs, hint.With(fmt.Errorf("%s exclude each other", strings.Join(set, " and ")), hint.Text("keep one of them")))
		}
	}
	return errs
}

// take checks what was found and puts it into c.
func (r *reader) take(c *Config, p property, f finding) Setting {
	parse := p.parse
	if f.layer == layerFile {
		parse = p.parseInFile
	}
	value, err := parse(c, f.text)
	switch {
	case f.err != nil:
		value = ""
		r.errs = append(r.errs, fmt.Errorf("%s: %w", f.where, f.err))
	case err != nil:
		err = fmt.Errorf("%s=%q: %w", f.where, redact(f.text), err)
		if f.layer == layerEnvironment && len(hint.Of(err)) == 0 {
			r.failVariable(f.source, err)
		} else {
			r.errs = append(r.errs, err)
		}
	}
	return Setting{Property: p.name, Value: value, Source: f.source}
}

func (r *reader) failVariable(variable string, err error) {
	r.errs = append(r.errs, hint.With(err, hint.Text("%s, or correct it", hint.Unset(variable).Text)))
}

// secret reads a variable whose value is never shown. It cuts off a line end, which a
// value read from a file may have. A header cannot have one inside.
func (r *reader) secret(variable string) string {
	value := r.Getenv(variable)
	value = strings.TrimSuffix(strings.TrimSuffix(value, "\n"), "\r")
	if strings.ContainsFunc(value, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		r.failVariable(variable, fmt.Errorf("%s has a control character", variable))
		return ""
	}
	return value
}
