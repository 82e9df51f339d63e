// Package toolconfig makes tools for packages run a program for their credentials.
package toolconfig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"docker-credential-cgr/hint"
)

// addCommand returns a value of GOAUTH with a command in front of the others, which the go
// command prefers. GOAUTH=off cannot be combined.
func addCommand(value, command string) string {
	rest := removeCommand(value, command)
	if rest == "" || rest == "off" {
		return command
	}
	return command + ";" + rest
}

// removeCommand returns a value of GOAUTH without a command.
func removeCommand(value, command string) string {
	var rest []string
	for part := range strings.SplitSeq(value, ";") {
		if part = strings.TrimSpace(part); part != "" && part != command {
			rest = append(rest, part)
		}
	}
	return strings.Join(rest, ";")
}

// goDefault is the value of GOAUTH that is not set (go help goauth).
const goDefault = "netrc"

// GoAuth is Go's setting for the commands that return credentials.
type GoAuth struct {
	Value   string // now
	Command string // the one to add or to remove
}

// ReadGoAuth asks the go command for its setting.
func ReadGoAuth(ctx context.Context, command string) (GoAuth, error) {
	value, err := runGo(ctx, "env", "GOAUTH")
	return GoAuth{value, command}, err
}

// With returns the value with the command.
func (g GoAuth) With() string { return addCommand(g.Value, g.Command) }

// Without returns the value without the command.
func (g GoAuth) Without() string { return removeCommand(g.Value, g.Command) }

// Write changes the setting with `go env`, and returns the path of the file that has it.
func (g GoAuth) Write(ctx context.Context, value string) (file string, err error) {
	switch {
	case os.Getenv("GOAUTH") != "":
		return "", hint.With(errors.New("GOAUTH is set in the environment, which takes precedence over go env"), hint.Unset("GOAUTH"))
	case os.Getenv("GOENV") == "off":
		return "", hint.With(errors.New("GOENV is off, so the go command reads no settings"), hint.Unset("GOENV"))
	}
	if value == "" || value == goDefault {
		_, err = runGo(ctx, "env", "-u", "GOAUTH")
	} else {
		_, err = runGo(ctx, "env", "-w", "GOAUTH="+value)
	}
	if err != nil {
		return "", err
	}
	return runGo(ctx, "env", "GOENV")
}

// runGo runs the go command and returns the line that it prints.
func runGo(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "go", args...).Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		err = errors.New(strings.TrimSpace(string(failed.Stderr)))
	}
	if err != nil {
		return "", fmt.Errorf("cannot run go %s: %w", args[0], err)
	}
	return strings.TrimSpace(string(out)), nil
}
