package doctor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"docker-credential-cgr/hint"
)

// checkRegctl checks that regctl has no login for the registry of its own, which it uses
// instead of a credential helper. It returns no result if regctl has no file.
func (c *Checker) checkRegctl() []Result {
	const check = "regctl"
	path := c.regctlPath()
	if path == "" {
		return nil
	}
	text, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	host := c.Config.Registry.Host
	var found bool
	if err == nil {
		found, err = hasRegctlLogin(text, host)
	}
	switch {
	case err != nil:
		return []Result{warning(check, "cannot tell whether regctl has a login of its own: "+err.Error(), hint.Text("correct or remove %s", hint.Quote(path)))}
	case found:
		return []Result{warning(check, fmt.Sprintf("%s has a login for %s in clear text, which regctl uses instead of a credential helper", path, host),
			hint.Text("regctl registry logout %s", host))}
	}
	return nil
}

// regctlPath returns the file that regctl reads (regclient, cmd/regctl/config.go), or ""
// without a home directory.
func (c *Checker) regctlPath() string {
	if path := c.Getenv("REGCTL_CONFIG"); path != "" {
		return path
	}
	if c.Home == "" {
		return ""
	}
	dir := c.Getenv("XDG_CONFIG_HOME")
	if dir == "" {
		dir = filepath.Join(c.Home, ".config")
	}
	if path := filepath.Join(dir, "regctl", "config.json"); runtime.GOOS != "windows" && exists(path) {
		return path
	}
	return filepath.Join(c.Home, ".regctl", "config.json")
}

// readFile reads at most 1 MiB of a regular file.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	const limit = 1 << 20
	return io.ReadAll(io.LimitReader(f, limit))
}

// hasRegctlLogin reports whether regctl's configuration has a password or a token for
// host. Its errors do not quote the text.
func hasRegctlLogin(text []byte, host string) (bool, error) {
	var config struct {
		Hosts map[string]struct{ Pass, Token string }
	}
	if json.Unmarshal(text, &config) != nil {
		return false, errors.New("its configuration is not valid JSON")
	}
	login := config.Hosts[host]
	return login.Pass+login.Token != "", nil
}
