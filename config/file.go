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
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"docker-credential-cgr/state"
)

// maxFile bounds the settings file, in bytes.
const maxFile = 1 << 20

// maxComplaints bounds what is said about one file.
const maxComplaints = 5

// entry is what the settings file says of one property.
type entry struct {
	text   string
	source string // path and line
	why    string // why it is no text, or ""
}

// readFile finds the settings file and reads it, where there is one.
func (r *reader) readFile() (path string, entries map[string]entry) {
	path, named, err := r.path()
	if err == nil && path != "" {
		var text string
		text, _, err = load(path)
		switch {
		case err == nil:
			var errs []error
			entries, errs = parse(path, text)
			r.errs = append(r.errs, errs...)
		case named == "" && absent(path):
			err = nil
		case named != "":
			err = fmt.Errorf("%s: %w", named, err)
		}
	}
	if err != nil {
		r.errs = append(r.errs, err)
	}
	return path, entries
}

// path says which file is the settings file, "" if none, and who named it, "" if
// nobody did.
func (s Sources) path() (path, named string, err error) {
	const variable = "CHAINGUARD_CONFIG"
	if s.File != "" {
		return s.File, "flag --config", nil
	}
	if path := s.Getenv(variable); path != "" {
		// A relative one would have this program read what lies in whatever folder
		// Docker is run in.
		if !filepath.IsAbs(path) {
			return "", "", fmt.Errorf("%s=%q: must be an absolute path", variable, shown(path))
		}
		return path, variable, nil
	}
	if dir := userConfigDir(s.Getenv); dir != "" {
		return filepath.Join(dir, "docker-credential-cgr", "config.yaml"), "", nil
	}
	return "", "", nil
}

// userConfigDir is os.UserConfigDir of the given environment, but for relative
// paths, which are passed over (XDG Base Directory Specification), and for the home,
// which is that of the user database where HOME names none.
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

// absent says whether there is no file of this name, or none that this user could
// have made: a container may leave HOME at a folder that only root can look into.
func absent(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ENOTDIR)
}

// load reads a settings file that nobody else can have written.
func load(path string) (text string, mode fs.FileMode, err error) {
	f, err := os.OpenFile(path, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return "", 0, cannot("read", path, err)
	}
	defer f.Close()
	// The open file is looked at, not the path, which could change under us.
	info, err := f.Stat()
	if err != nil {
		return "", 0, cannot("read", path, err)
	}
	if !info.Mode().IsRegular() {
		return "", 0, fmt.Errorf("%s is not a plain file", plain(path))
	}
	if err := checkOwner(plain(path), info); err != nil {
		return "", 0, err
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return "", 0, cannot("read", path, err)
	}
	if len(raw) > maxFile {
		return "", 0, fmt.Errorf("%s is over %d bytes: it is no settings file", plain(path), maxFile)
	}
	if !utf8.Valid(raw) {
		return "", 0, fmt.Errorf("%s is not UTF-8 text: save it as UTF-8", plain(path))
	}
	return string(raw), info.Mode().Perm(), nil
}

// cannot says what could not be done with path, once.
func cannot(do, path string, err error) error {
	var inner *fs.PathError
	if errors.As(err, &inner) {
		err = inner.Err
	}
	return fmt.Errorf("cannot %s %s: %w", do, plain(path), err)
}

// plain is path as an error shows it: on one line.
func plain(path string) string {
	if printable(path) {
		return path
	}
	return strconv.Quote(path)
}

// parse reads the text of a settings file. What is wrong with a property's own
// value is not among errs: it matters only where nothing else sets that.
func parse(path, text string) (map[string]entry, []error) {
	root, err := decode(text)
	if err != nil {
		return nil, []error{fmt.Errorf("%s%w", plain(path), err)}
	}
	p := parser{path: plain(path), entries: map[string]entry{}, lines: map[string]int{}}
	p.section("", root)
	if p.more > 0 {
		p.errs = append(p.errs, fmt.Errorf("%s: %d more of that kind", p.path, p.more))
	}
	return p.entries, p.errs
}

// decode returns the one mapping that a settings file is, or nil where it is empty.
// Its errors begin with the position: ":3: …".
func decode(text string) (root *yaml.Node, err error) {
	document, err := decodeDocument(text)
	if err != nil || document == nil || isNull(document.Content[0]) {
		return nil, err
	}
	return document.Content[0], nil
}

// decodeDocument is decode, but for the document, which has comments of its own. It is
// nil where the text has no value.
func decodeDocument(text string) (root *yaml.Node, err error) {
	// The YAML library reports what it finds with panics of its own, and some of
	// its inner checks get through.
	defer func() {
		if recover() != nil {
			root, err = nil, errors.New(": is not understood as YAML")
		}
	}()
	d := yaml.NewDecoder(strings.NewReader(text))
	var document, next yaml.Node
	switch err := d.Decode(&document); {
	case errors.Is(err, io.EOF): // nothing but comments
		return nil, nil
	case err != nil:
		return nil, explain(text, err)
	}
	switch err := d.Decode(&next); {
	case err == nil:
		return nil, errors.New(": holds more than one document (---): a settings file is one")
	case !errors.Is(err, io.EOF):
		return nil, explain(text, err)
	}
	if root = document.Content[0]; !isNull(root) && root.Kind != yaml.MappingNode {
		return nil, fmt.Errorf(`:%d: must hold settings, each as "name: value"`, root.Line)
	}
	return &document, nil
}

