// Package command contains what the commands share: their flags and settings, and how they
// print, ask the user, find Docker's files and sign in.
package command

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"docker-credential-cgr/config"
	"docker-credential-cgr/hint"
)

// Name is the name of the program.
const Name = "docker-credential-cgr"

// HelperName is the name of the program in the configuration of Docker and Podman, which
// put "docker-credential-" before it.
const HelperName = "cgr"

// App is one run of the program.
type App struct {
	Stdin, Stdout, Stderr *os.File

	// IsHelper is set if a client runs the program by the credential helper protocol.
	IsHelper bool
	// NeverPrompts is set if the user must not be asked to sign in or to unlock the keychain,
	// whatever the settings say.
	NeverPrompts bool
	// Chainctl is set if the program was called as chainctl.
	Chainctl bool
	Config   config.Config
	Output   string // --output
	// SessionOrganization is the organization whose session is used, or "" for the default session.
	SessionOrganization string
	// IdentityName is the value of --identity if it is a name, whose ID is not known yet.
	IdentityName string

	file    string // --config
	verbose int    // how often --verbose was given
}

// ErrNotSignedIn ends a command with the exit code for that. The problem is already
// printed.
var ErrNotSignedIn = errors.New("not signed in")

// ErrReported ends a command with the exit code for a failure. The problem is already
// printed.
var ErrReported = errors.New("failed")

// ExitError ends a command with the exit code of another program, or the one of a shell that
// cannot run it.
type ExitError struct {
	Code int
	Err  error // to print; nil if the other program has done so
}

func (e *ExitError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit code %d", e.Code)
	}
	return e.Err.Error()
}

func (e *ExitError) Unwrap() error { return e.Err }

// UsageError is an error in the command line.
type UsageError struct{ Err error }

func (e UsageError) Error() string { return e.Err.Error() }
func (e UsageError) Unwrap() error { return e.Err }

// Usagef returns a UsageError.
func Usagef(format string, args ...any) error { return UsageError{fmt.Errorf(format, args...)} }

// UsageHelpf returns a UsageError with a hint to the help of a command.
func UsageHelpf(c *cobra.Command, format string, args ...any) error {
	return hint.With(Usagef(format, args...), hint.Text("%s --help", c.CommandPath()))
}

// AddFlags adds the flags of all commands.
func (a *App) AddFlags(flags *pflag.FlagSet) {
	PropertyFlag(flags, "issuer", "platform.issuer", "`URL` of the issuer")
	PropertyFlag(flags, "api", "platform.api", "`URL` of the platform API")
	PropertyFlag(flags, "registry", "platform.registry", "`URL` of the registry")
	PropertyFlag(flags, "console", "platform.console", "`URL` of the Chainguard console")
	flags.StringVar(&a.file, "config", "", "settings `FILE` to use")
	const verbose = "print debug messages (secrets are removed)"
	if a.Chainctl {
		flags.IntVarP(&a.verbose, "v", "v", 0, verbose+" if `N` is not 0")
		return
	}
	flags.CountVarP(&a.verbose, "verbose", "v", verbose)
}

// AddOutput adds --output to c and the commands below it that print in several formats, and
// the completion of flags' values.
func (a *App) AddOutput(c *cobra.Command) {
	a.addCompletions(c)
	if values := outputFormats(c); len(values) > 0 {
		c.Flags().StringVarP(&a.Output, "output", "o", "", "output `FORMAT`: "+strings.Join(values, ", "))
		_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)) // the flag exists
	}
	for _, sub := range c.Commands() {
		a.AddOutput(sub)
	}
}

// Load reads the settings, and checks the flags that all commands have. It runs before each
// command.
func (a *App) Load(c *cobra.Command, _ []string) error {
	values := outputFormats(c)
	if a.Chainctl && a.Output == "table" && len(values) > 0 && values[0] == "text" {
		a.Output = "text" // which chainctl calls a table
	}
	switch {
	case a.Output == "" && len(values) > 0:
		a.Output = values[0]
	case a.Output != "" && !slices.Contains(values, a.Output):
		return Usagef("--output %q: %s prints %s", HideToken(a.Output), c.Name(), strings.Join(values, " or "))
	}
	sources := config.Sources{Getenv: os.Getenv, File: a.file, Flags: map[string]string{}}
	c.Flags().Visit(func(f *pflag.Flag) {
		property := f.Annotations[propertyKey]
		switch {
		case len(property) != 1:
		case f.Name == "identity" && isIdentityName(f.Value.String()):
			a.IdentityName = f.Value.String()
		default:
			sources.Flags[property[0]] = f.Value.String()
		}
	})
	var err error
	a.Config, err = config.Read(sources)
	if a.verbose > 0 {
		a.Config.Debug = true
	}
	for _, variable := range config.Misspelled(os.Environ()) {
		a.Warn("%s", variable)
	}
	if f := c.Flags().Lookup(forFlag); f != nil && f.Changed {
		if err := config.CheckOrganization(f.Value.String()); err != nil {
			return Usagef("--%s %w", forFlag, err)
		}
		a.useOrganization(f.Value.String(), c.Flags().Changed("identity"))
	}
	if c.Annotations[allowBadSettingsKey] != "" {
		return nil
	}
	if err != nil && len(sources.Flags) > 0 {
		// If the settings are valid without the flags, the error is in the command line.
		sources.Flags = nil
		if _, without := config.Read(sources); without == nil {
			return UsageError{err}
		}
	}
	return err
}
