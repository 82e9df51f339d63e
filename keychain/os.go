package keychain

import (
	"errors"
	"runtime"
	"strings"

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
	value, err := keyring.Get(s.service, name)
	if errors.Is(err, keyring.ErrNotFound) {
		return "", ErrNotFound
	}
	return value, err
}

func (s *osStore) set(name, value string) error {
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
		return nil
	}
	return err
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
