package state

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// Home returns the user's home directory: $HOME, or else the home in the user database, as
// for Docker (github.com/docker/docker/pkg/homedir). It ignores a relative $HOME, and the
// root directory, which containers set for a user without a home. For root it also
// ignores the home of another user: jobs of GitHub Actions in a container run as root
// with the runner's HOME.
func Home(getenv func(string) string) (string, error) {
	if runtime.GOOS == "windows" {
		return os.UserHomeDir()
	}
	if home := getenv("HOME"); isHome(home) && !(os.Geteuid() == 0 && ofAnotherUser(home)) {
		return home, nil
	}
	return databaseHome()
}

func isHome(dir string) bool { return filepath.IsAbs(dir) && filepath.Clean(dir) != "/" }

// databaseHome returns this user's home in the user database.
func databaseHome() (string, error) {
	uid := os.Getuid()
	var home string
	if runtime.GOOS == "darwin" {
		// The database is a service, which os/user always asks.
		if u, err := user.Current(); err == nil {
			home = u.HomeDir
		}
	} else {
		// Not with os/user: without cgo it returns $HOME for a user that is not in the
		// file, so two processes of a user could have different homes.
		text, err := os.ReadFile("/etc/passwd")
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", fmt.Errorf("cannot look up the home directory of user %d: %w", uid, err)
		}
		home = passwdHome(string(text), uid)
	}
	if !isHome(home) {
		return "", fmt.Errorf("user %d has no home directory: HOME is %q, and the user database names none", uid, os.Getenv("HOME"))
	}
	return home, nil
}

// passwdHome returns the home of uid in the text of a passwd(5) file, or "". It skips
// comments and references to NIS.
func passwdHome(text string, uid int) string {
	for line := range strings.Lines(text) {
		fields := strings.Split(strings.TrimRight(line, "\r\n"), ":")
		if len(fields) == 7 && !strings.ContainsAny(line[:1], "#+-") && fields[2] == strconv.Itoa(uid) {
			return fields[5]
		}
	}
	return ""
}

// StoreDir returns the directory of service for the user's own files: below $XDG_STATE_HOME
// if that is an absolute path (a relative one is invalid: XDG Base Directory
// Specification), else below Home, or %LocalAppData% on Windows.
func StoreDir(service string) (string, error) {
	if runtime.GOOS == "windows" {
		base, err := os.UserCacheDir() // %LocalAppData%
		if err != nil {
			return "", fmt.Errorf("the file store needs a folder: %w", err)
		}
		return filepath.Join(base, service), nil
	}
	if base := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(base) {
		return filepath.Join(base, service), nil
	}
	home, err := Home(os.Getenv)
	if err != nil {
		return "", err
	}
	return filepath.Join(home, ".local", "state", service), nil
}
