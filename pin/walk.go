package pin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"docker-credential-cgr/platform"
	"docker-credential-cgr/references"
)

// File is a file that may name images of the registry.
type File struct {
	Path string // as it is shown and opened: joined to the argument, with the system's separators
	Kind references.Kind
	Text []byte
}

// Skipped is a file that was left out though it may name images.
type Skipped struct{ Path, Why string }

// ArgumentError is a path from the command line that cannot be walked.
type ArgumentError struct{ Path, Why string }

func (e *ArgumentError) Error() string { return platform.Printable(e.Path) + " " + e.Why }

// Walk reads the files that name images of the registry with this host, among the
// paths of files and folders, in the order of the paths, and those of a folder by
// their own. Each file comes once, whatever leads to it.
//
// Of a folder, it reads the files whose names tell a kind (references.KindOf), in it and
// below, hidden ones too, but for those that git ignores: by the .gitignore files of the
// folder, those below it and those above up to the top of its repository, and by the
// repository's .git/info/exclude. A repository in a folder has its own rules alone, and
// .git is never entered. Walk neither reads git's settings, so not the user's own file
// of patterns, nor its index, so it leaves out what is ignored and yet tracked. Where
// file names have no letter case (macOS, Windows), patterns have none. Links in a folder
// are not followed.
//
// Patterns of exclude, as a .gitignore file has them, leave out more, wherever below the
// folder that is walked. A path of the argument is read even if it is ignored, and followed if it is a link. A
// file there whose name tells no kind has to begin as a Dockerfile does.
//
// Files of other kinds and those that do not name the host are not in the answer.
// Skipped are those that name it and are no text, and where a name tells a kind, what is
// over 10 MB or no plain file, which is not opened. The error joins one for each file and
// folder that could not be read, and comes with what could; an *ArgumentError among them
// is a mistake of whoever gave the paths. Where a path does not exist, nothing is read.
// When ctx ends, its cause is the error.
func Walk(ctx context.Context, paths, exclude []string, host string) (files []File, skipped []Skipped, err error) {
	w := walker{ctx: ctx, fold: runtime.GOOS == "windows" || runtime.GOOS == "darwin"}
	w.exclude = &rules{patterns: parsePatterns(strings.Join(exclude, "\n"), w.fold)}
	if err := w.addAll(paths); err != nil {
		return nil, nil, err
	}
	w.readAll(host)
	if ctx.Err() != nil {
		return nil, nil, context.Cause(ctx)
	}
	for _, c := range w.found {
		switch {
		case c.err != nil:
			w.errs = append(w.errs, c.err)
		case c.why != "":
			skipped = append(skipped, Skipped{c.Path, c.why})
		case c.Text != nil:
			files = append(files, c.File)
		}
	}
	return files, skipped, errors.Join(w.errs...)
}

// walker lists the files that are to be read.
type walker struct {
	ctx     context.Context
	fold    bool   // file names have no letter case
	exclude *rules // of the command line, relative to the folder that is walked
	found   []*candidate
	seen    map[string][]*candidate // by where they are, in lower case
	errs    []error
}

// argument is a path from the command line.
type argument struct {
	path string // as it was given
	full string // the same from the root
	real string // full without links: what is opened
	info fs.FileInfo
	base string // real in the paths of rules: "" or with a "/" at its end
}

