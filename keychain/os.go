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

// osLimit returns how many bytes a value may have for go-keyring: 2,560 on Windows; on
// macOS, where a command line of 4,096 bytes has the value in base64 and its names, 2,500.
// Zero means no limit.
func osLimit() int {
	switch runtime.GOOS {
	case "darwin":
		return 2500
	case "windows":
		return 2560
	}
	return 0
}

// entryName returns the name for the keychain of a system. The Credential Manager of Windows
// ignores the letter case of names and limits their length: such names get a hash.
func entryName(system, name string) string {
	isUpper := func(r rune) bool { return r >= 'A' && r <= 'Z' || r > '~' }
	if system == "windows" && (len(name) > 200 || strings.ContainsFunc(name, isUpper)) {
		return name[:min(len(name), 100)] + " " + sum(name)
	}
	return name
}

func (s *osStore) get(name string) (string, error) {
	if err := checkBus(); err != nil {
		return "", err
	}
	name = entryName(runtime.GOOS, name)
	value, hit, answered := lookup(s.service, name)
	if hit {
		return value, nil
	}
	value, err := keyring.Get(s.service, name)
	switch {
	case errors.Is(err, keyring.ErrNotFound):
		return "", ErrNotFound
	case err != nil && answered && s.isAbsent(err):
		return "", errStopped // so it is not absent
	}
	return value, err
}

// errStopped means that the Secret Service ended during a call.
var errStopped = errors.New("it stopped during the call")

func (s *osStore) set(name, value string, _ time.Time) error {
	if err := checkBus(); err != nil {
		return err
	}
	name = entryName(runtime.GOOS, name)
	return keyring.Set(s.service, name, value)
}

func (s *osStore) delete(name string) error {
	if err := checkBus(); err != nil {
		return err
	}
	name = entryName(runtime.GOOS, name)
	err := keyring.Delete(s.service, name)
	if errors.Is(err, keyring.ErrNotFound) {
		return ErrNotFound
	}
	return err
}

// isAbsent reports whether err means that there is no keychain: no session bus, an outdated
// address of one, or no Secret Service on it.
func (s *osStore) isAbsent(err error) bool {
	if runtime.GOOS == "darwin" || runtime.GOOS == "windows" {
		return false
	}
	if errors.Is(err, errNoBus) || errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ECONNREFUSED) {
		return true
	}
	// The text of org.freedesktop.DBus.Error.ServiceUnknown.
	return strings.Contains(err.Error(), "org.freedesktop.secrets was not provided by any .service files")
}

func (s *osStore) hint(err error) string {
	text := err.Error()
	switch {
	case errors.Is(err, errStopped):
		return "sign in to the desktop to unlock it again"
	case errors.Is(err, errNoBus), strings.Contains(text, "org.freedesktop.secrets"):
		return "start one (such as gnome-keyring), or keep secrets in a file of mode 0600 with CHAINGUARD_KEYCHAIN=file"
	case strings.Contains(text, "unlock"), strings.Contains(text, "no answer within"), strings.Contains(text, "IsLocked"):
		return "unlock the keychain (sign in to the desktop, or run gnome-keyring-daemon --unlock), or use CHAINGUARD_KEYCHAIN=file"
	case strings.Contains(text, "exit status"):
		return "allow access when macOS asks, or run: security unlock-keychain"
	}
	return ""
}
