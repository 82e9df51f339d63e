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
	"docker-credential-cgr/signin"
	"docker-credential-cgr/token"
)

const name = "docker-credential-cgr"

// Exit codes. The protocol's verbs know 0 and 1 alone.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitSignedOut   = 3
	exitInterrupted = 130
)

// Program is one run of the program.
type Program struct {
	Version               string
	Args                  []string // without the program's name
	Stdin, Stdout, Stderr *os.File
	Signals               []os.Signal // that ask to stop

	typed bool // a command, which a person may have typed, and no verb of the protocol
}

// Run runs the program and gives its exit code.
func Run(ctx context.Context, p Program) int {
	harden()
	if len(p.Args) == 0 {
		return p.commands(ctx)
	}
	command, rest := p.Args[0], p.Args[1:]
	switch command {
	case credentials.ActionGet, credentials.ActionStore, credentials.ActionErase, credentials.ActionList:
		// Not through the command line's library, which takes its time.
		switch {
		case len(rest) == 0:
			return p.serve(ctx, command)
		case rest[0] == "--help" || rest[0] == "-h":
			p.Args = []string{"--help"}
		default:
			return p.exit(ctx, misuse("%s takes its input on standard input: echo cgr.dev | %s get", command, name))
		}
	case credentials.ActionVersion, "--version", "-v":
		if len(rest) == 0 {
			return p.exit(ctx, p.answer("%s %s\n", name, p.version()))
		}
	case signin.OpenVerb: // our own child, with the null device for standard streams
		if len(rest) != 1 || signin.OpenBrowser(rest[0]) != nil {
			return exitFailed
		}
		return exitDone
	}
	return p.commands(ctx)
}

// serve carries out a verb of Docker's protocol.
func (p Program) serve(ctx context.Context, verb string) int {
	cfg, err := config.Read(config.Sources{Getenv: os.Getenv})
	warn := func(format string, args ...any) {
		if rows := p.redrawnRows(); rows > 0 {
			p.warnAbove(rows, format, args...)
			return
		}
		p.warn(format, args...)
	}
	h := &helper.Helper{
		Config:    cfg,
		ConfigErr: err,
		Context:   ctx,
		Warn:      warn,
		Session: func() (*token.Session, error) {
			s, err := p.helperSession(cfg)
			if s != nil {
				s.Warn, s.STS.Warn = warn, warn
			}
			return s, err
		},
		Elsewhere: func(s *token.Session) { p.forgetElsewhere(ctx, *s) },
	}
	waits := term.IsTerminal(int(p.Stdin.Fd()))
	if waits && verb == credentials.ActionGet {
		p.warn("type the registry's name, such as %s, then Enter and Ctrl-D", registryName(cfg))
	}
	if isClosed(p.Stdout) {
		p.warn("standard output is closed, where the answer goes")
		return exitFailed
	}
	return helper.Serve(h, verb, p.Stdin, waits, p.Stdout)
}

func registryName(cfg config.Config) string {
	if cfg.Registry == nil {
		return "cgr.dev"
	}
	return cfg.Registry.Host
}

// warn says one line to the user.
func (p Program) warn(format string, args ...any) {
	fmt.Fprint(p.Stderr, warning(format, args...))
}

// warning returns the line that warn writes.
func warning(format string, args ...any) string {
	return name + ": " + strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", "; ") + "\n"
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
