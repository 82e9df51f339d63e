package dockerconfig

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
)

// newLock returns a lock on a file in the user's own temporary folder: Windows
// has no locks on folders.
func newLock(dir string) *flock.Flock {
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	hash := sha256.Sum256([]byte(dir))
	return flock.New(filepath.Join(os.TempDir(), "dockerconfig-"+hex.EncodeToString(hash[:8])+".lock"))
}

func unreadable(_ string, err error) error { return err }

func checkWritable(string) error { return nil }
