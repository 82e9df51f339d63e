package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker-credential-helpers/credentials"
	"golang.org/x/term"

	"docker-credential-cgr/cli/command"
	"docker-credential-cgr/cli/tools"
	"docker-credential-cgr/config"
	"docker-credential-cgr/helper"
	"docker-credential-cgr/hint"
	"docker-credential-cgr/token"
)

// serve runs a verb of the credential helper protocol and returns the exit code.
func (p Program) serve(ctx context.Context, verb string) int {
	a := p.app()
	a.IsHelper = true
	var configErr error
	a.Config, configErr = config.Read(config.Sources{Getenv: os.Getenv})
	warn := func(err error) {
		if rows := redrawnRows(p.Stderr); rows > 0 {
			p.printAbove(rows, a.Lines("", err))
			return
		}
		a.WarnError(err)
	}
	h := &helper.Helper{
		Config:    a.Config,
		ConfigErr: configErr,
		Context:   ctx,
		Warn:      warn,
		Line:      a.OneLine,
		Session: func(organization string, mayPrompt bool) (*token.Session, error) {
			a.UseOrganization(organization)
			a.NeverPrompts = !mayPrompt
			s, err := p.session(a)
			if s != nil {
				s.Warn, s.STS.Warn = warn, warn
				s.Note = func(format string, args ...any) { warn(fmt.Errorf(format, args...)) }
			}
			return s, err
		},
		Elsewhere: func(s *token.Session) { a.ClearOtherStores(ctx, *s) },
	}
	isTerminal := term.IsTerminal(int(p.Stdin.Fd()))
	if isTerminal && verb == credentials.ActionGet {
		host := "cgr.dev"
		if a.Config.Registry != nil {
			host = a.Config.Registry.Host
		}
		a.Note("type the registry's name, such as %s, then Enter and Ctrl-D", host)
	}
	hasAnswer := verb == credentials.ActionGet || verb == credentials.ActionList
	if hasAnswer && isClosed(p.Stdout) {
		a.Warn("cannot write the answer: standard output is closed")
		return exitFailed
	}
	return helper.Serve(h, verb, p.Stdin, isTerminal, p.Stdout)
}

// runTool runs a command that other programs run often, without cobra, which takes time to
// set up. It reports false for arguments with a flag.
func (p Program) runTool(ctx context.Context, name string, args []string) (code int, done bool) {
	var run func(*command.App, tools.Watch) error
	isFlag := func(arg string) bool { return strings.HasPrefix(arg, "-") }
	switch {
	case slices.ContainsFunc(args, isFlag):
	case name == tools.HeadersName:
		run = func(a *command.App, watch tools.Watch) error { return tools.PrintHeaders(ctx, a, args, watch) }
	case name == tools.KeyringName && len(args) == 3 && args[0] == "get":
		r := helper.KeyringRequest{Service: args[1], Username: args[2]}
		run = func(a *command.App, watch tools.Watch) error { return tools.PrintPassword(ctx, a, r, watch) }
	}
	if run == nil {
		return 0, false
	}
	a := p.app()
	var err error
	if a.Config, err = config.Read(config.Sources{Getenv: os.Getenv}); err == nil {
		err = run(a, func(ctx context.Context) (context.Context, context.CancelFunc) { return p.watch(ctx, nil) })
	}
	return exit(ctx, a, err), true
}

// session returns the session that answers a client.
func (p Program) session(a *command.App) (*token.Session, error) {
	s, err := a.SignInSession()
	if err != nil {
		return nil, err
	}
	s.Watch = func(ctx context.Context) (context.Context, context.CancelFunc) { return p.watch(ctx, p.Stdout) }
	if s.SignIn != nil {
		if login := loginCommand(parentArgs()); login != "" {
			a.RefuseSignIn(s, hint.With(fmt.Errorf("%s is about to store another credential", login), hint.Do(hint.SignIn)))
		}
	}
	return s, nil
}

// errClientGone ends a sign-in for a client that no longer reads the response.
var errClientGone = errors.New("the client that asked has ended")

// clientPoll is how often a sign-in checks that the client still runs.
const clientPoll = 500 * time.Millisecond

// watch returns a context that ends when a signal stops the program or client, unless it is
// nil, is not read any more: then no sign-in window and no lock are left behind. Catching
// signals costs a fifth of a `get` that needs no network and has nothing to clean up, so it is
// only called before longer work.
func (p Program) watch(ctx context.Context, client *os.File) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, p.Signals...)
	tick := time.NewTicker(clientPoll)
	go func() {
		defer signal.Stop(signals) // a second signal kills
		defer tick.Stop()
		for ctx.Err() == nil {
			select {
			case s := <-signals:
				if s == os.Interrupt {
					cancel(token.ErrInterrupted)
				} else {
					cancel(errors.New("stopped by a signal: " + s.String()))
				}
			case <-tick.C:
				if client != nil && isReaderGone(client) {
					cancel(errClientGone)
				}
			case <-ctx.Done():
			}
		}
	}()
	return ctx, func() { cancel(nil) }
}
