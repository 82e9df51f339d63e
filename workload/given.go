package workload

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"docker-credential-cgr/platform"
)

// Given is what somebody gave as --identity-token: "-" for standard input, the path
// of a file or a pipe, or the token itself. What names something that is there is a
// path; of the rest, whatever looks like a path is an error, so that a mistyped one
// is not sent to the issuer. An error quotes the argument only where it begins as
// paths alone do.
func Given(arg string, stdin io.Reader) (Source, error) {
	switch arg {
	case "":
		return Source{}, errors.New("the ID token that was given is empty: is the variable set that should hold it?")
	case "-":
		return Reader(stdin), nil
	}
	info, err := os.Stat(arg)
	if err != nil {
		if err := mistyped(arg, err); err != nil {
			return Source{}, err
		}
		source, err := Value(arg)
		source.Exposed = err == nil
		return source, err
	}
	if info.Mode()&fs.ModeNamedPipe != 0 {
		return pipe(arg), nil
	}
	source := File(arg)
	if why := notRegular(info.Mode()); why != "" {
		return Source{}, fmt.Errorf("no ID token from %s: %s", source.Name, why)
	}
	if descriptor(source.Path) {
		source.Path = ""
	}
	return source, nil
}

// descriptor says whether path stands for an open file of this process, which
// another process has not.
func descriptor(path string) bool {
	return path == "/dev/stdin" || strings.HasPrefix(path, "/dev/fd/") || strings.HasPrefix(path, "/proc/")
}

const (
	maxFileName = 255 // of most file systems; a JWT is longer
	minToken    = 64  // a JWT's signature alone is longer, unless somebody made it up
)

// mistyped is the error for an argument that names nothing, as missing says, and is
// no token either. It is nil for what can be a token.
func mistyped(arg string, missing error) error {
	if rest, ok := strings.CutPrefix(arg, "$"); ok {
		if name := strings.Trim(rest, "{}"); variableName(name) {
			return fmt.Errorf("the ID token is given as $%s, which no shell has replaced; to read that variable, use: --identity-token-env %s", name, name)
		}
	}
	beginsAsPath := beginsAsPath(arg)
	short := len(arg) <= maxFileName
	switch {
	case beginsAsPath && short:
		return fmt.Errorf("no ID token from the file %s: %s", platform.Printable(arg), reason(missing))
	case beginsAsPath,
		short && strings.ContainsAny(arg, `/\`),
		// Three parts make a JWT, however short.
		len(arg) < minToken && strings.Count(arg, ".") != 2:
		return errors.New("the ID token that was given is none, and names no file that can be read; to hand one over, use: --identity-token -")
	}
	return nil
}

// beginsAsPath says whether arg begins as paths do and no JWT: from the root, from
// the current folder or the one above, from a home that no shell has filled in, or
// with a drive's letter.
func beginsAsPath(arg string) bool {
	for _, start := range []string{"/", "./", "../", "~", `\`, `.\`, `..\`} {
		if strings.HasPrefix(arg, start) {
			return true
		}
	}
	return len(arg) > 2 && arg[1] == ':' && (arg[2] == '\\' || arg[2] == '/')
}
