package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"docker-credential-cgr/config"
	"docker-credential-cgr/hint"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/spelling"
	"docker-credential-cgr/token"
)

// app is what the commands that people type share: what the flags said, and the
// settings that follow from it.
type app struct {
	Program
	file    string // --config
	output  string // --output
	verbose int    // --verbose, how often
	cfg     config.Config
	// identityName is what --identity holds if that is a name, whose id is not known yet.
	identityName string
}

// usageError is a command line that cannot be right: exit code 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func misuse(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// misuseHelp is misuse with a hint at the help of the command.
func misuseHelp(c *cobra.Command, format string, args ...any) error {
	return hint.With(misuse(format, args...), hint.Text("%s --help", c.CommandPath()))
}

// errSignedOut is the answer of a command that needs a session where there is
// none: exit code 3. What is wrong was said already.
var errSignedOut = errors.New("not signed in")

// errFound is the answer of a command that looked for what is wrong and found
// some, and has said so: exit code 1.
var errFound = errors.New("something is wrong")

// commands runs everything but the verbs of Docker's protocol.
func (p Program) commands(ctx context.Context) int {
	ctx, stop := p.watch(ctx)
	defer stop()
	p.typed = true
	root := newRoot(&app{Program: p})
	root.SetArgs(p.Args)
	root.SetIn(p.Stdin)
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)
	return p.exit(ctx, root.ExecuteContext(ctx))
}

// exit prints what failed and returns the exit code for it.
func (p Program) exit(ctx context.Context, err error) int {
	var usage usageError
	var signedOut *token.NotSignedInError
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errFound):
		return exitFailed
	case errors.Is(err, errSignedOut):
		return exitSignedOut
	}
	p.printError(err)
	switch {
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &signedOut):
		return exitSignedOut
	case ctx.Err() != nil:
		return exitInterrupted
	}
	return exitFailed
}

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   name,
		Short: "Docker credential helper for the Chainguard registry",
		Long: `Provide Docker, Podman and other clients with short-lived credentials for the Chainguard
registry. Sign in once; secrets are stored in the OS keychain.

Clients run these commands, with the input on standard input:
  get, store, erase, list, version     for example: echo cgr.dev | ` + name + ` get`,
		Example: `  ` + name + ` configure-docker        # register the helper and sign in
  docker pull cgr.dev/ORGANIZATION/python
  ` + name + ` status`,
		Version:           a.version(),
		SilenceErrors:     true,
		SilenceUsage:      true,
		PersistentPreRunE: a.load,
	}
	a.group(root)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		if text := err.Error(); strings.Contains(text, tokenMark) {
			err = errors.New("invalid flag (value hidden: it looks like a token)")
		}
		// What the library says of a number ends with the name of Go's function.
		said, _, _ := strings.Cut(err.Error(), ": strconv.")
		if flag, unknown := strings.CutPrefix(said, "unknown flag: --"); unknown {
			if near := nearFlag(c, flag); near != "" {
				return hint.With(misuse("%s", platform.Printable(said)), hint.Text("did you mean --%s?", near))
			}
		}
		return misuseHelp(c, "%s", platform.Printable(said))
	})
	flags := root.PersistentFlags()
	property(flags, "issuer", "platform.issuer", "`URL` of the issuer")
	property(flags, "api", "platform.api", "`URL` of the platform API")
	property(flags, "registry", "platform.registry", "`URL` of the registry")
	property(flags, "console", "platform.console", "`URL` of the Chainguard console")
	flags.StringVar(&a.file, "config", "", "path of the settings `FILE`")
	flags.CountVarP(&a.verbose, "verbose", "v", "print debug messages, without secrets")

	root.AddCommand(append(a.signingCommands(), a.newConfig(), a.newDoctor())...)
	root.AddCommand(a.newPullToken(), a.newIdentities(), a.newOrganizations(), a.newKubernetes(), a.newConsole(), a.newImages())
	// chainctl has what signs in below "auth", and the rest below "iam", and people's
	// hands know it.
	auth, iam := a.chainctl("auth"), a.chainctl("iam")
	auth.AddCommand(append(a.signingCommands(), a.newAuthPullToken())...)
	iam.AddCommand(a.newIdentities(), a.newOrganizations())
	root.AddCommand(auth, iam)
	a.addOutput(root)
	return root
}

// chainctl is a group of commands by the name that chainctl has for it.
func (a *app) chainctl(group string) *cobra.Command {
	return a.group(&cobra.Command{Use: group, Short: "Commands under their chainctl names", Hidden: true})
}

