package doctor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"docker-credential-cgr/hint"
)

// checkRegctl checks that regctl has no login for the registry of its own, which it uses
// instead of a credential helper. It returns no result if regctl has no file.
func (c *Checker) checkRegctl() []Result {
	const check = "regctl"
	path, host := c.regctlPath(), c.Config.Registry.Host
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var config struct {
		Hosts map[string]struct{ Pass, Token string }
	}
	if err == nil && json.Unmarshal(text, &config) != nil {
		err = errors.New("its configuration is not valid JSON")
	}
	if err != nil {
		return []Result{warning(check, "cannot tell whether regctl has a login of its own: "+err.Error(), hint.Text("correct or remove %s", hint.Quote(path)))}
	}
	if login := config.Hosts[host]; login.Pass+login.Token != "" {
		return []Result{warning(check, fmt.Sprintf("%s has a login for %s in clear text, which regctl uses instead of a credential helper", path, host),
			hint.Text("regctl registry logout %s", host))}
	}
	return nil
}

// regctlPath returns the file that regctl reads (regclient, cmd/regctl/config.go), or ""
// without a home directory.
func (c *Checker) regctlPath() string {
	if path := c.Getenv("REGCTL_CONFIG"); path != "" || c.Home == "" {
		return path
	}
	if path := filepath.Join(c.Home, ".config", "regctl", "config.json"); exists(path) {
		return path
	}
	return filepath.Join(c.Home, ".regctl", "config.json")
}
