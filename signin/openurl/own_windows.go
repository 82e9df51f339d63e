package openurl

import (
	"io/fs"
	"os"
)

// isOwn says whether what lies at path has the type of mode. Whose it is, the access
// control lists below %LocalAppData% say, which modes do not show.
func isOwn(path string, mode fs.FileMode) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode().Type() == mode.Type()
}
