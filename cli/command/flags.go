package command

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"docker-credential-cgr/config"
	"docker-credential-cgr/hint"
	"docker-credential-cgr/iam"
	"docker-credential-cgr/platform"
)

// The keys of annotations of commands and flags.
const (
	propertyKey         = "property"
	formatsKey          = "formats"
	allowBadSettingsKey = "allow-bad-settings"
)

// Formats sets the values that --output of a command takes, the default first.
func Formats(c *cobra.Command, values ...string) *cobra.Command {
	return annotate(c, formatsKey, strings.Join(values, " "))
}

func outputFormats(c *cobra.Command) []string { return strings.Fields(c.Annotations[formatsKey]) }

// AllowBadSettings lets a command run although a setting is wrong.
func AllowBadSettings(c *cobra.Command) *cobra.Command {
	return annotate(c, allowBadSettingsKey, "true")
}

func annotate(c *cobra.Command, key, value string) *cobra.Command {
	if c.Annotations == nil {
		c.Annotations = map[string]string{}
	}
	c.Annotations[key] = value
	return c
}

// PropertyFlag adds a flag that sets a property for one run.
func PropertyFlag(flags *pflag.FlagSet, flag, property, usage string) {
	flags.String(flag, "", usage)
	_ = flags.SetAnnotation(flag, propertyKey, []string{property}) // the flag exists
}

// ParentFlag adds --parent, and --group, which was its name in chainctl.
func ParentFlag(flags *pflag.FlagSet, parent *string, usage string) {
	flags.StringVar(parent, "parent", "", usage)
	flags.StringVar(parent, "group", "", "")
	_ = flags.MarkHidden("group") // the flag exists
}

// CheckParent refuses values of --parent that cannot be an organization. An empty one is
// probably an unset variable of a script, and must not mean all organizations.
func CheckParent(c *cobra.Command, parent string) error {
	const limit = 300 // bytes; IDs in nested folders are shorter
	switch {
	case !AnyChanged(c, "parent", "group"):
		return nil
	case strings.TrimSpace(parent) == "":
		return Usagef("--parent is empty")
	case len(parent) > limit || platform.HasControl(parent):
		return Usagef("--parent %s is neither a name nor an id of an organization", Quoted(parent[:min(limit, len(parent))]))
	}
	return nil
}

// AnyChanged reports whether any of these flags was given.
func AnyChanged(c *cobra.Command, flags ...string) bool {
	return slices.ContainsFunc(flags, c.Flags().Changed)
}

// isIdentityName reports whether a value of --identity is the name of an identity. The
// setting is an ID.
func isIdentityName(value string) bool {
	return !config.ValidUIDP(value) && iam.CheckName(value) == nil
}

// Group makes c a command that only has commands below it. Without arguments it prints its
// help.
func Group(c *cobra.Command, commands ...*cobra.Command) *cobra.Command {
	c.Args, c.RunE = cobra.ArbitraryArgs, RunGroup
	c.AddCommand(commands...)
	return AllowBadSettings(c)
}

// RunGroup runs a command of which only the commands below it do something.
func RunGroup(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return c.Help()
	}
	c.SuggestionsMinimumDistance = 2
	near := c.SuggestionsFor(args[0])
	if len(near) == 0 {
		return UsageHelpf(c, "unknown command %q", HideToken(args[0]))
	}
	var hints []hint.Hint
	for _, command := range near {
		hints = append(hints, hint.Text("%s %s", c.CommandPath(), command))
	}
	return hint.With(Usagef("unknown command %q", HideToken(args[0])), hints...)
}

// NoArgs refuses arguments. cobra.NoArgs calls them unknown commands.
func NoArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return UsageHelpf(c, "unexpected argument %q", HideToken(args[0]))
	}
	return nil
}

// ExactArgs requires one argument for each of these names. The first must not be empty.
func ExactArgs(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != len(names) || len(args) > 0 && args[0] == "" {
			return Usagef("usage: %s %s", c.CommandPath(), strings.Join(names, " "))
		}
		return nil
	}
}

// LooksLikeToken reports whether a text contains the start of a JWT, the base64 of {".
func LooksLikeToken(text string) bool { return strings.Contains(text, "eyJ") }

// HideToken returns an argument for a message, without what may be a token.
func HideToken(argument string) string {
	if LooksLikeToken(argument) {
		return "…"
	}
	return argument
}

// Quoted quotes a text for a message, and escapes what could control a terminal.
func Quoted(text string) string { return `"` + platform.Printable(text) + `"` }

// OneImage requires one argument, the name of an image.
func OneImage(c *cobra.Command, args []string) error {
	switch {
	case len(args) != 1 || args[0] == "":
		return Usagef("usage: %s, such as: %s chainguard/python:latest", c.UseLine(), c.CommandPath())
	case LooksLikeToken(args[0]):
		return Usagef("the argument looks like a token, not the name of an image")
	}
	return nil
}
