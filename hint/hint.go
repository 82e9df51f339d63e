// Package hint attaches to an error what its reader can do next.
//
// A hint is part of the error's value and not of its text, so that the command line can
// print it on a line of its own, and doctor can print it as a fix.
package hint

import (
	"fmt"
	"slices"
	"strings"
)

// Action is something that a command of this program does. Which command that is, only
// package cli/command knows.
type Action int

// The actions that hints suggest, with their arguments in parentheses.
const (
	SignIn Action = iota + 1
	ConfigureDocker
	ReplaceHelper // of another program, in Docker's configuration
	ShowStatus
	ListSettings
	SetSetting   // (property and value)
	UnsetSetting // (property)
	ListIdentities
	DeleteIdentity // (ID)
	ListPullTokens
	RevokePullToken // (ID)
	ShowHistory     // (image)
	ListImages
)

// Hint is one thing to do next: an action of this program, or a text.
type Hint struct {
	Action    Action // zero if Text says what to do
	Arguments string // of the Action, quoted for a shell
	Text      string // a command of another program, or a sentence without a period
}

// Do returns the hint to run the command for an action with arguments.
func Do(action Action, arguments ...string) Hint {
	quoted := make([]string, len(arguments))
	for i, argument := range arguments {
		quoted[i] = Quote(argument)
	}
	return Hint{Action: action, Arguments: strings.Join(quoted, " ")}
}

// Text returns a hint that is a command of another program, or a sentence.
func Text(format string, args ...any) Hint { return Hint{Text: fmt.Sprintf(format, args...)} }

// Hinter is an error type that carries its own hints.
type Hinter interface {
	error
	Hints() []Hint
}

// With returns err with hints, or nil if err is nil. Its text is that of err.
func With(err error, hints ...Hint) error {
	if err == nil {
		return nil
	}
	return &withHints{err, hints}
}

type withHints struct {
	error
	hints []Hint
}

func (e *withHints) Unwrap() error { return e.error }
func (e *withHints) Hints() []Hint { return e.hints }

// Of returns the hints of err and of the errors that it wraps, each once. Those of the
// outermost error come first.
func Of(err error) []Hint {
	var hints []Hint
	walk(err, func(err error) {
		if e, ok := err.(Hinter); ok {
			for _, h := range e.Hints() {
				if !slices.Contains(hints, h) {
					hints = append(hints, h)
				}
			}
		}
	})
	return hints
}

// walk calls visit for err and for each error that it wraps.
func walk(err error, visit func(error)) {
	if err == nil {
		return
	}
	visit(err)
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		walk(e.Unwrap(), visit)
	case interface{ Unwrap() []error }:
		for _, wrapped := range e.Unwrap() {
			walk(wrapped, visit)
		}
	}
}
