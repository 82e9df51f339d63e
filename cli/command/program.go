package command

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"docker-credential-cgr/toolconfig"
)

// ProgramPath returns the absolute path of this program: the one in PATH, which a package
// manager may keep the same over updates, or else that of its file.
func ProgramPath() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("cannot find this program's file: %w", err)
	}
	if found, err := exec.LookPath(Name); err == nil && toolconfig.IsSameFile(found, self) {
		return filepath.Abs(found)
	}
	return self, nil
}
