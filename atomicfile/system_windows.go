package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/windows"
)

const noFollow = 0

// makeWritable is the command that lets a file's owner write it.
const makeWritable = "attrib -r"

// OwnerOf returns false: access control lists decide, and replacing the file fails if they
// do not allow it.
func OwnerOf(fs.FileInfo) (uid int, known bool) { return 0, false }

// hasOtherLinks returns false: info has no count of the links.
func hasOtherLinks(fs.FileInfo) bool { return false }

// keepAttributes does nothing: the new file inherits the access control list of its
// folder, as the old one did.
func keepAttributes(*os.File, string, fs.FileInfo) error { return nil }

// rename tries for a second: Windows refuses while another program has the file open,
// which a program that reads it has for a moment.
func rename(from, to string) error {
	for end := time.Now().Add(time.Second); ; time.Sleep(10 * time.Millisecond) {
		err := os.Rename(from, to)
		busy := errors.Is(err, windows.ERROR_ACCESS_DENIED) || errors.Is(err, windows.ERROR_SHARING_VIOLATION)
		if !busy || time.Now().After(end) {
			return err
		}
	}
}

// SyncDir does nothing on Windows, which has no counterpart.
func SyncDir(string) error { return nil }
