// Package workload knows where a machine's ID token comes from: the token by which
// a CI job, a pod or a virtual machine proves to the issuer what it is.
//
// An ID token is opaque here. It is handed on, and never parsed to decide anything:
// what is refused is only what could not travel in an HTTP header. No error quotes
// one.
package workload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"docker-credential-cgr/platform"
)

const (
	// patience is how long a service, a command or a file may take to give a token.
	patience = 10 * time.Second
	// pipePatience is how long whoever writes into a pipe may take, which may be a
	// person who pastes, or a command that asks another service first.
	pipePatience = time.Minute
)

// Source is where an ID token comes from.
type Source struct {
	// Name is what messages call it: "GitHub Actions", "the file /run/token".
	Name string
	// Path is the absolute path of a file that a later run can read again. It is
	// empty for everything else.
	Path string
	// Exposed says that the token was itself an argument of the command line, which
	// other programs on the machine can read.
	Exposed bool
	// Token gives a token that is good now, without a line end: at most 64 KiB of
	// text, without control characters. It ends with its context, and in bounded
	// time. Its errors are one line, name the source, and hold no part of a token.
	Token func(context.Context) (string, error)
}

// File is a regular file, or a link to one. It is read again for every token, since
// whoever made it may replace it.
func File(path string) Source {
	absolute, err := filepath.Abs(path)
	if err != nil { // the current folder is gone
		absolute = path
	}
	name := "the file " + platform.Printable(absolute)
	read := reading(name, patience, func() ([]byte, error) { return readFile(absolute) })
	return Source{Name: name, Path: absolute, Token: read}
}

// Variable is an environment variable, looked up through getenv for every token. A
// name that no variable can have is an error; it is not quoted, because it may be a
// token that was given in place of its variable's name.
func Variable(name string, getenv func(string) string) (Source, error) {
	if !variableName(name) {
		return Source{}, errors.New("an ID token's variable is given by its name alone, such as ID_TOKEN, without $ and not by its value")
	}
	return variable("the variable "+name, name, getenv), nil
}

func variable(source, name string, getenv func(string) string) Source {
	return Source{Name: source, Token: func(context.Context) (string, error) {
		value := getenv(name)
		if value == "" {
			return "", fmt.Errorf("no ID token: the variable %s is not set", name)
		}
		return checked("the variable "+name, value)
	}}
}

// maxVariable is how long a variable's name may be. A token is longer.
const maxVariable = 64

// variableName says whether a shell could set name (POSIX, XBD 3.230).
func variableName(name string) bool {
	if name == "" || len(name) > maxVariable || name[0] >= '0' && name[0] <= '9' {
		return false
	}
	return !strings.ContainsFunc(name, func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
}

// Value is the token itself, checked.
func Value(token string) (Source, error) {
	const name = "the ID token that was given"
	token, err := checked(name, token)
	if err != nil {
		return Source{}, err
	}
	return Source{Name: name, Token: func(context.Context) (string, error) { return token, nil }}, nil
}

// Reader is a stream, such as standard input, that holds the token and ends within
// a minute. It is read for the first token, and gives the same one ever after.
func Reader(r io.Reader) Source {
	const name = "standard input"
	return Source{Name: name, Token: once(reading(name, pipePatience, func() ([]byte, error) { return readAll(r) }))}
}

// pipe is a pipe that has a path, such as a shell's <(command). What was read from
// it is gone, so it is read once.
func pipe(path string) Source {
	name := "the pipe " + platform.Printable(path)
	return Source{Name: name, Token: once(reading(name, pipePatience, func() ([]byte, error) {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return readAll(f)
	}))}
}

// once keeps the first result, whatever it was.
func once(read func(context.Context) (string, error)) func(context.Context) (string, error) {
	var (
		mu    sync.Mutex
		done  bool
		token string
		err   error
	)
	return func(ctx context.Context) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		if !done {
			token, err = read(ctx)
			done = true
		}
		return token, err
	}
}

// reading makes a Token of a read that may hang, as on a pipe nobody writes into or
// a file system that is gone. Such a read is left behind.
func reading(name string, limit time.Duration, read func() ([]byte, error)) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		ctx, cancel := context.WithTimeout(ctx, limit)
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
			return "", unfinished(name, ctx.Err())
		case got := <-done:
			if got.err != nil {
				return "", fmt.Errorf("no ID token from %s: %s", name, reason(got.err))
			}
			return checked(name, string(got.text))
		}
	}
}

// unfinished is the error for a source that gave nothing before its context ended.
func unfinished(name string, err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no ID token from %s: it gave none in time", name)
	}
	return fmt.Errorf("no ID token from %s: %w", name, err)
}

// reason leaves out what fs.PathError says about the path, which the message has.
func reason(err error) string {
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err
	}
	return platform.Printable(err.Error())
}

// readFile reads a regular file. What it is, is asked before it is opened, which
// would wait at a pipe and set some devices going.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if why := notRegular(info.Mode()); why != "" {
		return nil, errors.New(why)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f)
}

// notRegular says what is wrong with a file of that mode, in words after its name.
func notRegular(mode fs.FileMode) string {
	switch {
	case mode.IsRegular():
		return ""
	case mode.IsDir():
		return "it is a folder"
	case mode&fs.ModeNamedPipe != 0:
		return "it is a pipe, which can be read only once"
	default:
		return "it is a device or a socket, not a file"
	}
}

// readAll reads as much as a token may have with its line end, and one byte more.
func readAll(r io.Reader) ([]byte, error) {
	return io.ReadAll(io.LimitReader(r, platform.MaxToken+int64(len("\r\n"))+1))
}

// checked gives the token that a source named so wrote as text: without the one
// line end that editors and echo add, and only if a header can carry it.
func checked(name, text string) (string, error) {
	token, ended := strings.CutSuffix(text, "\n")
	if ended {
		token = strings.TrimSuffix(token, "\r")
	}
	if why := unfit(token); why != "" {
		return "", fmt.Errorf("no ID token from %s: what it holds %s", name, why)
	}
	return token, nil
}

// unfit says why a text can be no token, without quoting it.
func unfit(token string) string {
	switch {
	case strings.TrimSpace(token) == "":
		return "is empty"
	case len(token) > platform.MaxToken:
		return fmt.Sprintf("is over %d KiB", platform.MaxToken>>10)
	case strings.HasPrefix(token, "\xff\xfe"), strings.HasPrefix(token, "\xfe\xff"):
		return "is UTF-16 text: write it as UTF-8 without a byte order mark"
	case strings.HasPrefix(token, "\uFEFF"):
		return "begins with a byte order mark: write it as UTF-8 without one"
	case !utf8.ValidString(token):
		return "is not text"
	case strings.ContainsFunc(token, unicode.IsControl):
		return "has a line break or another control character in it"
	}
	return ""
}
