// Package idtoken gets an ID token from a file, a variable, a stream or a program.
//
// An ID token is opaque here: it is passed on without being parsed, and rejected only if
// an HTTP header could not carry it. No error contains one.
package idtoken

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"docker-credential-cgr/platform"
)

const (
	// timeout is how long a service, a command or a file may take.
	timeout = 10 * time.Second
	// pipeTimeout is how long a pipe or a terminal may take: a user may paste the token,
	// or a command may fetch it first.
	pipeTimeout = time.Minute
)

var (
	errTimeout    = errors.New("it timed out")
	errNotRegular = errors.New("it is not a regular file")
)

// Source is where an ID token comes from.
type Source struct {
	// Name is what messages call it: "GitHub Actions", "the file /run/token".
	Name string
	// Path is the absolute path of a file that a later run can read again, else "".
	Path string
	// Exposed reports whether the token was an argument of the command line, which other
	// programs on the machine can read.
	Exposed bool
	// Token returns a valid token without a line end: at most 64 KiB of text without
	// control characters. It ends with its context, and in bounded time. Its errors are
	// one line, name the source, and contain no part of a token.
	Token func(context.Context) (string, error)
}

// File returns the source of a regular file, or of a link to one. It is read again for
// every token, since it may be replaced.
func File(path string) Source {
	absolute, err := filepath.Abs(path)
	if err != nil { // the current folder is gone
		absolute = path
	}
	name := "the file " + platform.Printable(absolute)
	read := readWithin(name, timeout, func() ([]byte, error) { return readFile(absolute) })
	return Source{Name: name, Path: absolute, Token: read}
}

// FileOf returns the source of a file that a system has provided.
func FileOf(system, path string) Source {
	source := File(path)
	source.Name = system + " (" + source.Name + ")"
	return source
}

// Variable returns the source of an environment variable, which is read for every token.
// A name that no variable can have is an error that does not quote it: it may be a token
// instead of the name of its variable.
func Variable(name string, getenv func(string) string) (Source, error) {
	if !isVariableName(name) {
		return Source{}, errors.New("not the name of a variable: it must be the name alone, such as ID_TOKEN, without $ and the value")
	}
	return VariableOf("the variable "+name, name, getenv), nil
}

// VariableOf returns the source of a variable that a system has set.
func VariableOf(system, name string, getenv func(string) string) Source {
	return Source{Name: system, Token: func(context.Context) (string, error) {
		value := getenv(name)
		if value == "" {
			return "", fmt.Errorf("no ID token: the variable %s is not set", name)
		}
		return Check("the variable "+name, value)
	}}
}

// isVariableName reports whether a shell can set name (POSIX, XBD 3.230), which is at most
// 64 bytes long. A token is longer.
func isVariableName(name string) bool {
	return regexp.MustCompile(`^[A-Za-z_]\w{0,63}$`).MatchString(name)
}

// Reader returns the source of a stream, such as standard input, that contains the token
// and ends within a minute. It is read once.
func Reader(r io.Reader) Source {
	const name = "standard input"
	return Source{Name: name, Token: once(readWithin(name, pipeTimeout, func() ([]byte, error) { return readAll(r) }))}
}

// pipe returns the source of a pipe with a path, such as a shell's <(command). It can be
// read only once.
func pipe(path string) Source {
	name := "the pipe " + platform.Printable(path)
	return Source{Name: name, Token: once(readWithin(name, pipeTimeout, func() ([]byte, error) {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return readAll(f)
	}))}
}

// once returns the first result of read each time, also an error.
func once(read func(context.Context) (string, error)) func(context.Context) (string, error) {
	var (
		first sync.Once
		token string
		err   error
	)
	return func(ctx context.Context) (string, error) {
		first.Do(func() { token, err = read(ctx) })
		return token, err
	}
}

// readWithin returns a Token function for a read that may hang, as on a pipe without a
// writer or a network file system. It abandons such a read.
func readWithin(name string, limit time.Duration, read func() ([]byte, error)) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		ctx, cancel := context.WithTimeoutCause(ctx, limit, errTimeout)
		defer cancel()
		type result struct {
			text []byte
			err  error
		}
		done := make(chan result, 1)
		go func() {
			text, err := read()
			done <- result{text, err}
		}()
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("no ID token from %s: %w", name, context.Cause(ctx))
		case got := <-done:
			if got.err != nil {
				return "", fmt.Errorf("no ID token from %s: %s", name, reason(got.err))
			}
			return Check(name, string(got.text))
		}
	}
}

// reason returns the text of err without the path of an fs.PathError.
func reason(err error) string {
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err
	}
	return platform.Printable(err.Error())
}

// readFile reads a regular file. It checks the type before opening the file: opening a
// pipe waits, and opening some devices has effects.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errNotRegular
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f)
}

// maxText is how much of a text is read, in bytes: the longest token with its line end, and
// one byte more.
const maxText = platform.MaxToken + 3

func readAll(r io.Reader) ([]byte, error) { return io.ReadAll(io.LimitReader(r, maxText)) }

// Check returns the token in a source's text: without the one line end that editors
// and echo add, and only if a header can carry it.
func Check(name, text string) (string, error) {
	token, ended := strings.CutSuffix(text, "\n")
	if ended {
		token = strings.TrimSuffix(token, "\r")
	}
	if why := invalidReason(token); why != "" {
		return "", fmt.Errorf("no ID token from %s: its content %s", name, why)
	}
	return token, nil
}

// invalidReason returns why a text cannot be a token, or "". It does not quote the text.
func invalidReason(token string) string {
	switch {
	case strings.TrimSpace(token) == "":
		return "is empty"
	case len(token) > platform.MaxToken:
		return fmt.Sprintf("is over %d KiB", platform.MaxToken>>10)
	case !utf8.ValidString(token), strings.HasPrefix(token, "\uFEFF"):
		return "is not UTF-8 text, or begins with a byte order mark"
	case strings.ContainsFunc(token, unicode.IsControl):
		return "contains a line break or another control character"
	}
	return ""
}
