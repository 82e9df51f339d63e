package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/spf13/cobra"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/hint"
)

// newInstallLink returns the command that makes the link by which programs that run chainctl
// run this program.
func newInstallLink(a *command.App) *cobra.Command {
	var dir string
	var remove bool
	c := command.AllowBadSettings(&cobra.Command{
		Use:   "install-chainctl-link",
		Short: "Let scripts and libraries that run chainctl run this program",
		Long: `Make a link with the name chainctl to this program, in the folder of this program. Called as
chainctl, it has chainctl's commands around signing in and pulling; docs/chainctl.md lists
them. Nothing is ever replaced: if there is another chainctl, the command fails.`,
		Example: `  docker-credential-cgr install-chainctl-link
  docker-credential-cgr install-chainctl-link --dir ~/.local/bin
  docker-credential-cgr install-chainctl-link --remove`,
		Args: command.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if c.Flags().Changed("dir") && dir == "" {
				return command.Usagef("--dir is empty")
			}
			return link(a, dir, remove)
		},
	})
	c.Flags().StringVar(&dir, "dir", "", "make the link in `DIR` (default: the folder of this program)")
	c.Flags().BoolVar(&remove, "remove", false, "remove the link, if it is to this program")
	return c
}

// link makes the link to this program in dir, or removes it.
func link(a *command.App, dir string, remove bool) error {
	self, err := selfPath()
	if err != nil {
		return err
	}
	target := self
	if dir == "" {
		dir, target = filepath.Dir(self), filepath.Base(self) // both can be moved together
	}
	path := filepath.Join(dir, chainctlName)
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	isOurs, err := isLinkTo(path, self)
	isMissing := errors.Is(err, fs.ErrNotExist)
	switch {
	case err != nil && !isMissing:
		return err
	case remove && isMissing:
		a.Note("There is no %s.", path)
		return nil
	case !isMissing && !isOurs:
		return fmt.Errorf("%s is not a link to this program (%s), and is left as it is", path, self)
	case remove:
		if err := os.Remove(path); err != nil {
			return err
		}
		return a.Print("Removed %s\n", path)
	case isOurs:
		a.Note("%s is already a link to this program.", path)
	default:
		if err := os.Symlink(target, path); err != nil { // which never replaces a file
			if runtime.GOOS == "windows" {
				err = hint.With(err, hint.Text("turn on Developer Mode in the settings of Windows, or run the command as administrator"))
			}
			return fmt.Errorf("cannot make the link: %w", err)
		}
		if err := a.Print("Linked %s to %s\n", path, self); err != nil {
			return err
		}
	}
	switch found, err := exec.LookPath(chainctlName); {
	case err != nil:
		a.Warn("%s is not in PATH, so programs will not find chainctl there", dir)
	case !sameFile(found, self):
		a.Warn("programs will run %s, which comes first in PATH", found)
	}
	return nil
}

// selfPath returns the path of this program: the one in PATH, which a package manager may keep
// the same over updates, or else that of its file.
func selfPath() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("cannot find this program's file: %w", err)
	}
	if found, err := exec.LookPath(command.Name); err == nil && sameFile(found, self) {
		return filepath.Abs(found)
	}
	return self, nil
}

// isLinkTo reports whether path is a symbolic link to the file self. The error is
// fs.ErrNotExist if there is nothing at path.
func isLinkTo(path, self string) (bool, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return false, err
	}
	return info.Mode()&fs.ModeSymlink != 0 && sameFile(path, self), nil
}

// sameFile reports whether two paths lead to one file.
func sameFile(a, b string) bool {
	first, err := os.Stat(a)
	if err != nil {
		return false
	}
	second, err := os.Stat(b)
	return err == nil && os.SameFile(first, second)
}
