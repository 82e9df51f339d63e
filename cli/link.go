package cli

import (
	"os/exec"
	"path/filepath"

	"github.com/spf13/cobra"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/toolconfig"
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
chainctl, the program has chainctl's commands for signing in and pulling; docs/chainctl.md lists
them. Another chainctl is never replaced: if there is one, the command fails.`,
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
	self, err := command.ProgramPath()
	if err != nil {
		return err
	}
	if dir == "" {
		dir = filepath.Dir(self)
	}
	l, err := toolconfig.FindLink(chainctlName, dir, self)
	switch {
	case err != nil:
		return err
	case remove && !l.Exists:
		a.Note("There is no %s.", l.Path)
		return nil
	case remove:
		if err := l.Remove(); err != nil {
			return err
		}
		return a.Print("Removed %s\n", l.Path)
	case l.Exists:
		a.Note("%s is already a link to this program.", l.Path)
	default:
		if err := l.Make(); err != nil {
			return err
		}
		if err := a.Print("Linked %s to %s\n", l.Path, self); err != nil {
			return err
		}
	}
	switch found, err := exec.LookPath(chainctlName); {
	case err != nil:
		a.Warn("%s is not in PATH, so programs will not find chainctl there", dir)
	case !toolconfig.IsSameFile(found, self):
		a.Warn("programs will run %s, which comes first in PATH", found)
	}
	return nil
}
