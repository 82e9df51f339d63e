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

	"docker-credential-cgr/hint"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/references"
)

// File is a text file that names the registry.
type File struct {
	Path string // as it is shown and opened: joined to the argument, and with ./ below the current folder
	Kind references.Kind
	Text []byte
}

// Skipped is a file that was not read although it may name images, or a folder whose files
// git could not list, and the reason.
type Skipped struct{ Path, Reason string }

// ArgumentError is a path or a pattern from the command line that cannot be used.
type ArgumentError struct{ Path, Reason string }

func (e *ArgumentError) Error() string { return platform.Printable(e.Path) + " " + e.Reason }

// Tree is the files that Walk has read.
type Tree struct {
	Files      []File
	Skipped    []Skipped // files that name the registry and are no text, or too big, or missing
	Unfiltered []Skipped // folders in which ignored files were read too
	Opened     int64     // files
	Bytes      int64     // read
}

// Walk reads the files below the paths that name the registry with this host. Files are in
// the order of the paths, and those of a folder in the order of their own. Each file is read
// once, even if several paths lead to it.
//
// In a folder, Walk reads every file that git tracks or does not ignore. If git is not
// installed, fails, or there is no work tree, Walk reads every file except .git. Nested
// repositories list their own files. Symbolic links in a folder are not followed. The exclude
// patterns leave out more. A path of the argument is read even if it is ignored, and followed
// if it is a link.
//
// The error joins one for each file and folder that could not be read; the tree has the
// others. If a path or pattern is wrong (*ArgumentError), nothing is read. If ctx ends, the
// error is its cause.
func Walk(ctx context.Context, paths, patterns []string, host string) (*Tree, error) {
	w := walker{ctx: ctx, byPath: map[string]*candidate{}, isRealFolder: map[string]bool{}}
	var err error
	if w.exclude, err = parseExclude(patterns); err != nil {
		return nil, err
	}
	if err := w.listArguments(paths); err != nil {
		return nil, err
	}
	for read := 0; read < len(w.files); { // an entry of git's list may be a submodule, with more files
		batch := w.files[read:]
		read = len(w.files)
		w.readAll(batch, host)
		for _, c := range batch {
			if c.isFolder {
				w.listRepository(c)
			}
		}
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return w.tree(), errors.Join(w.errs...)
}

// walker lists and reads files.
type walker struct {
	ctx           context.Context
	exclude       exclude
	files         []*candidate
	byPath        map[string]*candidate // by the real path
	isRealFolder  map[string]bool       // by path: whether it is a folder without a link in its path
	unfiltered    []Skipped
	errs          []error
	opened, bytes atomic.Int64
}

// tree returns what was read, in order.
func (w *walker) tree() *Tree {
	slices.SortStableFunc(w.files, func(a, b *candidate) int {
		if a.argument != b.argument {
			return a.argument.index - b.argument.index
		}
		return strings.Compare(a.Path, b.Path)
	})
	t := &Tree{Unfiltered: w.unfiltered, Opened: w.opened.Load(), Bytes: w.bytes.Load()}
	var missing []string
	for _, c := range w.files {
		switch {
		case c.isMissing:
			missing = append(missing, c.Path)
		case c.err != nil:
			w.errs = append(w.errs, c.err)
		case c.skipReason != "":
			t.Skipped = append(t.Skipped, Skipped{c.Path, c.skipReason})
		case c.Text != nil:
			t.Files = append(t.Files, c.File)
		}
	}
	if len(missing) > 0 { // listed once: a sparse checkout may lack most of a repository
		reason := "git tracks it, but it is missing"
		if more := len(missing) - 1; more > 0 {
			reason += fmt.Sprintf(" (and %d more)", more)
		}
		t.Skipped = append(t.Skipped, Skipped{missing[0], reason})
	}
	return t
}

// argument is a path from the command line.
type argument struct {
	path     string // as it was given
	real     string // absolute and without links: the path that is opened
	isFolder bool
	index    int
}

// listArguments lists the files of all paths, once all paths are known to be right.
func (w *walker) listArguments(paths []string) error {
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
		if args[i].isFolder {
			w.listFolder(&args[i], "")
		} else {
			c := w.newCandidate(&args[i], "")
			c.isArgument = true
			w.add(c)
		}
	}
	return nil
}

func newArgument(path string) (argument, error) {
	fail := func(reason string) (argument, error) { return argument{}, &ArgumentError{path, reason} }
	real, err := resolvePath(path)
	var info fs.FileInfo
	if err == nil {
		info, err = os.Stat(path) // not real: for FILE/, Stat has an error
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Lstat(path); err == nil {
			return fail("is a link to something that does not exist")
		}
		return fail("does not exist")
	case err != nil:
		return fail("cannot be read: " + withoutPath(err).Error())
	case !info.IsDir() && !info.Mode().IsRegular():
		return fail("is neither a file nor a folder")
	}
	return argument{path: path, real: real, isFolder: info.IsDir()}, nil
}

