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

// Home returns the user's home directory: $HOME or, where that is not set, the
// home in the user database, as Docker does (github.com/docker/docker/pkg/homedir).
// A relative $HOME and the root directory count as not set: containers set HOME=/
// for a user that has no home. So does another user's, for root: jobs of GitHub
// Actions in a container run as root with the runner's HOME.
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

// databaseHome returns the home that the user database names for this user.
func databaseHome() (string, error) {
	uid := os.Getuid()
	var home string
	if runtime.GOOS == "darwin" {
		// The database is a service there, which os/user always asks.
		if u, err := user.Current(); err == nil {
			home = u.HomeDir
		}
	} else {
		// Not by way of os/user: built without cgo, it takes $HOME for the home of
		// a user that is not in the file, so that two processes of one user could
		// be told two different homes.
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

// passwdHome returns the home that the text of a passwd(5) file has for uid, or "".
// Lines that are a comment or refer to NIS are none of a user.
func passwdHome(text string, uid int) string {
	for line := range strings.Lines(text) {
		fields := strings.Split(strings.TrimRight(line, "\r\n"), ":")
		if len(fields) == 7 && !strings.ContainsAny(line[:1], "#+-") && fields[2] == strconv.Itoa(uid) {
			return fields[5]
		}
	}
	return ""
}
