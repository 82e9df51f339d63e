package command

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/term"

	"docker-credential-cgr/hint"
)

// CanAsk reports whether the user can be asked a question.
func (a *App) CanAsk() bool {
	return term.IsTerminal(int(a.Stdin.Fd())) && a.IsInteractive()
}

// CheckConfirm returns a UsageError if an action needs a confirmation that cannot be asked
// for. yes is the value of --yes.
func (a *App) CheckConfirm(yes bool, action string) error {
	if yes || a.CanAsk() {
		return nil
	}
	return hint.With(Usagef("refusing to %s without confirmation (not a terminal)", action), hint.Text("add --yes"))
}

// Confirm asks a question before an action that cannot be undone, unless yes is set.
func (a *App) Confirm(ctx context.Context, yes bool, question string) error {
	if yes {
		return nil
	}
	if err := a.CheckConfirm(yes, strings.TrimSuffix(question, "?")); err != nil {
		return err
	}
	confirmed, err := a.Ask(ctx, question)
	if err == nil && !confirmed {
		err = errors.New("nothing was done")
	}
	return err
}

// Ask asks a question and reports whether the answer is yes.
func (a *App) Ask(ctx context.Context, question string) (bool, error) {
	fmt.Fprintf(a.Stderr, "%s: %s [y/N] ", Name, question)
	answer, err := a.readLine(ctx)
	answer = strings.ToLower(answer)
	return answer == "y" || answer == "yes", err
}

// readLine reads a line that the user types. If ctx ends, it returns and leaves its
// goroutine reading.
func (a *App) readLine(ctx context.Context) (string, error) {
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

// Count returns a number and a noun, which gets an s unless the number is 1.
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// These returns "this" and a noun, or "these", the number n and the noun with its plural
// ending.
func These(n int, noun, plural string) string {
	if n == 1 {
		return "this " + noun
	}
	return fmt.Sprintf("these %d %s", n, plural)
}
