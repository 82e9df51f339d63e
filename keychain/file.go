package keychain

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"docker-credential-cgr/atomicfile"
)

// fileStore keeps each secret in a file of mode 0600, for users who chose that.
type fileStore struct{ dir string }

// maxFile bounds what is read back from one file.
const maxFile = 1 << 20

func (s *fileStore) name() string      { return "file store " + s.dir }
func (s *fileStore) limit() int        { return 0 }
func (s *fileStore) hint(error) string { return "" }

// path gives a secret's file: the name's first word for whoever looks into the
// folder, and a hash, since names hold slashes and can be long.
func (s *fileStore) path(name string) string {
	word, _, _ := strings.Cut(name, " ")
	hash := sha256.Sum256([]byte(name))
	return filepath.Join(s.dir, word+"-"+hex.EncodeToString(hash[:8])+".json")
}

func (s *fileStore) get(name string) (string, error) {
	if err := checkPrivateDir(s.dir); err != nil {
		return "", missing(err)
	}
	value, err := readFile(s.path(name))
	return string(value), missing(err)
}

func (s *fileStore) set(name, value string, _ time.Time) error {
	if err := ensurePrivateDir(s.dir); err != nil {
		return err
	}
	return writeFile(s.path(name), []byte(value))
}

func (s *fileStore) delete(name string) error {
	if err := checkPrivateDir(s.dir); err != nil {
		return missing(err)
	}
	if err := os.Remove(s.path(name)); err != nil {
		return missing(err)
	}
	return atomicfile.SyncDir(s.dir)
}

// missing turns the file system's word for "not there" into this package's.
func missing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return ErrNotFound
	}
	return err
}

// readFile reads a small file that nobody else may have written or read.
func readFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	// The open file is looked at, not the path, which could change under us.
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, notPrivate("%s is not a plain file: remove it", path)
	}
	if err := checkPrivate(path, info, 0o600); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("%s is over %d bytes: it is none of ours, remove it", path, maxFile)
	}
	return text, nil
}

// writeFile replaces the file in one step, with mode 0600, and does not return
// before the new one would survive a power cut. On error the old one is there.
func writeFile(path string, text []byte) error {
	const pattern = "new-*"
	atomicfile.Sweep(filepath.Dir(path), pattern)
	return atomicfile.Replace(path, pattern, text, nil)
}
