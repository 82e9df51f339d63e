package tempconfig

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"docker-credential-cgr/state"
)

// Packages is the configuration of npm, Bundler and the tools that read a netrc file, such as
// pip, uv and Go: copies of the user's files, with a credential for the host of packages.
type Packages struct {
	Folder *Folder
	Host   string // of the packages

	npm, netrc, bundle string // of the user
}

// The files for packages in a folder.
const (
	npmFile    = "npmrc"
	netrcFile  = "netrc"
	bundleFile = "bundle"
)

// NewPackages reads the user's files, whose environment getenv returns. home is the user's home
// directory; without one, only files that the environment names are read.
func NewPackages(folder *Folder, host string, getenv func(string) string, home string) (*Packages, error) {
	p := &Packages{Folder: folder, Host: host}
	netrcName := ".netrc"
	if runtime.GOOS == "windows" {
		netrcName = "_netrc"
	}
	bundleHome := getenv("BUNDLE_USER_HOME")
	if bundleHome == "" && home != "" {
		bundleHome = filepath.Join(home, ".bundle")
	}
	for _, file := range []struct {
		into      *string
		variables []string
		dir, name string // without a variable
	}{
		{&p.npm, npmVariables, home, ".npmrc"},
		{&p.netrc, []string{"NETRC"}, home, netrcName},
		{&p.bundle, []string{bundleVariable}, bundleHome, "config"},
	} {
		var path string
		for _, name := range file.variables {
			if value := getenv(name); value != "" {
				path = value
			}
		}
		if path == "" && filepath.IsAbs(file.dir) {
			path = filepath.Join(file.dir, file.name)
		}
		if path == "" {
			continue
		}
		text, err := os.ReadFile(path) //nolint:gosec // the user's own file
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		*file.into = string(text)
	}
	return p, nil
}

// The variables with the paths of the files. npm ignores the case of its own, and sets the
// second one for scripts; pnpm 11 has its own.
var npmVariables = []string{"NPM_CONFIG_USERCONFIG", "npm_config_userconfig"}

const (
	pnpmVariable   = "pnpm_config_npmrc_auth_file"
	bundleVariable = "BUNDLE_USER_CONFIG"
)

// Environ returns the variables that make tools use the files.
func (p *Packages) Environ() []string {
	environ := []string{
		"NETRC=" + filepath.Join(p.Folder.Path, netrcFile),
		bundleVariable + "=" + filepath.Join(p.Folder.Path, bundleFile),
	}
	for _, name := range append([]string{pnpmVariable}, npmVariables...) {
		environ = append(environ, name+"="+filepath.Join(p.Folder.Path, npmFile))
	}
	return environ
}

// Write writes the files with a credential, in place of an earlier one.
func (p *Packages) Write(login Login) error {
	if strings.ContainsFunc(login.Username+login.Secret, isSpecial) {
		return fmt.Errorf("the credential for %s has a character that cannot be written to a configuration file", p.Host)
	}
	for name, text := range map[string]string{
		npmFile: p.npmText(login), netrcFile: p.netrcText(login), bundleFile: p.bundleText(login),
	} {
		if err := state.WriteFile(filepath.Join(p.Folder.Path, name), []byte(text)); err != nil {
			return err
		}
	}
	return nil
}

// isSpecial reports whether a character has a meaning in one of the files, or none.
func isSpecial(r rune) bool {
	return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"'\#;$`, r)
}

// npmText returns an npmrc with the credential for all paths of the host, and without other
// credentials for it, of which npm prefers those with a path
// (https://docs.npmjs.com/cli/configuring-npm/npmrc).
func (p *Packages) npmText(login Login) string {
	var b strings.Builder
	for line := range strings.Lines(p.npm) {
		if !p.isNPMCredential(line) {
			b.WriteString(strings.TrimRight(line, "\r\n") + "\n")
		}
	}
	if login.IsToken {
		fmt.Fprintf(&b, "//%s/:_authToken=%s\n", p.Host, login.Secret)
	} else {
		fmt.Fprintf(&b, "//%s/:_auth=%s\n", p.Host, base64.StdEncoding.EncodeToString([]byte(login.Username+":"+login.Secret)))
	}
	return b.String()
}

// isNPMCredential reports whether a line of an npmrc is a credential for the host.
func (p *Packages) isNPMCredential(line string) bool {
	key, _, _ := strings.Cut(line, "=")
	key = strings.Trim(key, " \t\"'")
	scope := key[:max(strings.LastIndex(key, ":"), 0)]
	switch key[len(scope):] {
	case ":_authToken", ":_auth", ":username", ":_password":
		return scope == "//"+p.Host || strings.HasPrefix(scope, "//"+p.Host+"/")
	}
	return false
}

// netrcText returns a netrc with the credential twice: of two entries for a host, most tools
// use the first, Python the last.
func (p *Packages) netrcText(login Login) string {
	entry := fmt.Sprintf("machine %s login %s password %s\n", p.hostname(), login.Username, login.Secret)
	if p.netrc == "" {
		return entry
	}
	return entry + p.netrc + "\n\n" + entry // an empty line ends a macro
}

// bundleText returns a configuration of Bundler with the credential
// (https://bundler.io/man/bundle-config.1.html, "Credentials for gem sources"). The last of
// two values for a key counts.
func (p *Packages) bundleText(login Login) string {
	text := p.bundle
	if text == "" {
		text = "---"
	}
	key := strings.ToUpper(strings.NewReplacer(".", "__", "-", "___").Replace(p.hostname()))
	return fmt.Sprintf("%s\nBUNDLE_%s: \"%s:%s\"\n", strings.TrimRight(text, "\n"), key, login.Username, login.Secret)
}

// hostname returns the host without its port, as netrc and Bundler have it.
func (p *Packages) hostname() string {
	if name, _, err := net.SplitHostPort(p.Host); err == nil {
		return name
	}
	return p.Host
}
