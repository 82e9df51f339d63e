// Package cli is the command line. Standard output has nothing but the result of a command,
// or the protocol's response. Everything else is printed on standard error.
package cli

import (
	"context"
	"errors"
	"os"
	"runtime/debug"
	"slices"

	"github.com/docker/docker-credential-helpers/credentials"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/cli/tools"
	"docker-credential-cgr/hint"
	"docker-credential-cgr/kubernetes/node"
	"docker-credential-cgr/signin/openurl"
	"docker-credential-cgr/token"
)

// Exit codes. The protocol's verbs only use 0 and 1.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitNotSignedIn = 3
	exitInterrupted = 130
)

// Program is one run of the program.
type Program struct {
	Version               string
	Name                  string   // by which the program was called, such as a path
	Args                  []string // without the name
	Stdin, Stdout, Stderr *os.File
	Signals               []os.Signal // signals that stop the program
}

// Run runs the program and returns its exit code.
func Run(ctx context.Context, p Program) int {
	harden()
	if p.isPlugin() {
		if slices.Equal(p.Args, []string{pluginMetadata}) {
			a := p.app()
			return exit(ctx, a, p.describePlugin(a))
		}
		p.Args = pluginArgs(p.Args)
	}
	switch isVersion := slices.Equal(p.Args, []string{"--version"}); {
	case isVersion:
	case p.isCalled(node.ProviderName): // by a kubelet
		p.Args = append([]string{"kubernetes", "provider"}, p.Args...)
	case p.isCalled(tools.KeyringName): // by pip or uv
		p.Args = append([]string{tools.KeyringName}, p.Args...)
	}
	if p.isChainctl() {
		return p.runChainctl(ctx)
	}
	if len(p.Args) == 0 {
		return p.runCommand(ctx)
	}
	verb, rest := p.Args[0], p.Args[1:]
	switch verb {
	case credentials.ActionGet, credentials.ActionStore, credentials.ActionErase, credentials.ActionList:
		// Without cobra, which takes time to set up.
		switch {
		case len(rest) == 0:
			return p.serve(ctx, verb)
		case rest[0] == "--help" || rest[0] == "-h":
			p.Args = []string{"--help"}
		default:
			err := command.Usagef("%s reads its input from standard input", verb)
			return exit(ctx, p.app(), hint.With(err, hint.Text("echo cgr.dev | %s get", command.Name)))
		}
	case credentials.ActionVersion, "--version", "-v":
		if len(rest) == 0 {
			a := p.app()
			return exit(ctx, a, a.Print("%s %s\n", command.Name, p.version()))
		}
	case tools.HeadersName, tools.KeyringName:
		if code, done := p.runTool(ctx, verb, rest); done {
			return code
		}
	case openurl.Verb: // a child of this program, with the null device for standard streams
		if len(rest) != 1 || openurl.Open(rest[0]) != nil {
			return exitFailed
		}
		return exitDone
	}
	return p.runCommand(ctx)
}

func (p Program) app() *command.App {
	return &command.App{Stdin: p.Stdin, Stdout: p.Stdout, Stderr: p.Stderr}
}

// version returns the version that the packager set, or the one that Go put into the
// binary.
func (p Program) version() string {
	if p.Version != "" {
		return p.Version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}

// exit prints the error of a command and returns the exit code.
func exit(ctx context.Context, a *command.App, err error) int {
	var usage command.UsageError
	var notSignedIn *token.NotSignedInError
	var other *command.ExitError
	notSignedInCode := exitNotSignedIn
	if a.Chainctl {
		notSignedInCode = exitFailed // scripts know no other
	}
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &other):
		if other.Err != nil {
			a.PrintError(other)
		}
		return other.Code
	case errors.Is(err, command.ErrReported):
		return exitFailed
	case errors.Is(err, command.ErrNotSignedIn):
		return notSignedInCode
	}
	a.PrintError(err)
	switch {
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &notSignedIn):
		return notSignedInCode
	case ctx.Err() != nil:
		return exitInterrupted
	}
	return exitFailed
}
