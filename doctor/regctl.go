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
)

// regctl checks that regctl has no login for the registry of its own, which it takes
// before any credential helper. Without a file of regctl's it returns no result.
func (p *Patient) regctl() []Result {
	const check = "regctl"
	path := p.regctlPath()
	if path == "" {
		return nil
	}
	text, err := readRegctl(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	host := p.Config.Registry.Host
	var found bool
	if err == nil {
		found, err = hasRegctlLogin(text, host)
	}
	switch {
	case err != nil:
		return []Result{warning(check, "correct or remove "+quoted(path), "cannot tell whether regctl has a login of its own: %v", err)}
	case found:
		return []Result{warning(check, "regctl registry logout "+host,
			"%s holds a login for %s in clear text, which regctl uses instead of a credential helper", path, host)}
	}
	return nil
}

// regctlPath returns the file that regctl reads (regclient, cmd/regctl/config.go), or ""
// if there is no home folder to look in.
func (p *Patient) regctlPath() string {
	if path := p.Getenv("REGCTL_CONFIG"); path != "" {
		return path
	}
	if p.Home == "" {
		return ""
	}
	folder := p.Getenv("XDG_CONFIG_HOME")
	if folder == "" {
		folder = filepath.Join(p.Home, ".config")
	}
	if path := filepath.Join(folder, "regctl", "config.json"); runtime.GOOS != "windows" && exists(path) {
		return path
	}
	return filepath.Join(p.Home, ".regctl", "config.json")
}

func readRegctl(path string) ([]byte, error) {
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

// hasRegctlLogin reports whether regctl's configuration holds a password or a token for
// host. Its errors quote nothing of the text.
func hasRegctlLogin(text []byte, host string) (bool, error) {
	var config struct {
		Hosts map[string]struct{ Pass, Token string }
	}
	if json.Unmarshal(text, &config) != nil {
		return false, errors.New("its configuration is not the JSON of one")
	}
	login := config.Hosts[host]
	return login.Pass+login.Token != "", nil
}