// addAll lists the files of the paths. It looks at all paths before it walks one.
func (w *walker) addAll(paths []string) error {
	args := make([]argument, len(paths))
	errs := make([]error, len(paths))
	for i, path := range paths {
		args[i], errs[i] = newArgument(path)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, arg := range args {
		before := len(w.found)
		if arg.info.IsDir() {
			var above *rules
			arg.base, above = w.rulesAbove(arg.real)
			w.addFolder(&arg, "", above)
		} else {
			kind := references.KindOf(filepath.ToSlash(arg.full))
			w.add(&candidate{File: File{Path: arg.path, Kind: kind}, real: arg.real, named: true})
		}
		slices.SortFunc(w.found[before:], func(a, b *candidate) int { return strings.Compare(a.Path, b.Path) })
	}
	return nil
}

func newArgument(path string) (argument, error) {
	arg := argument{path: path}
	var err error
	if arg.full, err = filepath.Abs(path); err == nil {
		arg.real, err = resolved(path)
	}
	if err == nil {
		arg.info, err = os.Stat(path) // which knows that FILE/ is none
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink != 0 {
			return arg, &ArgumentError{path, "is a link to something that does not exist"}
		}
		return arg, &ArgumentError{path, "does not exist"}
	case err != nil:
		return arg, &ArgumentError{path, "cannot be read: " + cause(err).Error()}
	case !arg.info.IsDir() && !arg.info.Mode().IsRegular():
		return arg, &ArgumentError{path, "is neither a file nor a folder"}
	}
	return arg, nil
}

// resolved gives a path from the root and without links. Abs would take "link/.." for
// nothing, where it is the folder above what the link leads to.
func resolved(path string) (string, error) {
	if !filepath.IsAbs(path) && runtime.GOOS != "windows" {
		dir, err := os.Getwd()
		if err != nil {
			return "", err
		}
		path = dir + "/" + path
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", err
	}
	return filepath.Abs(real)
}

// addFolder lists the files in and below the folder rel of arg, which is "" or ends
// with a "/".
func (w *walker) addFolder(arg *argument, rel string, above *rules) {
	dir := filepath.Join(arg.real, filepath.FromSlash(rel))
	entries, err := os.ReadDir(dir)
	if err != nil {
		w.fail(filepath.Join(arg.path, filepath.FromSlash(rel)), err)
		return
	}
	r := w.rulesIn(dir, arg.base+rel, above)
	for _, e := range entries {
		if w.ctx.Err() != nil {
			return
		}
		w.addEntry(arg, rel, e, r)
	}
}

func (w *walker) addEntry(arg *argument, folder string, e fs.DirEntry, r *rules) {
	rel := folder + e.Name()
	system := filepath.FromSlash(rel)
	if e.IsDir() {
		if w.cased(e.Name()) != ".git" && !r.ignore(w.cased(arg.base+rel), true) && !w.exclude.ignore(w.cased(rel), true) {
			w.addFolder(arg, rel+"/", r)
		}
		return
	}
	kind := references.KindOf(filepath.ToSlash(filepath.Join(arg.full, system)))
	if kind == references.None || e.Type()&fs.ModeSymlink != 0 || r.ignore(w.cased(arg.base+rel), false) || w.exclude.ignore(w.cased(rel), false) {
		return
	}
	c := &candidate{File: File{Path: filepath.Join(arg.path, system), Kind: kind}, real: filepath.Join(arg.real, system)}
	if !e.Type().IsRegular() {
		c.why = errNotPlain.Error()
	}
	w.add(c)
}

// add lists a file, unless it is there. One with several hard links is several: each
// of its names has to be written for itself.
func (w *walker) add(c *candidate) {
	key := strings.ToLower(c.real)
	for _, other := range w.seen[key] {
		if c.real == other.real || sameFile(c.real, other.real) {
			other.named = other.named || c.named
			return
		}
	}
	if w.seen == nil {
		w.seen = map[string][]*candidate{}
	}
	w.seen[key] = append(w.seen[key], c)
	w.found = append(w.found, c)
}

func sameFile(a, b string) bool {
	infoA, errA := os.Lstat(a)
	infoB, errB := os.Lstat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}

// cased gives a path as rules compare it.
func (w *walker) cased(path string) string {
	if !w.fold {
		return path
	}
	folded := []byte(path)
	for i, c := range folded {
		folded[i] = lower(c)
	}
	return string(folded)
}

// fail notes that what lies at path could not be read.
func (w *walker) fail(path string, err error) {
	w.errs = append(w.errs, unreadable(path, err))
}

// unreadable is the error for a file or a folder that could not be read.
func unreadable(path string, err error) error {
	hint := ""
	if errors.Is(err, fs.ErrPermission) && filepath.Base(path) != ".gitignore" {
		hint = "; list it in .gitignore, or run this as somebody who may read it"
	}
	return fmt.Errorf("cannot read %s: %w%s", platform.Printable(path), cause(err), hint)
}

// cause takes the path off an error: it may hold what drives a terminal.
func cause(err error) error {
	if wrapped := new(fs.PathError); errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}
