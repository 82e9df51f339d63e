package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/windows"
)

// noFollow keeps an open from following a link, and from waiting at a FIFO.
const noFollow = 0

// makeWritable is the command that lets a file's owner write it.
const makeWritable = "attrib -r"

// CheckOwner has nothing to say: access control lists decide, and replacing the
// file fails where they do not allow it.
func CheckOwner(string, fs.FileInfo) error { return nil }

// HasOtherNames answers false: the links are not in what info says.
func HasOtherNames(fs.FileInfo) bool { return false }

// KeepAttributes does nothing: the new file inherits its folder's access control
// list, as the former one did.
func KeepAttributes(*os.File, string, fs.FileInfo) error { return nil }

// Rename puts the file at from in the place of the one at to. Windows refuses
// while somebody has that one open, which a program that reads it has for a moment.
func Rename(from, to string) error {
	for end := time.Now().Add(time.Second); ; time.Sleep(10 * time.Millisecond) {
		err := os.Rename(from, to)
		busy := errors.Is(err, windows.ERROR_ACCESS_DENIED) || errors.Is(err, windows.ERROR_SHARING_VIOLATION)
		if !busy || time.Now().After(end) {
			return err
		}
	}
}

// SyncDir has no counterpart on Windows.
func SyncDir(string) error { return nil }
