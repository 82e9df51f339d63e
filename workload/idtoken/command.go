package idtoken

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"docker-credential-cgr/hint"
	"docker-credential-cgr/platform"
)

// Command returns the source of a program that prints a token. Its errors do not contain
// the secrets, with which the program signs in.
func Command(name string, secrets []string, path string, args ...string) Source {
	return Source{Name: name, Token: func(ctx context.Context) (string, error) {
		text, err := run(ctx, path, args, secrets)
		if err != nil {
			return "", fmt.Errorf("no ID token from %s: %s: %w", name, filepath.Base(path), err)
		}
		return Check(name, text)
	}}
}

// WithHint returns s with a hint on each of its errors.
func (s Source) WithHint(h hint.Hint) Source {
	token := s.Token
	s.Token = func(ctx context.Context) (string, error) {
		text, err := token(ctx)
		return text, hint.With(err, h)
	}
	return s
}

// run runs a program and returns what it printed, the end if that is too long for a token. It
// kills the program if that takes too long. Its errors contain the last line of standard
// error, without the secrets and what was printed on standard output.
func run(ctx context.Context, path string, args, secrets []string) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errTimeout)
	defer cancel()
	stdout, stderr := tail{limit: maxText}, tail{limit: 4 << 10}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = slices.DeleteFunc(os.Environ(), isOwnVariable)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	// A child of the program may keep the pipes open.
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	switch {
	case err == nil:
		return string(stdout.text), nil
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	}
	reason := platform.Printable(err.Error(), secrets...)
	complaint := strings.TrimSpace(string(stderr.text))
	if complaint != "" {
		line := strings.TrimSpace(complaint[strings.LastIndexAny(complaint, "\r\n")+1:])
		reason += ": " + platform.Printable(line, append(secrets, strings.TrimSpace(string(stdout.text)))...)
	}
	return "", errors.New(reason)
}

// isOwnVariable reports whether an entry of the environment may hold a credential of this
// program. The programs need everything else.
func isOwnVariable(entry string) bool {
	return strings.HasPrefix(strings.ToUpper(entry), "CHAINGUARD_")
}

// tail stores the end of what is written, in bytes up to its limit.
type tail struct {
	limit int
	text  []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p...)
	t.text = t.text[max(0, len(t.text)-t.limit):]
	return len(p), nil
}
