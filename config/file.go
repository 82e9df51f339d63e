package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"docker-credential-cgr/atomicfile"
	"docker-credential-cgr/hint"
	"docker-credential-cgr/state"
)

const (
	maxFile   = 1 << 20 // bytes in the settings file
	maxErrors = 5       // reported about one file
)

// entry is a property in the settings file.
type entry struct {
	text   string
	source string // path and line
	err    error  // why the value is not text
}

// readFile finds the settings file and reads it, if it exists.
func (r *reader) readFile() (path string, entries map[string]entry) {
	path, source, err := r.path()
	if err == nil && path != "" {
		var text string
		text, _, err = load(path)
		switch {
		case err == nil:
			var errs []error
			entries, errs = parse(path, text)
			r.errs = append(r.errs, errs...)
		case source == "" && isAbsent(path):
			err = nil
		case source != "":
			err = fmt.Errorf("%s: %w", source, err)
		}
	}
	if err != nil {
		r.errs = append(r.errs, err)
	}
	return path, entries
}

// path returns the path of the settings file, or "" if there is no folder for it. source
// is the flag or the variable that names it, or "".
func (s Sources) path() (path, source string, err error) {
	const variable = "CHAINGUARD_CONFIG"
	if s.File != "" {
		return s.File, "flag --config", nil
	}
	if path := s.Getenv(variable); path != "" {
		// With a relative path, this program would read a file in whatever folder Docker
		// is run in.
		if !filepath.IsAbs(path) {
			return "", "", fmt.Errorf("%s=%q: must be an absolute path", variable, redact(path))
		}
		return path, variable, nil
	}
	if dir := userConfigDir(s.Getenv); dir != "" {
		return filepath.Join(dir, "docker-credential-cgr", "config.yaml"), "", nil
	}
	return "", "", nil
}

// userConfigDir is os.UserConfigDir for the given environment, but it ignores relative
// paths (XDG Base Directory Specification), and without a usable HOME it takes the home
// in the user database.
func userConfigDir(getenv func(string) string) string {
	if runtime.GOOS == "windows" {
		if dir := getenv("AppData"); filepath.IsAbs(dir) {
			return dir
		}
		return ""
	}
	if dir := getenv("XDG_CONFIG_HOME"); runtime.GOOS != "darwin" && filepath.IsAbs(dir) {
		return dir
	}
	home, err := state.Home(getenv)
	switch {
	case err != nil:
		return ""
	case runtime.GOOS == "darwin":
		return filepath.Join(home, "Library", "Application Support")
	}
	return filepath.Join(home, ".config")
}

// isAbsent reports whether there is no file at path, or none that this user could have
// made: a container may set HOME to a folder that only root can read.
func isAbsent(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ENOTDIR)
}

// load reads a settings file that only this user or root can have written. It follows a
// link.
func load(path string) (text string, mode fs.FileMode, err error) {
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", 0, cannot("read", path, err)
	}
	f, err := atomicfile.Open(target, os.O_RDONLY)
	if errors.Is(err, atomicfile.ErrNotRegular) {
		return "", 0, fmt.Errorf("%s is %w", plain(path), atomicfile.ErrNotRegular)
	}
	if err != nil {
		return "", 0, cannot("read", path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", 0, cannot("read", path, err)
	}
	if err := checkOwner(plain(path), info); err != nil {
		return "", 0, err
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return "", 0, cannot("read", path, err)
	case len(raw) > maxFile:
		return "", 0, fmt.Errorf("%s is over %d bytes", plain(path), maxFile)
	case !utf8.Valid(raw):
		return "", 0, hint.With(fmt.Errorf("%s is not UTF-8 text", plain(path)), hint.Text("save it as UTF-8"))
	}
	return strings.TrimPrefix(string(raw), "\ufeff"), info.Mode().Perm(), nil
}

// checkOwner refuses a file that another user could have written: it names where secrets
// are sent. On Windows, access control lists keep other users out.
func checkOwner(path string, info fs.FileInfo) error {
	me, perm := os.Geteuid(), info.Mode().Perm()
	switch owner, known := atomicfile.OwnerOf(info); {
	case known && owner != me && owner != 0:
		return hint.With(fmt.Errorf("%s is not used: it belongs to user %d, not to you (user %d) or root", path, owner, me),
			hint.Text("chown %d %s", me, path))
	case known && perm&0o022 != 0:
		return hint.With(fmt.Errorf("%s is not used: others may write to it (mode %04o)", path, perm),
			hint.Text("see what is in it, then run: chmod go-w %s", path))
	}
	return nil
}

// cannot returns an error that names path once.
func cannot(do, path string, err error) error {
	var inner *fs.PathError
	if errors.As(err, &inner) {
		err = inner.Err
	}
	return fmt.Errorf("cannot %s %s: %w", do, plain(path), err)
}

