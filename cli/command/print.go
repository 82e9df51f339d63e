package command

import (
	"fmt"
	"os"
	"strings"

	"docker-credential-cgr/hint"
	"docker-credential-cgr/workload"
)

// Warn prints a warning, and the hints of the errors among args.
func (a *App) Warn(format string, args ...any) {
	a.print("warning: ", errorf(format, args...))
}

// WarnHint prints a warning with a hint.
func (a *App) WarnHint(h hint.Hint, format string, args ...any) {
	a.WarnError(hint.With(errorf(format, args...), h))
}

// WarnError prints an error that does not stop the command.
func (a *App) WarnError(err error) { a.print("warning: ", err) }

// PrintError prints the error that ends the command.
func (a *App) PrintError(err error) { a.print("error: ", err) }

// Note prints on standard error what a command has done or waits for.
func (a *App) Note(format string, args ...any) {
	a.print("", errorf(format, args...))
}

// Debug prints what the program does if debug messages are on. args must not contain a
// secret.
func (a *App) Debug(format string, args ...any) {
	if a.Config.Debug {
		a.print("debug: ", fmt.Errorf(format, args...))
	}
}

// errorf returns an error with the hints of the errors among args.
func errorf(format string, args ...any) error {
	var hints []hint.Hint
	for _, arg := range args {
		if err, ok := arg.(error); ok {
			hints = append(hints, hint.Of(err)...)
		}
	}
	return hint.With(fmt.Errorf(format, args...), hints...)
}

func (a *App) print(prefix string, err error) {
	fmt.Fprint(a.Stderr, a.Lines(prefix, err))
}

// Lines returns an error as a line with a prefix, followed by a line for each hint. Docker
// shows its users what a helper prints, so there the program's name comes first.
func (a *App) Lines(prefix string, err error) string {
	program := ""
	if a.IsHelper {
		program = Name + ": "
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
		line("hint: ", a.HintText(h))
	}
	return b.String()
}

// OneLine returns an error with its hints as one line, as the protocol requires.
func (a *App) OneLine(err error) string {
	text := strings.ReplaceAll(err.Error(), "\n", "; ")
	var hints []string
	for _, h := range hint.Of(err) {
		hints = append(hints, a.HintText(h))
	}
	if len(hints) > 0 {
		text += " (hint: " + strings.Join(hints, "; ") + ")"
	}
	return text
}

// Mask tells the CI system to hide a secret in the log of the job, if the system can. It
// must be called before the secret is printed.
func (a *App) Mask(secret string) {
	// The runner of GitHub Actions looks for commands in both streams. Standard output may
	// be captured in a variable.
	if command := (workload.Host{Getenv: os.Getenv}).Mask(); command != "" {
		fmt.Fprintf(a.Stderr, "%s%s\n", command, secret)
	}
}
