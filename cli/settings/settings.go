// Package settings has the commands that print and change the settings.
package settings

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/config"
	"docker-credential-cgr/hint"
	"docker-credential-cgr/names"
	"docker-credential-cgr/platform"
)

// New returns the command config, with more commands below it.
func New(a *command.App, more ...*cobra.Command) *cobra.Command {
	view := command.Formats(&cobra.Command{
		Use:        "view",
		SuggestFor: []string{"get", "list", "show"},
		Short:      "Print each setting and where it comes from",
		Args:       command.NoArgs,
		RunE:       func(*cobra.Command, []string) error { return view(a) },
	}, "text", "json")
	set := command.AllowBadSettings(&cobra.Command{
		Use:               "set PROPERTY VALUE",
		Short:             "Set a property in the settings file",
		Example:           `  docker-credential-cgr config set auth.mode headless`,
		Args:              command.ExactArgs("PROPERTY", "VALUE"),
		ValidArgsFunction: completeProperty(a),
		RunE: func(_ *cobra.Command, args []string) error {
			if args[1] == "" {
				return hint.With(command.Usagef("the value is empty"), hint.Do(hint.UnsetSetting, args[0]))
			}
			return update(a, args[0], args[1])
		},
	})
	unset := command.AllowBadSettings(&cobra.Command{
		Use:               "unset PROPERTY",
		Short:             "Remove a property from the settings file",
		Example:           `  docker-credential-cgr config unset auth.mode`,
		Args:              command.ExactArgs("PROPERTY"),
		ValidArgsFunction: completeProperty(a),
		RunE: func(_ *cobra.Command, args []string) error {
			return update(a, args[0], "")
		},
	})
	path := command.AllowBadSettings(&cobra.Command{
		Use:   "path",
		Short: "Print the path of the settings file",
		Args:  command.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if a.Config.File == "" {
				return hint.With(errors.New("there is no directory for a settings file"), hint.Text("set HOME, or name a file with --config"))
			}
			return a.Print("%s\n", a.Config.File)
		},
	})
	return command.Group(&cobra.Command{
		Use:   "config",
		Short: "View and change the settings",
		Long: `View and change the settings. Precedence: flag, environment variable, settings file,
default. Properties have the same names as in chainctl.`,
		Example: `  docker-credential-cgr config view
  docker-credential-cgr config set auth.mode headless
  docker-credential-cgr config unset auth.mode`,
	}, append(more, view, set, unset, path)...)
}

// update sets a property in the settings file, or removes it if the value is empty.
func update(a *command.App, property, value string) error {
	changes := map[string]string{property: value}
	if err := config.Check(changes); err != nil {
		return command.Usagef("%w", err)
	}
	return config.Update(a.Config.File, changes)
}

// completeProperty returns the completion of the name of a property and, behind it, its
// value.
func completeProperty(a *command.App) cobra.CompletionFunc {
	organizations := a.CompleteNames(2, names.Item.IsOrganization)
	return func(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		switch {
		case len(args) == 0:
			var words []string
			for _, property := range config.Properties() {
				words = append(words, property+"\t"+strings.ReplaceAll(config.Doc(property), "`", ""))
			}
			return words, cobra.ShellCompDirectiveNoFileComp
		case len(args) == 1 && c.Name() == "set" && args[0] == "default.group":
			return organizations(c, args, typed)
		case len(args) == 1 && c.Name() == "set":
			return config.Values(args[0]), cobra.ShellCompDirectiveNoFileComp
		}
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
}

func view(a *command.App) error {
	if a.Output == "json" {
		return a.PrintItems(a.Config.Settings)
	}
	var b strings.Builder
	for _, s := range a.Config.Settings {
		fmt.Fprintf(&b, "%-26s %-36s %s\n", s.Property, platform.Printable(s.Value), s.Source)
	}
	return a.Print("%s", b.String())
}