// plain returns path for an error: on one line.
func plain(path string) string {
	if printable(path) {
		return path
	}
	return strconv.Quote(path)
}

// parse reads the text of a settings file. An error in the value of a property is in its
// entry: it matters only if the file's value is used.
func parse(path, text string) (entries map[string]entry, errs []error) {
	path = plain(path)
	root, err := decode(text)
	if err != nil {
		return nil, []error{fmt.Errorf("%s%w", path, err)}
	}
	entries = map[string]entry{}
	for _, l := range leaves(root) {
		e := entry{source: path + ":" + strconv.Itoa(l.node.Line)}
		other, twice := entries[l.name]
		switch {
		case isForeign(l.name):
			continue
		case index(l.name) < 0:
			errs = append(errs, fmt.Errorf("%s:%d: %w", path, l.line, unknown(l.name)))
			continue
		case twice:
			errs = append(errs, fmt.Errorf("%s:%d: %q is there twice, first at %s", path, l.line, l.name, other.source))
			continue
		// YAML does not decide what a value means: it takes an id of 40 digits for a number.
		case l.node.Kind != yaml.ScalarNode || l.node.Style&yaml.TaggedStyle != 0:
			e.err = errors.New("must be one value, without an alias (*) or a tag (!)")
		default:
			e.text = l.node.Value
		}
		entries[l.name] = e
	}
	if more := len(errs) - maxErrors; more > 0 {
		errs = append(errs[:maxErrors], fmt.Errorf("%s: %d more errors", path, more))
	}
	return entries, errs
}

// leaf is a value in a settings file that is not a mapping.
type leaf struct {
	name string // the keys that lead to it, with dots
	line int    // of the last key
	node *yaml.Node
}

// leaves returns the values in a settings file that are neither empty nor null.
func leaves(root *yaml.Node) (all []leaf) {
	var walk func(prefix string, mapping *yaml.Node)
	walk = func(prefix string, mapping *yaml.Node) {
		for pair := range slices.Chunk(mapping.Content, 2) {
			key, value := pair[0], pair[1]
			switch {
			case value.Kind == yaml.MappingNode:
				walk(prefix+key.Value+".", value)
			case value.Kind == yaml.ScalarNode && (isNull(value) || value.Value == ""):
			default:
				all = append(all, leaf{prefix + key.Value, key.Line, value})
			}
		}
	}
	if root != nil {
		walk("", root)
	}
	return all
}

// decode returns the mapping that a settings file is, or nil if the file is empty. Its
// errors begin with the position: ":3: …".
func decode(text string) (root *yaml.Node, err error) {
	document, err := decodeDocument(text)
	if err != nil || document == nil || isNull(document.Content[0]) {
		return nil, err
	}
	return document.Content[0], nil
}

// decodeDocument is decode for the document, which has comments of its own. It is nil if
// the text has no value.
func decodeDocument(text string) (root *yaml.Node, err error) {
	// The YAML library panics for an error, and does not recover all of its panics.
	defer func() {
		if recover() != nil {
			root, err = nil, errors.New(": is not valid YAML")
		}
	}()
	d := yaml.NewDecoder(strings.NewReader(text))
	var document, next yaml.Node
	switch err := d.Decode(&document); {
	case errors.Is(err, io.EOF): // only comments
		return nil, nil
	case err != nil:
		return nil, explain(err)
	}
	switch err := d.Decode(&next); {
	case err == nil:
		return nil, errors.New(": has more than one document (---)")
	case !errors.Is(err, io.EOF):
		return nil, explain(err)
	}
	if root = document.Content[0]; !isNull(root) && root.Kind != yaml.MappingNode {
		return nil, fmt.Errorf(`:%d: must have settings, each as "name: value"`, root.Line)
	}
	return &document, nil
}

// explain returns an error of the YAML library without any of the text, which may be a
// secret.
func explain(err error) error {
	what := strings.TrimPrefix(err.Error(), "yaml: ")
	if strings.HasPrefix(what, "unknown anchor") {
		return errors.New(": has an alias (*): write the value itself, in quotes if it begins with *")
	}
	if rest, ok := strings.CutPrefix(what, "line "); ok {
		return errors.New(":" + rest)
	}
	return errors.New(":1: " + what) // the library leaves out its line 0
}

func isNull(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null"
}

// unknown returns the error for a name that is not a property.
func unknown(name string) error {
	if name == clientSecret {
		return errors.New(clientSecret + ": " + noClientSecret)
	}
	err := fmt.Errorf("unknown setting %q", redact(name))
	if near := similar(name, Properties()); near != "" {
		return hint.With(err, hint.Text("did you mean %s?", near))
	}
	return hint.With(err, hint.Do(hint.ListSettings))
}