func (a *app) signingCommands() []*cobra.Command {
	return []*cobra.Command{a.newConfigureDocker(), a.newLogin(), a.newLogout(), a.newStatus(), a.newToken()}
}

// group makes c a command that does nothing itself: without arguments it prints its
// help, as people who type the bare name expect.
func (a *app) group(c *cobra.Command) *cobra.Command {
	c.Args, c.RunE = cobra.ArbitraryArgs, a.unknown
	c.Annotations = map[string]string{mends: "nothing"} // it runs with wrong settings too
	return c
}

// unknown answers for a command that has commands below it and was given none of
// them.
func (a *app) unknown(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return c.Help()
	}
	c.SuggestionsMinimumDistance = 2
	near := c.SuggestionsFor(args[0])
	if len(near) == 0 {
		return misuseHelp(c, "unknown command %q", shown(args[0]))
	}
	var hints []hint.Hint
	for _, command := range near {
		hints = append(hints, hint.Text("%s %s", c.CommandPath(), command))
	}
	return hint.With(misuse("unknown command %q", shown(args[0])), hints...)
}

// nearFlag returns the flag of c that was probably meant, or "".
func nearFlag(c *cobra.Command, flag string) string {
	var names []string
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	if near := spelling.Near(flag, names); len(near) > 0 && spelling.Distance(flag, near[0]) <= 1+len(flag)/4 {
		return near[0]
	}
	return ""
}

// tokenMark begins every JWT: the base64 of {".
const tokenMark = "eyJ"

// shown is an argument for a message: not what may be a token in a wrong place.
func shown(argument string) string {
	if strings.Contains(argument, tokenMark) {
		return "…"
	}
	return argument
}

// noArguments refuses arguments, which cobra's own check calls unknown commands.
func noArguments(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return misuseHelp(c, "unexpected argument %q", shown(args[0]))
	}
	return nil
}

// propertyOf marks a flag that sets a property for this one command.
const propertyOf = "property"

// property adds a flag for a property.
func property(flags *pflag.FlagSet, flag, property, usage string) {
	flags.String(flag, "", usage)
	_ = flags.SetAnnotation(flag, propertyOf, []string{property}) // it was added above
}

// addOutput adds --output to each command that prints in one of several formats.
func (a *app) addOutput(c *cobra.Command) {
	if values := strings.Fields(c.Annotations["formats"]); len(values) > 0 {
		c.Flags().StringVarP(&a.output, "output", "o", "", "output `FORMAT`: "+strings.Join(values, ", "))
	}
	for _, sub := range c.Commands() {
		a.addOutput(sub)
	}
}

// formats sets the values that a command's --output takes, the default first.
func formats(c *cobra.Command, values ...string) *cobra.Command {
	if c.Annotations == nil {
		c.Annotations = map[string]string{}
	}
	c.Annotations["formats"] = strings.Join(values, " ")
	return c
}

// load checks the flags that all commands have, and reads the settings. It runs
// before each command, so that nothing is done where something is wrong.
func (a *app) load(c *cobra.Command, _ []string) error {
	values := strings.Fields(c.Annotations["formats"])
	switch {
	case a.output == "" && len(values) > 0:
		a.output = values[0]
	case a.output != "" && !slices.Contains(values, a.output):
		return misuse("--output %q: %s prints %s", shown(a.output), c.Name(), strings.Join(values, " or "))
	}
	sources := config.Sources{Getenv: os.Getenv, File: a.file, Flags: map[string]string{}}
	c.Flags().Visit(func(f *pflag.Flag) {
		of := f.Annotations[propertyOf]
		switch {
		case len(of) != 1:
		case f.Name == "identity" && isIdentityName(f.Value.String()):
			a.identityName = f.Value.String()
		default:
			sources.Flags[of[0]] = f.Value.String()
		}
	})
	var err error
	a.cfg, err = config.Read(sources)
	if a.verbose > 0 {
		a.cfg.Debug = true
	}
	for _, variable := range config.Misspelled(os.Environ()) {
		a.warn("%s", variable)
	}
	if c.Annotations[mends] != "" {
		return nil // what it mends must not be in its way
	}
	if err != nil && len(sources.Flags) > 0 {
		// Without them, is it right? Then the command line is what is wrong.
		sources.Flags = nil
		if _, without := config.Read(sources); without == nil {
			return usageError{err}
		}
	}
	return err
}

// mends marks a command that is of use where the settings are wrong.
const mends = "mends"
