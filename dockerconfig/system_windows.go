package dockerconfig

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
)

// noFollow keeps an open from following a link, and from waiting at a FIFO.
const noFollow = 0

// newLock gives a lock on a file in the user's own temporary folder: on Windows
// a folder cannot be locked.
func newLock(dir string) *flock.Flock {
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	hash := sha256.Sum256([]byte(dir))
	return flock.New(filepath.Join(os.TempDir(), "dockerconfig-"+hex.EncodeToString(hash[:8])+".lock"))
}

func ownerHint(string, fs.FileInfo) string { return "" }

func checkWritable(string) error { return nil }
