package cli

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"docker-credential-cgr/atomicfile"
	"docker-credential-cgr/cli/command"
)

// newCopyTo returns the command that copies the program out of its container image, which
// has no shell and no cp. Only init containers need it.
func newCopyTo() *cobra.Command {
	return command.AllowBadSettings(&cobra.Command{
		Use:     "copy-to PATH",
		Short:   "Copy this program to a file or into a folder",
		Long:    "Copy this program to a file or into a folder, as an init container does for a volume.",
		Example: `  docker-credential-cgr copy-to /shared`,
		Hidden:  true,
		Args:    command.ExactArgs("PATH"),
		RunE:    func(_ *cobra.Command, args []string) error { return copyTo(args[0]) },
	})
}

// copyTo replaces the file at path, or the one with the program's name if path is a folder.
// Any user can run the copy.
func copyTo(path string) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("cannot find this program's file: %w", err)
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, command.Name+filepath.Ext(self))
	}
	program, err := os.ReadFile(self)
	if err != nil {
		return fmt.Errorf("cannot copy this program: %w", err)
	}
	if err := atomicfile.Replace(path, "."+command.Name+"-*", program, 0o755); err != nil {
		return fmt.Errorf("cannot copy this program to %s: %w", path, err)
	}
	return nil
}
