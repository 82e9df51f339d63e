package keychain

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
)

// ErrNotPrivate says that another user could have written or read what a secret
// or a lock lies in, so that it is not used.
var ErrNotPrivate = errors.New("not used")

func notPrivate(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrNotPrivate, fmt.Sprintf(format, args...))
}

// stateDir is where the file store lies: below $XDG_STATE_HOME where that is
// set to an absolute path (a relative one is invalid: XDG Base Directory
// Specification), else below the user's home, which the environment names.
func stateDir(service string) (string, error) {
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
	home := os.Getenv("HOME")
	if !filepath.IsAbs(home) || filepath.Clean(home) == "/" {
		return "", fmt.Errorf("the file store lies below $HOME, which is %q: set HOME to your home folder, or XDG_STATE_HOME", home)
	}
	return filepath.Join(home, ".local", "state", service), nil
}

// homeDir is where the locks of the other stores lie: below the home that the
// user database names for this user, not $HOME or $XDG_RUNTIME_DIR. A desktop
// session, cron and su share the keychain, but not those variables; two
// processes that see the same secret have to meet at the same lock.
func homeDir(service string) (string, error) {
	if runtime.GOOS == "windows" {
		return stateDir(service)
	}
	u, err := user.Current()
	if err != nil {
		return "", fmt.Errorf("cannot tell the home folder of user %d: %w", os.Getuid(), err)
	}
	if !filepath.IsAbs(u.HomeDir) {
		return "", fmt.Errorf("user %s has no home folder", u.Username)
	}
	return filepath.Join(u.HomeDir, ".local", "state", service), nil
}

// ensurePrivateDir makes dir, and refuses one in which another user could have
// put or changed a file. It does not mend the mode in silence: whoever opened the
// folder may have read or planted something.
func ensurePrivateDir(dir string) error {
	if err := checkPrivateDir(dir); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := checkParent(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return checkPrivateDir(dir)
}

func checkPrivateDir(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return notPrivate("%s is not a folder (a link is not followed): remove it", dir)
	}
	return checkPrivate(dir, info, 0o700)
}
