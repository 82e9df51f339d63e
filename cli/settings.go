package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"docker-credential-cgr/config"
	"docker-credential-cgr/hint"
	"docker-credential-cgr/platform"
)

func (a *app) newConfig() *cobra.Command {
	c := a.group(&cobra.Command{
		Use:   "config",
		Short: "View and change the settings",
		Long: `View and change the settings. Precedence: flag, environment variable, settings file,
default. Properties have the same names as in chainctl.`,
		Example: `  ` + name + ` config view
  ` + name + ` config set auth.mode headless
  ` + name + ` config unset auth.mode`,
	})
	view := formats(&cobra.Command{
		Use:        "view",
		SuggestFor: []string{"get", "list", "show"},
		Short:      "Print each setting and where it comes from",
		Args:       noArguments,
		RunE:       func(*cobra.Command, []string) error { return a.viewConfig() },
	}, "text", "json")
	mending := map[string]string{mends: "settings"}
	set := &cobra.Command{
		Use:               "set PROPERTY VALUE",
		Short:             "Set a property in the settings file",
		Example:           `  ` + name + ` config set auth.mode headless`,
		Annotations:       mending,
		Args:              arguments("PROPERTY", "VALUE"),
		ValidArgsFunction: completeProperty,
		RunE: func(_ *cobra.Command, args []string) error {
			if args[1] == "" {
				return hint.With(misuse("the value is empty"), hint.Do(hint.UnsetSetting, args[0]))
			}
			if err := knownProperty(args[0]); err != nil {
				return err
			}
			changes := map[string]string{args[0]: args[1]}
			if err := config.Check(changes); err != nil {
				return usageError{err}
			}
			return config.Update(a.cfg.File, changes)
		},
	}
	unset := &cobra.Command{
		Use:               "unset PROPERTY",
		Short:             "Remove a property from the settings file",
		Example:           `  ` + name + ` config unset auth.mode`,
		Annotations:       mending,
		Args:              arguments("PROPERTY"),
		ValidArgsFunction: completeProperty,
		RunE: func(_ *cobra.Command, args []string) error {
			if err := knownProperty(args[0]); err != nil {
				return err
			}
			return config.Update(a.cfg.File, map[string]string{args[0]: ""})
		},
	}
	path := &cobra.Command{
		Use:         "path",
		Short:       "Print the path of the settings file",
		Annotations: mending,
		Args:        noArguments,
		RunE: func(*cobra.Command, []string) error {
			if a.cfg.File == "" {
				return hint.With(errors.New("there is no directory for a settings file"), hint.Text("set HOME, or name a file with --config"))
			}
			return a.answer("%s\n", a.cfg.File)
		},
	}
	c.AddCommand(view, set, unset, path)
	return c
}

func knownProperty(property string) error {
	if slices.Contains(config.Properties(), property) {
		return nil
	}
	near := config.Near(property)
	if near == "" {
		return hint.With(misuse("unknown setting %q", shown(property)), hint.Do(hint.ListSettings))
	}
	return hint.With(misuse("unknown setting %q", shown(property)), hint.Text("did you mean %s?", near))
}

// arguments wants exactly the arguments named.
func arguments(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != len(names) || len(args) > 0 && args[0] == "" {
			return misuse("usage: %s %s", c.CommandPath(), strings.Join(names, " "))
		}
		return nil
	}
}

func completeProperty(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return config.Properties(), cobra.ShellCompDirectiveNoFileComp
}

func (a *app) viewConfig() error {
	var settings []settingFrom
	var b strings.Builder
	for _, s := range a.cfg.Settings {
		settings = append(settings, settingFrom{s.Property, s.Value, s.Source})
		fmt.Fprintf(&b, "%-26s %-36s %s\n", s.Property, platform.Printable(s.Value), s.Source)
	}
	if a.output == "json" {
		return a.answerItems(settings)
	}
	return a.answer("%s", b.String())
}
