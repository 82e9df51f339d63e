// Package config reads the program's settings and says where each came from.
//
// A setting is looked for on the command line, in the environment, in the user's
// file, and has a default; the first that has it wins. Its variable is its
// property's name in capitals, with "_" for "." and "-", behind "CHAINGUARD_"
// (chainctl's own rule). The file is YAML, nested as chainctl's is:
//
//	auth:
//	  mode: headless
//
// Nothing is ever looked for in the current folder, and chainctl's file is not
// read; but its text may be copied into ours. These properties of chainctl mean
// nothing here and are passed over: platform.audience, auth.device-flow,
// default.active-within, default.autoclose, default.autoclose-timeout,
// default.log-level, default.skip-version-check, and all below output.
//
// A value that cannot be right is an error that names where it came from: it is
// never replaced by the default in silence.
package config

import (
	"errors"
	"fmt"
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
	ModeAuto     = "auto"
	ModeBrowser  = "browser"  // this machine's, whatever speaks against it
	ModeHeadless = "headless" // a browser elsewhere
)

// The values of OIDC.Flow.
const (
	FlowCode   = "code"   // authorization code with PKCE
	FlowDevice = "device" // device code (RFC 8628)
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

	Identity         string // UIDP of the identity to assume, or ""
	IdentityToken    string // path of the file that holds its ID token, or ""
	IdentityTokenEnv string // name of the variable that holds it, or ""; never both
	OIDC             OIDC   // a provider that is used without the platform's broker

	Group            string // organization that commands mean when none is named, or ""
	OrgName          string // verified name of the organization whose provider signs people in, or ""
	IdentityProvider string // UIDP of that provider, or ""
	SocialLogin      string // email, google, github, gitlab or ""; at most one of these three is set
	UseRefreshToken  bool   // ask for a refresh token at sign-in

	// IdentityID and Token are a pull token given by the environment
	// (CHAINGUARD_IDENTITY_ID and CHAINGUARD_TOKEN). Both are set or neither.
	IdentityID, Token string
	// Unpaired says which of the two is missing, where one alone is set. That is
	// no error: other tools of the field use CHAINGUARD_TOKEN alone.
	Unpaired string

	// File is the path of the settings file, whether or not it exists; "" where
	// no folder can be told for it.
	File string
	// Settings holds a Setting for each of Properties, in that order.
	Settings []Setting

	skipAutoLogin bool
}

// OIDC names an OpenID provider that people sign in to directly.
type OIDC struct {
	// Issuer is a URL exactly as it was given, or "": what the provider says of
	// itself must equal it to the last slash (OpenID Connect Discovery 1.0,
	// section 4.3).
	Issuer   string
	ClientID string
	Flow     string // one of the Flow constants
}

// Setting is one property, what it is set to, and by what.
type Setting struct {
	Property string
	Value    string // "" where it is unset, or its value is wrong
	Source   string // as "flag --issuer", "CHAINGUARD_AUTH_MODE", "/path/config.yaml:12", "default"
}

// Sources is where settings are looked for.
type Sources struct {
	// Getenv answers "" for what is not set; os.Getenv does.
	Getenv func(string) string
	// Flags holds what the command line sets, by property. An empty value stands
	// for "none", where that is the property's default; elsewhere it is refused.
	Flags map[string]string
	// File is the settings file that the command line names. Without one it is
	// CHAINGUARD_CONFIG's, else docker-credential-cgr/config.yaml in the user's
	// folder for configuration, which need not exist.
	File string
}

// Load reads the settings without a command line.
func Load(getenv func(string) string) (Config, error) {
	return Read(Sources{Getenv: getenv})
}

