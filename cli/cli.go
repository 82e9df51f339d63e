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
	"docker-credential-cgr/hint"
	"docker-credential-cgr/signin/openurl"
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
			p.typed = true
			return p.exit(ctx, hint.With(misuse("%s reads its input from standard input", command), hint.Text("echo cgr.dev | %s get", name)))
		}
	case credentials.ActionVersion, "--version", "-v":
		if len(rest) == 0 {
			return p.exit(ctx, p.answer("%s %s\n", name, p.version()))
		}
	case openurl.Verb: // our own child, with the null device for standard streams
		if len(rest) != 1 || openurl.Open(rest[0]) != nil {
			return exitFailed
		}
		return exitDone
	}
	return p.commands(ctx)
}

// serve carries out a verb of Docker's protocol.
func (p Program) serve(ctx context.Context, verb string) int {
	cfg, err := config.Read(config.Sources{Getenv: os.Getenv})
	warn := func(err error) {
		if rows := p.redrawnRows(); rows > 0 {
			p.printAbove(rows, p.lines("", err))
			return
		}
		p.warnError(err)
	}
	h := &helper.Helper{
		Config:    cfg,
		ConfigErr: err,
		Context:   ctx,
		Warn:      warn,
		Line:      oneLine,
		Session: func() (*token.Session, error) {
			s, err := p.helperSession(cfg)
			if s != nil {
				s.Warn, s.STS.Warn = warn, warn
				s.Note = func(format string, args ...any) { warn(fmt.Errorf(format, args...)) }
			}
			return s, err
		},
		Elsewhere: func(s *token.Session) { p.forgetElsewhere(ctx, *s) },
	}
	waits := term.IsTerminal(int(p.Stdin.Fd()))
	if waits && verb == credentials.ActionGet {
		p.note("type the registry's name, such as %s, then Enter and Ctrl-D", registryName(cfg))
	}
	if isClosed(p.Stdout) {
		p.warn("cannot write the answer: standard output is closed")
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

// warn prints a warning, and the hints of the errors among args.
func (p Program) warn(format string, args ...any) {
	p.print("warning: ", warning(format, args...))
}

// warnHint prints a warning with a hint.
func (p Program) warnHint(h hint.Hint, format string, args ...any) {
	p.warnError(hint.With(warning(format, args...), h))
}

// warnError prints an error that does not stop the command.
func (p Program) warnError(err error) { p.print("warning: ", err) }

// printError prints the error that ends the program.
func (p Program) printError(err error) { p.print("error: ", err) }

// note prints a line that is neither: what a command waits for, or has done.
func (p Program) note(format string, args ...any) {
	p.print("", warning(format, args...))
}

// warning returns an error with this text and the hints of the errors among args.
func warning(format string, args ...any) error {
	var hints []hint.Hint
	for _, arg := range args {
		if err, ok := arg.(error); ok {
			hints = append(hints, hint.Of(err)...)
		}
	}
	return hint.With(fmt.Errorf(format, args...), hints...)
}

// oneLine returns an error with its hints as one line, as the protocol wants it.
func oneLine(err error) string {
	text := strings.ReplaceAll(err.Error(), "\n", "; ")
	for i, h := range hint.Of(err) {
		if i == 0 {
			text += " (hint: " + command(h)
		} else {
			text += "; " + command(h)
		}
	}
	if len(hint.Of(err)) > 0 {
		text += ")"
	}
	return text
}

// print writes an error and its hints to standard error.
func (p Program) print(prefix string, err error) {
	fmt.Fprint(p.Stderr, p.lines(prefix, err))
}

// lines returns an error as a line for people, with a line for each hint. Docker shows
// its users what a verb of the protocol prints, so there the program's name comes first.
func (p Program) lines(prefix string, err error) string {
	program := ""
	if !p.typed {
		program = name + ": "
		if prefix == "error: " || prefix == "warning: " {
			prefix = ""
		}
	}
	var b strings.Builder
	line := func(prefix, text string) {
		b.WriteString(program + prefix + strings.ReplaceAll(text, "\n", "; ") + "\n")
	}
	line(prefix, err.Error())
	for _, h := range hint.Of(err) {
		line("hint: ", command(h))
	}
	return b.String()
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
