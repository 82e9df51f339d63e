package keychain

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"docker-credential-cgr/atomicfile"
	"docker-credential-cgr/state"
)

// fileStore stores each secret in a file of mode 0600.
type fileStore struct{ dir string }

func (s *fileStore) name() string      { return "file store " + s.dir }
func (s *fileStore) hint(error) string { return "" }

// path returns the path of a secret's file: the first word of the name, for users who look
// into the folder, and a hash, since names have slashes and can be long.
func (s *fileStore) path(name string) string {
	word, _, _ := strings.Cut(name, " ")
	hash := sha256.Sum256([]byte(name))
	return filepath.Join(s.dir, word+"-"+hex.EncodeToString(hash[:8])+".json")
}

func (s *fileStore) get(name string) (string, error) {
	if err := s.check(); err != nil {
		return "", missing(err)
	}
	value, err := state.ReadFile(s.path(name))
	return string(value), missing(err)
}

func (s *fileStore) set(name, value string, _ time.Time) error {
	if err := state.MakePrivateDir(s.dir); err != nil {
		return err
	}
	return state.WriteFile(s.path(name), []byte(value))
}

func (s *fileStore) delete(name string) error {
	if err := s.check(); err != nil {
		return missing(err)
	}
	if err := os.Remove(s.path(name)); err != nil {
		return missing(err)
	}
	return atomicfile.SyncDir(s.dir)
}

// check checks the folder. A folder that this user could not have made counts as absent:
// a container may set HOME to a folder of another user.
func (s *fileStore) check() error {
	err := state.CheckPrivateDir(s.dir)
	if errors.Is(err, os.ErrPermission) || errors.Is(err, syscall.ENOTDIR) {
		return ErrNotFound
	}
	return err
}

// missing maps the file system's error for a file that does not exist to ErrNotFound.
func missing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return ErrNotFound
	}
	return err
}
