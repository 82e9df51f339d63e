package tools

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/hint"
	"docker-credential-cgr/toolconfig"
)

// configureFlags are the flags of the commands that configure a tool.
type configureFlags struct{ dryRun, remove bool }

func (f *configureFlags) add(c *cobra.Command) *cobra.Command {
	c.Args = command.NoArgs
	c.Flags().BoolVar(&f.dryRun, "dry-run", false, "show the change without making it")
	c.Flags().BoolVar(&f.remove, "remove", false, "undo the change")
	return c
}

// NewConfigure returns the commands that make tools get their credentials from this program.
func NewConfigure(a *command.App) []*cobra.Command {
	all := []*cobra.Command{newConfigureGo(a), newConfigurePython(a, "pip"), newConfigurePython(a, "uv")}
	for _, g := range guides() {
		all = append(all, newConfigureGuide(a, g))
	}
	return all
}

func newConfigureGo(a *command.App) *cobra.Command {
	var f configureFlags
	return f.add(&cobra.Command{
		Use:   "go",
		Short: "Make the go command get credentials from this program",
		Long: `Add this program to GOAUTH, Go's setting for commands that return credentials, in front of the
others. No credential is written. Requires Go 1.24.`,
		Example: `  docker-credential-cgr configure go --dry-run
  docker-credential-cgr configure go
  docker-credential-cgr configure go --remove`,
		RunE: func(c *cobra.Command, _ []string) error { return configureGo(c.Context(), a, f) },
	})
}

func configureGo(ctx context.Context, a *command.App, f configureFlags) error {
	program := command.Name
	if _, err := exec.LookPath(program); err != nil {
		if program, err = os.Executable(); err != nil {
			return err
		}
		if strings.Contains(program, " ") {
			program = `"` + program + `"`
		}
	}
	setting, err := toolconfig.ReadGoAuth(ctx, program+" "+HeadersName+" -o go")
	if err != nil {
		return err
	}
	value := setting.With()
	if f.remove {
		value = setting.Without()
	}
	switch {
	case value == setting.Value:
		a.Note("Nothing to do: GOAUTH is %s", command.Quoted(value))
		return nil
	case f.dryRun:
		return a.Print("GOAUTH=%s\n", value)
	}
	file, err := setting.Write(ctx, value)
	if err != nil {
		return err
	}
	return a.Print("Updated GOAUTH in %s\n", file)
}

func newConfigurePython(a *command.App, tool string) *cobra.Command {
	var f configureFlags
	return f.add(&cobra.Command{
		Use:   tool,
		Short: "Make " + tool + " get passwords from this program",
		Long: `Make a link to this program with the name keyring, the program that pip and uv run for passwords.
The link is in the folder of this program. Another program with that name is not replaced. No
credential is written.`,
		Example: `  docker-credential-cgr configure ` + tool + `
  docker-credential-cgr configure ` + tool + ` --remove`,
		RunE: func(*cobra.Command, []string) error { return configurePython(a, tool, f) },
	})
}

func configurePython(a *command.App, tool string, f configureFlags) error {
	program, err := exec.LookPath(command.Name)
	if err == nil {
		program, err = filepath.Abs(program)
	}
	if err != nil {
		return hint.With(errors.New(command.Name+" is not in PATH, so "+tool+" would not find a link beside it"),
			hint.Text("move it into a folder that is in PATH"))
	}
	link, err := toolconfig.FindLinkInPath(KeyringName, program)
	var other *toolconfig.OtherProgramError
	switch {
	case errors.As(err, &other) && f.remove:
		link.Exists = false
	case errors.As(err, &other):
		return hint.With(err, hint.Text(`put a script in front of it in PATH that calls: %s keyring "$@"`, command.Name))
	case err != nil:
		return err
	}
	switch {
	case link.Exists != f.remove:
		a.Note("Nothing to do.")
	case f.dryRun && f.remove:
		return a.Print("Would remove %s\n", link.Path)
	case f.dryRun:
		return a.Print("Would link %s to %s\n", link.Path, link.Program)
	case f.remove:
		if err := link.Remove(); err != nil {
			return err
		}
		return a.Print("Removed %s\n", link.Path)
	default:
		if err := link.Make(); err != nil {
			return err
		}
		if err := a.Print("Linked %s to %s\n", link.Path, link.Program); err != nil {
			return err
		}
	}
	if !f.remove {
		a.Note("Next: %s install --keyring-provider subprocess --index-url https://_token@libraries.%s/python/simple PACKAGE",
			map[string]string{"pip": "pip", "uv": "uv pip"}[tool], a.Config.Registry.Host)
	}
	return nil
}
