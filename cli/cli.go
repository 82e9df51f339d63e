// Package cli is what people and programs type. Standard output holds the answer
// and nothing else; everything said about it goes to standard error, each line
// behind the program's name.
package cli

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"strings"

	"github.com/docker/docker-credential-helpers/credentials"
	"golang.org/x/term"

	"docker-credential-cgr/config"
	"docker-credential-cgr/helper"
	"docker-credential-cgr/token"
)

const name = "docker-credential-cgr"

// Exit codes. The protocol's verbs know 0 and 1 alone.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

const usage = `docker-credential-cgr gives Docker and other clients credentials for the Chainguard registry.

Usage:
  docker-credential-cgr login          sign in with a browser
  docker logout cgr.dev                sign out
  docker-credential-cgr --version

Docker and other clients run these, with their input on standard input:
  docker-credential-cgr get            echo cgr.dev | docker-credential-cgr get
  docker-credential-cgr store|erase|list|version

To have Docker use it, put this into ~/.docker/config.json:
  {"credHelpers": {"cgr.dev": "cgr"}}

Settings, by environment variable (the README has them all):
  CHAINGUARD_KEYCHAIN=auto|os|kernel|file|none    where secrets rest
  CHAINGUARD_AUTH_AUTO_LOGIN=tty|always|never     when get may open a window
  CHAINGUARD_DEBUG=1                              say what is done, step by step
`

// instead says what to run in place of what people of other tools type.
var instead = map[string]string{
	"logout": "to sign out, run: docker logout cgr.dev",
	"auth":   "to sign in, run: docker-credential-cgr login",
	"signin": "did you mean: docker-credential-cgr login",
	"status": "to see for whom it answers, run: docker-credential-cgr list",
}

// Program is one run of the program.
type Program struct {
	Version               string
	Args                  []string // without the program's name
	Stdin, Stdout, Stderr *os.File
	Signals               []os.Signal // that ask to stop
}

// Run runs the program and gives its exit code.
func Run(ctx context.Context, p Program) int {
	harden()
	if len(p.Args) == 0 {
		return p.misused("a command is missing")
	}
	command, rest := p.Args[0], p.Args[1:]
	if len(rest) > 0 && (rest[0] == "--help" || rest[0] == "-h") && command != token.OpenVerb {
		command = "help"
	}
	switch command {
	case credentials.ActionGet, credentials.ActionStore, credentials.ActionErase, credentials.ActionList:
		if len(rest) > 0 {
			return p.misused(fmt.Sprintf("%s takes its input on standard input: echo cgr.dev | %s get", command, name))
		}
		return p.serve(ctx, command)
	case credentials.ActionVersion, "--version", "-v":
		return p.answer(fmt.Sprintf("%s %s\n", name, p.version()))
	case "--help", "-h", "help":
		return p.answer(usage)
	case "login":
		if len(rest) > 0 {
			return p.misused("login takes no arguments")
		}
		ctx, stop := p.watch(ctx)
		defer stop()
		return p.login(ctx)
	case token.OpenVerb: // our own child, with the null device for standard streams
		if len(rest) != 1 || token.OpenBrowser(rest[0]) != nil {
			return exitFailed
		}
		return exitDone
	default:
		what := fmt.Sprintf("unknown command %q", command)
		if hint := instead[command]; hint != "" {
			what += ": " + hint
		}
		return p.misused(what)
	}
}

// serve carries out a verb of Docker's protocol.
func (p Program) serve(ctx context.Context, verb string) int {
	cfg, err := config.Load(os.Getenv)
	h := &helper.Helper{
		Config:    cfg,
		ConfigErr: err,
		Context:   ctx,
		Warn:      p.warn,
		Session:   func() (*token.Session, error) { return p.helperSession(cfg) },
		Elsewhere: func(s *token.Session) { p.forgetElsewhere(ctx, *s) },
	}
	waits := term.IsTerminal(int(p.Stdin.Fd()))
	if waits && verb == credentials.ActionGet {
		p.warn("type the registry's name, such as %s, then Enter and Ctrl-D", registryName(cfg))
	}
	return helper.Serve(h, verb, p.Stdin, waits, p.Stdout)
}

func registryName(cfg config.Config) string {
	if cfg.Registry == nil {
		return "cgr.dev"
	}
	return cfg.Registry.Host
}

func (p Program) misused(what string) int {
	p.warn("%s", what)
	p.warn("run %s --help for what there is", name)
	return exitUsage
}

// answer prints what was asked for.
func (p Program) answer(text string) int {
	if _, err := p.Stdout.WriteString(text); err != nil {
		p.warn("cannot write the answer: %v", err)
		return exitFailed
	}
	return exitDone
}

// warn says one line to the user.
func (p Program) warn(format string, args ...any) {
	text := strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", "; ")
	fmt.Fprintf(p.Stderr, "%s: %s\n", name, text)
}

// version is the packager's, or what Go put into the binary, with the commit
// where that is known.
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
