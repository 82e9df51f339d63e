package keychain

import (
	"errors"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/zalando/go-keyring"
)

// osStore is the operating system's keychain through go-keyring.
type osStore struct{ service string }

func (s *osStore) name() string {
	switch runtime.GOOS {
	case "darwin":
		return "macOS keychain"
	case "windows":
		return "Windows Credential Manager"
	}
	return "Secret Service"
}

// limit is what go-keyring takes in one piece: 2,560 bytes on Windows; on macOS a
// command line of 4,096 bytes that holds the value in base64 beside its names.
func (s *osStore) limit() int {
	switch runtime.GOOS {
	case "darwin":
		return 2500
	case "windows":
		return 2560
	}
	return 0
}

func (s *osStore) get(name string) (string, error) {
	if err := reachable(); err != nil {
		return "", err
	}
	value, hit, there := lookup(s.service, name)
	if hit {
		return value, nil
	}
	value, err := keyring.Get(s.service, name)
	switch {
	case errors.Is(err, keyring.ErrNotFound):
		return "", ErrNotFound
	case err != nil && there && s.absent(err):
		return "", errLeft // not the same as never having been there
	}
	return value, err
}

// errLeft says that the Secret Service ended while it was asked.
var errLeft = errors.New("it left in the middle of the call (to unlock it again, sign in to the desktop)")

func (s *osStore) set(name, value string, _ time.Time) error {
	if err := reachable(); err != nil {
		return err
	}
	return keyring.Set(s.service, name, value)
}

func (s *osStore) delete(name string) error {
	if err := reachable(); err != nil {
		return err
	}
	err := keyring.Delete(s.service, name)
	if errors.Is(err, keyring.ErrNotFound) {
		return ErrNotFound
	}
	return err
}

// absent says whether err means that there is no keychain here: no session bus,
// a stale address of one, or nobody on it who is a Secret Service.
func (s *osStore) absent(err error) bool {
	if runtime.GOOS == "darwin" || runtime.GOOS == "windows" {
		return false
	}
	if errors.Is(err, errNoBus) || errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ECONNREFUSED) {
		return true
	}
	// The bus's own words (org.freedesktop.DBus.Error.ServiceUnknown).
	return strings.Contains(err.Error(), "org.freedesktop.secrets was not provided by any .service files")
}

func (s *osStore) hint(err error) string {
	text := err.Error()
	switch {
	case errors.Is(err, errNoBus), strings.Contains(text, "org.freedesktop.secrets"):
		return "start one (such as gnome-keyring), or keep secrets in a file of mode 0600 with CHAINGUARD_KEYCHAIN=file"
	case strings.Contains(text, "unlock"), strings.Contains(text, "no answer within"), strings.Contains(text, "IsLocked"):
		return "unlock the keychain (sign in to the desktop, or run gnome-keyring-daemon --unlock), or use CHAINGUARD_KEYCHAIN=file"
	case strings.Contains(text, "exit status"):
		return "allow access when macOS asks, or run: security unlock-keychain"
	}
	return ""
}