// resolvePath returns the absolute path without links. Unlike filepath.Abs, it resolves a
// link before the ".." behind it.
func resolvePath(path string) (string, error) {
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

// shownPath adds ./ to a path below the current folder, so that nothing takes it for an
// option or, in the log of a CI job, for a command.
func shownPath(path string) string {
	slashed := filepath.ToSlash(path)
	isRelative := !filepath.IsAbs(path) && filepath.VolumeName(path) == ""
	if !isRelative || path == "." || path == ".." || strings.HasPrefix(slashed, "./") || strings.HasPrefix(slashed, "../") {
		return path
	}
	return "." + string(filepath.Separator) + path
}

func hasGit(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, ".git"))
	return err == nil
}

// listFolder lists the files in and below the folder rel of arg, which is "" or ends with "/".
func (w *walker) listFolder(arg *argument, rel string) {
	folder := w.newCandidate(arg, rel)
	files, unread, err := gitFiles(w.ctx, folder.real)
	if rel == "" && err == nil && gitIgnores(w.ctx, folder.real) {
		err = errors.New("git ignores it")
	}
	if unread != nil {
		w.errs = append(w.errs, unread)
	}
	if err != nil {
		w.unfiltered = append(w.unfiltered, Skipped{folder.Path, err.Error()})
		w.listAll(arg, rel)
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
		c.isTracked = f.isTracked
		// The index of a hostile repository may name files outside, or behind a link.
		c.isMissing = f.isTracked &&
			(!filepath.IsLocal(filepath.FromSlash(f.name)) || !w.isFolderBelow(filepath.Dir(c.real), folder.real))
		w.add(c)
	}
}

// isFolderBelow reports whether path is top, or a folder below it without a link between.
func (w *walker) isFolderBelow(path, top string) bool {
	if path == top {
		return true
	}
	is, known := w.isRealFolder[path]
	if !known {
		info, err := os.Lstat(path)
		is = err == nil && info.IsDir() && w.isFolderBelow(filepath.Dir(path), top)
		w.isRealFolder[path] = is
	}
	return is
}

// listRepository lists the files of a nested repository or a submodule. A submodule that was
// copied may have no .git.
func (w *walker) listRepository(c *candidate) {
	if hasGit(c.real) {
		w.listFolder(c.argument, c.rel+"/")
		return
	}
	before := len(w.files)
	w.listAll(c.argument, c.rel+"/")
	if len(w.files) > before {
		w.unfiltered = append(w.unfiltered, Skipped{c.Path, "it is a submodule without .git"})
	}
}

// listAll lists every file in and below a folder except .git.
func (w *walker) listAll(arg *argument, rel string) {
	folder := w.newCandidate(arg, rel)
	entries, err := os.ReadDir(folder.real)
	if err != nil {
		w.errs = append(w.errs, unreadable(folder.Path, err))
		return
	}
	for _, e := range entries {
		switch name := rel + e.Name(); {
		case w.ctx.Err() != nil:
			return
		case e.Type()&fs.ModeSymlink != 0, w.exclude.covers(name), e.IsDir() && w.exclude.covers(name+"/"):
		case strings.EqualFold(e.Name(), ".git"):
		case e.IsDir() && hasGit(filepath.Join(folder.real, e.Name())):
			w.listFolder(arg, name+"/")
		case e.IsDir():
			w.listAll(arg, name+"/")
		default:
			w.add(w.newCandidate(arg, name))
		}
	}
}

func (w *walker) newCandidate(arg *argument, rel string) *candidate {
	path := arg.path
	if rel != "" {
		path = filepath.Join(path, filepath.FromSlash(rel))
	}
	return &candidate{
		File: File{Path: shownPath(path)}, argument: arg, rel: rel, real: filepath.Join(arg.real, filepath.FromSlash(rel)),
	}
}

// add adds a file unless it is there. Hard links are files of their own, since each must be
// written.
func (w *walker) add(c *candidate) {
	if other := w.byPath[c.real]; other != nil {
		other.isArgument = other.isArgument || c.isArgument
		return
	}
	w.byPath[c.real] = c
	w.files = append(w.files, c)
}

// unreadable returns the error for a file or a folder that could not be read.
func unreadable(path string, err error) error {
	unread := fmt.Errorf("cannot read %s: %w", platform.Printable(path), withoutPath(err))
	if errors.Is(err, fs.ErrPermission) {
		return hint.With(unread, hint.Text("leave it out with --exclude, or run this as a user who may read it"))
	}
	return unread
}

// withoutPath returns the cause of a *fs.PathError, whose path may not be printable.
func withoutPath(err error) error {
	if wrapped := new(fs.PathError); errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}