// explain says what is wrong with the text, without repeating any of it.
func explain(text string, err error) error {
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSuffix(line, "\r")
		words := strings.TrimLeft(line, " \t")
		switch {
		case words != "" && strings.Contains(strings.TrimSuffix(line, words), "\t"):
			return fmt.Errorf(":%d: is indented with a tab: use spaces", i+1)
		case strings.ContainsFunc(words, func(r rune) bool { return r != '\t' && unicode.IsControl(r) }):
			return fmt.Errorf(":%d: holds a control character", i+1)
		}
	}
	what := strings.TrimPrefix(err.Error(), "yaml: ")
	if strings.HasPrefix(what, "unknown anchor") {
		return errors.New(": holds an alias (*): write the value itself, in quotes if it begins with *")
	}
	if rest, ok := strings.CutPrefix(what, "line "); ok {
		return errors.New(":" + rest)
	}
	return errors.New(":1: " + what) // the library counts from 0, and leaves that out
}

func isNull(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null"
}

// parser takes the entries from the tree of a settings file.
type parser struct {
	path    string
	entries map[string]entry
	lines   map[string]int // of what was seen
	errs    []error
	more    int // how many were too many for errs
}

func (p *parser) fail(n *yaml.Node, format string, args ...any) {
	if len(p.errs) == maxComplaints {
		p.more++
		return
	}
	p.errs = append(p.errs, fmt.Errorf("%s:%d: %s", p.path, n.Line, fmt.Sprintf(format, args...)))
}

// section reads the mapping below prefix, which ends with a dot or is empty.
func (p *parser) section(prefix string, mapping *yaml.Node) {
	if mapping == nil {
		return
	}
	for pair := range slices.Chunk(mapping.Content, 2) {
		p.setting(prefix, pair[0], pair[1])
	}
}

func (p *parser) setting(prefix string, key, value *yaml.Node) {
	if key.Kind != yaml.ScalarNode {
		p.fail(key, "a setting's name must be a word")
		return
	}
	name := prefix + key.Value
	if isForeign(name) {
		return
	}
	if line := p.lines[name]; line != 0 {
		p.fail(key, "%q is there twice, first on line %d", shown(name), line)
		return
	}
	p.lines[name] = key.Line
	switch {
	case strings.Contains(key.Value, "."), index(name) < 0 && !isSection(name):
		p.fail(key, "%s", p.unknown(name, key.Value))
	case index(name) >= 0:
		p.entry(name, value)
	case value.Kind == yaml.MappingNode:
		p.section(name+".", value)
	case !isNull(value):
		p.fail(value, "%s holds settings of its own: write them below it, indented", name)
	}
}

// entry keeps the value as it is written: what it means is the property's to say,
// not YAML's, to which an id of 40 digits may be a number. An empty one is unset.
func (p *parser) entry(name string, value *yaml.Node) {
	e := entry{source: p.path + ":" + strconv.Itoa(value.Line)}
	switch {
	case value.Kind == yaml.AliasNode:
		e.why = "must be the value itself, no alias (*)"
	case value.Kind != yaml.ScalarNode:
		e.why = "must be one value, no list and no settings of its own"
	case value.Style&yaml.TaggedStyle != 0:
		e.why = "must be the value alone, without a tag (!)"
	case isNull(value) || value.Value == "":
		return
	default:
		e.text = value.Value
	}
	p.entries[name] = e
}

// unknown says what is wrong with a name that is none.
func (p *parser) unknown(name, key string) string {
	switch {
	case name == clientSecret:
		return clientSecret + ": " + noClientSecret + "; remove it"
	case strings.Contains(key, ".") && index(name) >= 0:
		return fmt.Sprintf("%q must be nested: %s", name, nested(name, "…"))
	case len(p.errs) == maxComplaints:
		return "" // nobody will read it
	}
	return unknown(name, append(Properties(), sections()...))
}

// unknown is said of a name that is none of names, but perhaps like one of them.
func unknown(name string, names []string) string {
	what := fmt.Sprintf("unknown setting %q", shown(name))
	if near := nearest(name, names); near != "" {
		return what + "; did you mean: " + near
	}
	return what + "; to see all there are, run: docker-credential-cgr config view"
}

// nested writes a property in one line of YAML.
func nested(name, value string) string {
	parts := strings.Split(name, ".")
	return strings.Join(parts, ": {") + ": " + value + strings.Repeat("}", len(parts)-1)
}

// sections are the names that properties lie below.
func sections() []string {
	var names []string
	for _, p := range properties {
		for i, r := range p.name {
			if r == '.' && !slices.Contains(names, p.name[:i]) {
				names = append(names, p.name[:i])
			}
		}
	}
	return names
}

func isSection(name string) bool {
	return slices.ContainsFunc(properties, func(p property) bool { return strings.HasPrefix(p.name, name+".") })
}
