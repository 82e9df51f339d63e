package idtoken

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strings"

	"docker-credential-cgr/hint"
	"docker-credential-cgr/platform"
)

// FromFlag returns the source for the value of --identity-token: "-" for standard input, the
// path of a file or a pipe, or the token itself. A value that names something that exists
// is a path. Of the others, those that look like a path are an error, so that a mistyped
// path is not sent to the issuer. An error quotes the value only if it begins as only
// paths do.
func FromFlag(arg string, stdin io.Reader) (Source, error) {
	switch arg {
	case "":
		return Source{}, hint.With(errors.New("the ID token is empty"), hint.Text("check that the variable with the token is set"))
	case "-":
		return Reader(stdin), nil
	}
	info, err := os.Stat(arg)
	if err != nil {
		if err := mistyped(arg, err); err != nil {
			return Source{}, err
		}
		const name = "the ID token that was given"
		token, err := Check(name, arg)
		if err != nil {
			return Source{}, err
		}
		return Source{Name: name, Exposed: true, Token: func(context.Context) (string, error) { return token, nil }}, nil
	}
	if info.Mode()&fs.ModeNamedPipe != 0 {
		return pipe(arg), nil
	}
	source := File(arg)
	if !info.Mode().IsRegular() {
		return Source{}, fmt.Errorf("no ID token from %s: %w", source.Name, errNotRegular)
	}
	if isDescriptor(source.Path) {
		source.Path = ""
	}
	return source, nil
}

// isDescriptor reports whether path is an open file of this process, which a later
// process does not have.
func isDescriptor(path string) bool {
	return path == "/dev/stdin" || strings.HasPrefix(path, "/dev/fd/") || strings.HasPrefix(path, "/proc/")
}

const (
	maxFileName = 255 // bytes, of most file systems; a JWT is longer
	minToken    = 64  // bytes; the signature of a real JWT is longer
)

// mistyped returns the error for an argument that names no file, for the reason missing,
// and is not a token either. It returns nil for what can be a token.
func mistyped(arg string, missing error) error {
	short := len(arg) <= maxFileName
	switch {
	case beginsAsPath(arg) && short:
		return fmt.Errorf("no ID token from the file %s: %s", platform.Printable(arg), reason(missing))
	case beginsAsPath(arg),
		short && strings.ContainsAny(arg, `/\`),
		// Three parts make a JWT, however short.
		len(arg) < minToken && strings.Count(arg, ".") != 2:
		return hint.With(errors.New("this is neither an ID token nor the name of a file that can be read"),
			hint.Text("to pass the token on standard input, use --identity-token -"))
	}
	return nil
}

// beginsAsPath reports whether arg begins as only paths do: at the root, in the current
// folder or the one above, in a home that no shell has filled in, or with a drive's letter.
func beginsAsPath(arg string) bool {
	return regexp.MustCompile(`^(?:\.{0,2}[/\\]|~|[A-Za-z]:[/\\])`).MatchString(arg)
}
