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
	"sync/atomic"

	"docker-credential-cgr/platform"
	"docker-credential-cgr/references"
)

// File is a text file that names the registry.
type File struct {
	Path string // as it is shown and opened: joined to the argument, with the system's separators; begins with ./ below the current folder
	Kind references.Kind
	Text []byte
}

// Skipped is a file that was left out though it may name images, or a folder in which
// git could not tell what it ignores.
type Skipped struct{ Path, Why string }

// ArgumentError is a path or a pattern from the command line that cannot be used.
type ArgumentError struct{ Path, Why string }

func (e *ArgumentError) Error() string { return platform.Printable(e.Path) + " " + e.Why }

// Tree is what Walk has read.
type Tree struct {
	Files   []File
	Skipped []Skipped // files that name the registry and are no text, or too big; and the first that git tracks and that is missing
	Whole   []Skipped // folders in which everything was read but .git, and why
	Opened  int64     // files
	Bytes   int64     // that were read
}

// Walk reads the files that name the registry with this host, among the paths of files
// and folders, in the order of the paths, and those of a folder by their own. Each file
// comes once, whatever leads to it, and is read once.
//
// Of a folder, it reads every file that git tracks or does not ignore. Where git cannot
// tell, because it is not installed, refuses, or there is no work tree, that is
// everything but .git. Repositories in a folder are asked themselves. Links in a folder
// are not followed. Patterns of exclude leave out more. A path of the argument is read
// even if it is ignored, and followed if it is a link.
//
// The error joins one for each file and folder that could not be read, and comes with
// what could; an *ArgumentError is a mistake of whoever gave the paths. Where a path
// does not exist, nothing is read. When ctx ends, its cause is the error.
func Walk(ctx context.Context, paths, patterns []string, host string) (*Tree, error) {
	w := walker{ctx: ctx, seen: map[string][]*candidate{}, folders: map[string]bool{}}
	var err error
	if w.exclude, err = parseExclude(patterns); err != nil {
		return nil, err
	}
	if err := w.addAll(paths); err != nil {
		return nil, err
	}
	for done := 0; done < len(w.found); { // what git gives for a file may be a repository
		from := done
		done = len(w.found)
		w.readAll(w.found[from:done], host)
		for _, c := range w.found[from:done] {
			if c.folder {
				w.addRepository(c)
			}
		}
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	slices.SortStableFunc(w.found, func(a, b *candidate) int {
		if a.argument != b.argument {
			return a.argument.index - b.argument.index
		}
		return strings.Compare(a.Path, b.Path)
	})
	t := &Tree{Whole: w.whole, Opened: w.opened.Load(), Bytes: w.bytes.Load()}
	var missing []string
	for _, c := range w.found {
		switch {
		case c.missing:
			missing = append(missing, c.Path)
		case c.err != nil:
			w.errs = append(w.errs, c.err)
		case c.why != "":
			t.Skipped = append(t.Skipped, Skipped{c.Path, c.why})
		case c.Text != nil:
			t.Files = append(t.Files, c.File)
		}
	}
	if len(missing) > 0 { // in a sparse checkout perhaps most of a big repository
		why := "git tracks it, but it is missing"
		if more := len(missing) - 1; more > 0 {
			why += fmt.Sprintf(" (and %d more)", more)
		}
		t.Skipped = append(t.Skipped, Skipped{missing[0], why})
	}
	return t, errors.Join(w.errs...)
}

// walker lists the files that are to be read.
type walker struct {
	ctx           context.Context
	exclude       exclude
	found         []*candidate
	seen          map[string][]*candidate // by where they are, in lower case
	folders       map[string]bool         // whether a path leads to a folder through no link
	whole         []Skipped
	errs          []error
	opened, bytes atomic.Int64
}

// argument is a path from the command line.
type argument struct {
	path  string // as it is shown
	full  string // the same from the root
	real  string // full without links: what is opened
	info  fs.FileInfo
	index int
}

// addAll lists the files of the paths. It looks at all paths before it walks one.
func (w *walker) addAll(paths []string) error {
	args := make([]argument, len(paths))
	errs := make([]error, len(paths))
	for i, path := range paths {
		args[i], errs[i] = newArgument(path)
		args[i].index = i
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for i := range args {
		if args[i].info.IsDir() {
			w.addFolder(&args[i], "")
		} else {
			w.add(&candidate{File: File{Path: shown(args[i].path)}, argument: &args[i], real: args[i].real, named: true})
		}
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

// shown is a path as it is told: a name alone could be read as something else, such as
// an option or, in the log of a CI job, as a command.
func shown(path string) string {
	if path == "." || filepath.IsAbs(path) || filepath.VolumeName(path) != "" || strings.HasPrefix(path, "./") || path == ".." || strings.HasPrefix(path, ".."+string(filepath.Separator)) {
		return path
	}
	return "." + string(filepath.Separator) + path
}

func hasGit(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, ".git"))
	return err == nil
}

// addFolder lists the files in and below the folder rel of arg, which is "" or ends
// with a "/".
func (w *walker) addFolder(arg *argument, rel string) {
	dir := filepath.Join(arg.real, filepath.FromSlash(rel))
	files, why, unread := gitFiles(w.ctx, dir)
	if rel == "" && why == "" && gitIgnores(w.ctx, dir) {
		why = "git ignores it"
	}
	if unread != nil {
		w.errs = append(w.errs, unread)
	}
	if why != "" {
		w.whole = append(w.whole, Skipped{shown(filepath.Join(arg.path, filepath.FromSlash(rel))), why})
		w.addWhole(arg, rel)
		return
	}
	for _, f := range files {
		if w.ctx.Err() != nil {
			return
		}
		if w.exclude.covers(rel + f.name) {
			continue
		}
		c := w.newCandidate(arg, strings.TrimSuffix(rel+f.name, "/"))
		c.tracked = f.tracked
		// The index of a hostile repository may lead out of the folder, itself or through a link.
		c.missing = f.tracked && (!filepath.IsLocal(filepath.FromSlash(f.name)) || !w.isFolder(filepath.Dir(c.real), dir))
		w.add(c)
	}
}

// isFolder reports whether a path that is below top leads to a folder through no link.
func (w *walker) isFolder(path, top string) bool {
	if path == top {
		return true
	}
	is, known := w.folders[path]
	if !known {
		info, err := os.Lstat(path)
		is = err == nil && info.IsDir() && w.isFolder(filepath.Dir(path), top)
		w.folders[path] = is
	}
	return is
}

// addRepository lists the files of what git lists as a repository. A submodule that was
// copied may have no .git.
func (w *walker) addRepository(c *candidate) {
	if hasGit(c.real) {
		w.addFolder(c.argument, c.rel+"/")
		return
	}
	before := len(w.found)
	w.addWhole(c.argument, c.rel+"/")
	if len(w.found) > before {
		w.whole = append(w.whole, Skipped{c.Path, "it is a submodule without .git"})
	}
}

// addWhole lists everything in and below a folder, but .git.
func (w *walker) addWhole(arg *argument, rel string) {
	dir := filepath.Join(arg.real, filepath.FromSlash(rel))
	entries, err := os.ReadDir(dir)
	if err != nil {
		w.errs = append(w.errs, unreadable(shown(filepath.Join(arg.path, filepath.FromSlash(rel))), err))
		return
	}
	for _, e := range entries {
		switch name := rel + e.Name(); {
		case w.ctx.Err() != nil:
			return
		case e.Type()&fs.ModeSymlink != 0, w.exclude.covers(name), e.IsDir() && w.exclude.covers(name+"/"):
		case strings.EqualFold(e.Name(), ".git"):
		case e.IsDir() && hasGit(filepath.Join(dir, e.Name())):
			w.addFolder(arg, name+"/")
		case e.IsDir():
			w.addWhole(arg, name+"/")
		default:
			w.add(w.newCandidate(arg, name))
		}
	}
}

func (w *walker) newCandidate(arg *argument, rel string) *candidate {
	system := filepath.FromSlash(rel)
	return &candidate{File: File{Path: shown(filepath.Join(arg.path, system))}, argument: arg, rel: rel, real: filepath.Join(arg.real, system)}
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
	w.seen[key] = append(w.seen[key], c)
	w.found = append(w.found, c)
}

func sameFile(a, b string) bool {
	infoA, errA := os.Lstat(a)
	infoB, errB := os.Lstat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}

// unreadable is the error for a file or a folder that could not be read.
func unreadable(path string, err error) error {
	hint := ""
	if errors.Is(err, fs.ErrPermission) {
		hint = "; leave it out with --exclude, or run this as a user who may read it"
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
