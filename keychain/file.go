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
	return syncDir(s.dir)
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
func writeFile(path string, text []byte) (err error) {
	dir := filepath.Dir(path)
	sweep(dir)
	f, err := os.CreateTemp(dir, "new-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close() // a second close is harmless
			_ = os.Remove(f.Name())
		}
	}()
	if _, err := f.Write(text); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// sweep removes what a killed writer left half done. No write takes a minute.
func sweep(dir string) {
	left, _ := filepath.Glob(filepath.Join(dir, "new-*"))
	for _, path := range left {
		if info, err := os.Lstat(path); err == nil && time.Since(info.ModTime()) > time.Minute {
			_ = os.Remove(path)
		}
	}
}