// Read reads the settings. On error the returned Config holds every setting that
// could be read, so that a caller can still tell which registry is ours: its
// Registry is nil only when the registry's own setting is wrong. What a file says
// that cannot be used as a whole is unknown, and defaults stand in for it: on
// error no setting but Registry, Debug and File is to be acted on.
func Read(s Sources) (Config, error) {
	var c Config
	r := reader{Sources: s}
	c.File, r.file = r.readFile()

	found := make([]finding, len(properties))
	for i, p := range properties {
		found[i] = r.find(p)
	}
	r.exclude(found)
	c.Settings = make([]Setting, len(properties))
	for i, p := range properties {
		c.Settings[i] = r.take(&c, p, found[i])
	}
	if auto := index("auth.auto-login"); c.skipAutoLogin && found[auto].layer == layerDefault {
		c.AutoLogin = AutoLoginNever
		skip := c.Settings[index("default.skip-auto-login")]
		c.Settings[auto].Value, c.Settings[auto].Source = AutoLoginNever, skip.Source+" ("+skip.Property+")"
	}

	var why string
	if c.Debug, why = parseBool(r.Getenv(Variable("debug")), "0"); why != "" {
		r.fail(Variable("debug"), r.Getenv(Variable("debug")), "must be 1 or 0")
	}
	if secret := Variable(clientSecret); r.Getenv(secret) != "" {
		r.errs = append(r.errs, fmt.Errorf("%s: %s; unset it", secret, noClientSecret))
	}
	r.readPair(&c)
	return c, errors.Join(r.errs...)
}

// readPair reads the pull token that the environment gives.
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

// reader collects what is wrong, so that one bad setting hides no good one.
type reader struct {
	Sources
	file map[string]entry // what the settings file has, by property
	errs []error
}

// layer says how near to the user's hand a value was found.
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
	where  string // the same for an error: with the property's name, unless source tells it
	why    string // why it cannot even be looked at, or ""
}

// find looks for a property, in the layers from the top.
func (r *reader) find(p property) finding {
	if text, ok := r.Flags[p.name]; ok {
		flag := "flag --" + Flag(p.name)
		return finding{text: text, layer: layerFlag, source: flag, where: flag}
	}
	if text := r.Getenv(Variable(p.name)); text != "" {
		return finding{text: text, layer: layerEnvironment, source: Variable(p.name), where: Variable(p.name)}
	}
	if e, ok := r.file[p.name]; ok {
		return finding{text: e.text, layer: layerFile, source: e.source, where: e.source + ": " + p.name, why: e.why}
	}
	return finding{text: p.standard, source: "default", where: p.name}
}

// exclude sees to it that of properties that exclude each other one is left: the
// one on the command line, where there is one, which is meant for this run.
func (r *reader) exclude(found []finding) {
	for _, group := range exclusive {
		top := layerDefault
		for _, name := range group {
			if f := found[index(name)]; f.text != "" {
				top = max(top, f.layer)
			}
		}
		var where []string
		for _, name := range group {
			f := &found[index(name)]
			if top == layerFlag && f.layer != layerFlag {
				*f = finding{source: "default", where: name}
			}
			if f.text != "" {
				where = append(where, f.where)
			}
		}
		if len(where) > 1 {
			r.errs = append(r.errs, fmt.Errorf("%s exclude each other: set one of them", strings.Join(where, " and ")))
		}
	}
}

// take checks what was found and puts it into c.
func (r *reader) take(c *Config, p property, f finding) Setting {
	value, why := p.parse(c, f.text)
	if why == "" && f.layer == layerFile {
		why = p.checkInFile(f.text)
	}
	switch {
	case f.why != "":
		value = ""
		r.errs = append(r.errs, fmt.Errorf("%s: %s", f.where, f.why))
	case why != "":
		value = ""
		r.fail(f.where, f.text, why)
	}
	return Setting{Property: p.name, Value: value, Source: f.source}
}

func (r *reader) fail(where, value, why string) {
	r.errs = append(r.errs, fmt.Errorf("%s=%q: %s", where, shown(value), why))
}

// secret reads a variable whose value is never shown. A line end that came with
// it, as from a file, is cut off; inside, no header could carry one.
func (r *reader) secret(variable string) string {
	value := r.Getenv(variable)
	value = strings.TrimSuffix(strings.TrimSuffix(value, "\n"), "\r")
	if strings.ContainsFunc(value, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		r.errs = append(r.errs, fmt.Errorf("%s holds a control character: set it to the value alone", variable))
		return ""
	}
	return value
}
