// Package dockerconfig edits the files in which Docker, Podman and their kin
// read which credential helper serves which registry. It changes what it is
// asked to change and no other byte, replaces a file in one step, and takes out
// exactly what it put in.
package dockerconfig

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// maxSize bounds what is read: 64 MiB. A configuration of this size is none.
const maxSize = 64 << 20

// File is a configuration file of Docker's or Podman's, read and perhaps
// edited. It changes on disk with Save alone.
type File struct {
	// Path is the file's, as it was asked for.
	Path string

	target   string // Path with its links followed: what is read and written
	dangling string // what Path leads to and is not there
	old, new content
	doc      *document // of new
	edits    []edit    // what made new of old, to be done again on a newer old
	byHand   string    // how to do the last of them without us
	raced    func()    // for tests: another program's turn, just before ours
}

// edit makes another content out of one.
type edit func(content) (content, error)

// Load reads the file at path. One that does not exist, or holds nothing, is a
// File without entries. The error for a file that is not fit to be edited names
// its line and column.
func Load(path string) (*File, error) {
	f := &File{Path: path, target: path}
	if err := f.follow(); err != nil {
		return nil, err
	}
	c, err := read(f.target)
	if err != nil {
		return nil, err
	}
	c.linked = f.target != path
	f.old = c
	if err := f.become(c); err != nil {
		return nil, err
	}
	return f, nil
}

// follow finds the target of a symbolic link. One that leads nowhere counts as a
// missing file until somebody wants to write it.
func (f *File) follow() error {
	info, err := os.Lstat(f.Path)
	if err != nil || info.Mode()&fs.ModeSymlink == 0 {
		return nil // read tells what is wrong
	}
	switch _, err := os.Stat(f.Path); {
	case errors.Is(err, syscall.ELOOP):
		return fmt.Errorf("%s is a link that leads back to itself: remove it, then run this again", f.Path)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	target, err := filepath.EvalSymlinks(f.Path)
	if err == nil {
		f.target = target
		return nil
	}
	f.dangling = "something that is not there"
	if gone := new(fs.PathError); errors.As(err, &gone) {
		f.dangling = gone.Path
	}
	return nil
}

// read reads a file that is no link.
func read(path string) (content, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return content{}, nil
	case err != nil:
		return content{}, err
	case !info.Mode().IsRegular():
		return content{}, fmt.Errorf("%s is not a plain file: remove it, then run this again", path)
	}
	r, err := os.Open(path)
	if errors.Is(err, fs.ErrPermission) {
		return content{}, fmt.Errorf("%w%s", err, ownerHint(path, info))
	}
	if err != nil {
		return content{}, err
	}
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(r, maxSize+1))
	if err != nil {
		return content{}, err
	}
	if len(text) > maxSize {
		return content{}, fmt.Errorf("%s is over %d MiB, which no configuration is: remove it, then run this again", path, maxSize>>20)
	}
	return content{text: text, exists: true, info: info}, nil
}

// become takes c for what the file is to hold.
func (f *File) become(c content) error {
	d, err := parse(c.text)
	if err != nil {
		return f.describe(c, err)
	}
	f.new, f.doc = c, d
	return nil
}

// describe says where in c what an error speaks of is.
func (f *File) describe(c content, err error) error {
	var other *OtherHelperError
	if errors.As(err, &other) {
		other.Path = f.Path
		other.Line, other.Column = position(c.text, other.offset)
		return other
	}
	var bad *flaw
	if !errors.As(err, &bad) {
		return err
	}
	line, column := position(c.text, bad.offset)
	return fmt.Errorf("%s:%d:%d: %s; nothing was changed: correct the file, then run this again", f.Path, line, column, bad.reason)
}

// Exists says whether there is a file, edits counted.
func (f *File) Exists() bool { return f.new.exists }

// Changed says whether Save has anything to do.
func (f *File) Changed() bool { return !f.new.same(f.old) }

// Helper gives the helper that is named for host, under the bare host as the
// clients look for it.
func (f *File) Helper(host string) (name string, ok bool) {
	m, i := f.doc.helpers.find(host)
	if i < 0 {
		return "", false
	}
	return unquote(f.doc.text[m.value:m.valueEnd]), true
}

// Add names helper ("x" stands for the program docker-credential-x) for host,
// and says whether that is a change. Another helper that is named there is an
// error of its own, *OtherHelperError, unless replace is set; Remove does not
// bring a replaced one back.
func (f *File) Add(host, helper string, replace bool) (changed bool, err error) {
	return f.edit(func(c content) (content, error) { return add(c, host, helper, replace) },
		fmt.Sprintf("put this in by hand: %s: {%s: %s}", quote(helpersKey), quote(host), quote(helper)))
}

// Remove takes out what Add(host, helper) put in, and says whether that is a
// change; another helper for the host stays. What Add found is what Remove
// leaves, down to the last byte, and a file that Add made goes. Where another
// program wrote the file in between, the entry goes, and credHelpers with it
// where nothing else is in it.
func (f *File) Remove(host, helper string) (changed bool, err error) {
	return f.edit(func(c content) (content, error) { return remove(c, host, helper) },
		fmt.Sprintf("take %s out of %s by hand", quote(host), quote(helpersKey)))
}

func (f *File) edit(e edit, byHand string) (changed bool, err error) {
	next, err := e(f.new)
	if err != nil {
		return false, f.describe(f.new, err)
	}
	if next.same(f.new) {
		return false, nil
	}
	if err := f.become(next); err != nil {
		return false, err
	}
	f.edits, f.byHand = append(f.edits, e), byHand
	return true, nil
}

// OtherHelperError says that the file names another helper than the wanted one.
type OtherHelperError struct {
	Path         string
	Line, Column int // of the key, from 1
	Host, Helper string
	offset       int // of the key
}

func (e *OtherHelperError) Error() string {
	return fmt.Sprintf("%s:%d:%d: the helper for %s is %q already; nothing was changed", e.Path, e.Line, e.Column, e.Host, e.Helper)
}
