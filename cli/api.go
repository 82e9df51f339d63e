package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/term"

	"docker-credential-cgr/iam"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/token"
)

// commandSession is the session as commands use it that need somebody signed in:
// as `get` does, but for the signals, which every command watches.
func (a *app) commandSession() (*token.Session, error) {
	s, err := a.helperSession(a.cfg)
	if err == nil {
		s.Watch = nil
	}
	return s, err
}

// api is the platform's API, for whoever is signed in or signs in now.
func (a *app) api(ctx context.Context) (*iam.Client, *token.Session, error) {
	s, err := a.commandSession()
	if err != nil {
		return nil, nil, err
	}
	return a.client(ctx, s), s, nil
}

// organization finds the organization or folder that a command is about: the one
// of --parent, by id or name, else default.group's, else the only one; a person is
// asked where there are several.
func (a *app) organization(ctx context.Context, client *iam.Client, parent string) (iam.Group, error) {
	if parent == "" {
		parent = a.cfg.Group
	}
	group, err := client.Organization(ctx, parent)
	var several *iam.ManyError
	switch {
	case !errors.As(err, &several):
		return group, err
	case !a.canAsk():
		return group, usageError{err}
	}
	fmt.Fprintf(a.Stderr, "%s: which organization is it for?\n", name)
	for i, g := range several.Groups {
		fmt.Fprintf(a.Stderr, "%4d  %s (%s)\n", i+1, platform.Printable(g.Name), platform.Printable(g.ID))
	}
	fmt.Fprintf(a.Stderr, "number: ")
	answer, err := a.readLine(ctx)
	if err != nil {
		return iam.Group{}, err
	}
	n, err := strconv.Atoi(answer)
	if err != nil || n < 1 || n > len(several.Groups) {
		return iam.Group{}, misuse("enter a number from 1 to %d", len(several.Groups))
	}
	return several.Groups[n-1], nil
}

// canAsk says whether a person is there to answer a question.
func (a *app) canAsk() bool {
	return term.IsTerminal(int(a.Stdin.Fd())) && a.isInteractive()
}

// confirm asks a question before something that cannot be undone. Where nobody can
// be asked, yes has to be given beforehand.
func (a *app) confirm(ctx context.Context, yes bool, question string) error {
	if yes {
		return nil
	}
	if !a.canAsk() {
		return misuse("refusing to %s without confirmation (not a terminal); add --yes", strings.TrimSuffix(question, "?"))
	}
	fmt.Fprintf(a.Stderr, "%s: %s [y/N] ", name, question)
	answer, err := a.readLine(ctx)
	if err != nil {
		return err
	}
	if answer = strings.ToLower(answer); answer != "y" && answer != "yes" {
		return errors.New("nothing was done")
	}
	return nil
}

// readLine reads what a person types. It ends with ctx, leaving the read behind.
func (a *app) readLine(ctx context.Context) (string, error) {
	type line struct {
		text string
		err  error
	}
	typed := make(chan line, 1)
	go func() {
		text, err := bufio.NewReader(a.Stdin).ReadString('\n')
		typed <- line{strings.TrimSpace(text), err}
	}()
	select {
	case l := <-typed:
		return l.text, l.err
	case <-ctx.Done():
		fmt.Fprintln(a.Stderr)
		return "", context.Cause(ctx)
	}
}
