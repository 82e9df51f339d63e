package idtoken

import (
	"bytes"
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

// run runs a program and returns what it printed. It kills the program if that takes too
// long or prints too much. Its errors contain the last line of standard error, without
// the secrets and what was printed on standard output.
func run(ctx context.Context, path string, args, secrets []string) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errTimeout)
	defer cancel()
	stdout, stderr := limitedBuffer{full: cancel}, tailBuffer{}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = slices.DeleteFunc(os.Environ(), isOwnVariable)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	// A child of the program may keep the pipes open.
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	switch {
	case err == nil:
		return stdout.text.String(), nil
	case stdout.isFull:
		return "", fmt.Errorf("it printed more than %d KiB", platform.MaxToken>>10)
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	}
	reason := platform.Printable(err.Error(), secrets...)
	if line := stderr.lastLine(); line != "" {
		reason += ": " + platform.Printable(line, append(secrets, strings.TrimSpace(stdout.text.String()))...)
	}
	return "", errors.New(reason)
}

// isOwnVariable reports whether an entry of the environment may hold a credential of this
// program. The programs need everything else.
func isOwnVariable(entry string) bool {
	return strings.HasPrefix(strings.ToUpper(entry), "CHAINGUARD_")
}

// limitedBuffer stores a token and its line end. If more is written it calls full, since
// not every program ends when its output is no longer read.
type limitedBuffer struct {
	text   bytes.Buffer
	isFull bool
	full   func()
}

func (b *limitedBuffer) Write(p []byte) (int, error) {
	if b.text.Len()+len(p) > platform.MaxToken+len("\r\n") {
		b.isFull = true
		b.full()
		return 0, errors.New("too long for a token")
	}
	return b.text.Write(p)
}

// tailBuffer stores the end of what is written.
type tailBuffer struct{ text []byte }

const maxTail = 4 << 10 // bytes

func (b *tailBuffer) Write(p []byte) (int, error) {
	b.text = append(b.text, p...)
	if excess := len(b.text) - maxTail; excess > 0 {
		b.text = append(b.text[:0], b.text[excess:]...)
	}
	return len(p), nil
}

func (b *tailBuffer) lastLine() string {
	text := strings.TrimSpace(string(b.text))
	return strings.TrimSpace(text[strings.LastIndexAny(text, "\r\n")+1:])
}
