package dockerconfig

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	"golang.org/x/sys/windows"
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

// checkOwner has nothing to say: access control lists decide, and replacing the
// file fails where they do not allow it.
func checkOwner(string, fs.FileInfo) error { return nil }

func hasOtherNames(fs.FileInfo) bool { return false }

func checkWritable(string) error { return nil }

// keepAttributes does nothing: the new file inherits its folder's access control
// list, as the former one did.
func keepAttributes(*os.File, string, fs.FileInfo) error { return nil }

// rename puts the file at from in the place of the one at to. Windows refuses
// while somebody has that one open, which a client that reads it has for a moment.
func rename(from, to string) error {
	for end := time.Now().Add(time.Second); ; time.Sleep(10 * time.Millisecond) {
		err := os.Rename(from, to)
		busy := errors.Is(err, windows.ERROR_ACCESS_DENIED) || errors.Is(err, windows.ERROR_SHARING_VIOLATION)
		if !busy || time.Now().After(end) {
			return err
		}
	}
}

// syncDir has no counterpart on Windows.
func syncDir(string) error { return nil }
