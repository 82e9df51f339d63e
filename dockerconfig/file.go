// Package dockerconfig edits the files in which Docker, Podman and related programs look
// up the credential helper of a registry. It changes only what the caller asks for and
// no other byte, and it replaces a file in one step.
package dockerconfig

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"docker-credential-cgr/atomicfile"
	"docker-credential-cgr/hint"
)

// maxSize is the size of the largest file that is read, in bytes.
const maxSize = 64 << 20

// File is a configuration file of Docker or Podman and the edits made to it. Only Save
// changes the file on disk.
type File struct {
	// Path is the path that Load was called with.
	Path string

	target   string // Path with its links followed: the file that is read and written
	old, new content
	doc      *document // of new
	edits    []edit    // those that made new of old, to repeat them on a newer old
	byHand   string    // how the user makes the last edit themselves
	raced    func()    // in tests: what another program does just before Save writes
}

// edit changes a content.
type edit func(content) (content, error)

// Load reads the file at path. A file that does not exist or is empty is a File without
// entries. The error for a file that cannot be edited has its line and column.
func Load(path string) (*File, error) {
	target, err := atomicfile.Follow(path)
	if err != nil {
		return nil, err
	}
	f := &File{Path: path, target: target}
	if f.old, err = read(target); err != nil {
		return nil, err
	}
	if err := f.setNew(f.old); err != nil {
		return nil, err
	}
	return f, nil
}

// read reads the file at path, which is not a link.
func read(path string) (content, error) {
	f, err := atomicfile.Open(path, os.O_RDONLY)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return content{}, nil
	case errors.Is(err, fs.ErrPermission):
		return content{}, unreadable(path, err)
	case errors.Is(err, atomicfile.ErrNotRegular):
		return content{}, hint.With(err, correctOrRemove(path))
	case err != nil:
		return content{}, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return content{}, err
	}
	if len(text) > maxSize {
		return content{}, hint.With(fmt.Errorf("%s is over %d MiB", path, maxSize>>20), correctOrRemove(path))
	}
	return content{text, true}, nil
}

func correctOrRemove(path string) hint.Hint { return hint.Text("correct or remove %s", path) }

// setNew makes c the new content. Its error has the position in the file.
func (f *File) setNew(c content) error {
	d, err := parse(c.text)
	if err != nil {
		return f.locate(c, err)
	}
	f.new, f.doc = c, d
	return nil
}

// locate adds the position in c to a *syntaxError.
func (f *File) locate(c content, err error) error {
	var syntax *syntaxError
	if !errors.As(err, &syntax) {
		return err
	}
	line, column := position(c.text, syntax.offset)
	return hint.With(fmt.Errorf("%s:%d:%d: %s", f.Path, line, column, syntax.reason), correctOrRemove(f.Path))
}

// Parse returns the configuration with this text, which is not in a file: in errors, name
// stands for its path. It must not be saved.
func Parse(name string, text []byte) (*File, error) {
	f := &File{Path: name, old: content{text, len(text) > 0}}
	return f, f.setNew(f.old)
}

// Text returns the text with the edits.
func (f *File) Text() []byte { return f.new.text }

// Exists reports whether there is a file once the edits are saved.
func (f *File) Exists() bool { return f.new.exists }

// Changed reports whether there are edits to save.
func (f *File) Changed() bool { return !f.new.same(f.old) }

// Helper returns the helper of host, under the bare host, where the clients look.
func (f *File) Helper(host string) (name string, ok bool) {
	i := f.doc.helpers.index(host)
	if i < 0 {
		return "", false
	}
	return f.doc.string(f.doc.helpers.members[i]), true
}

// Add makes helper the helper of host ("x" stands for the program docker-credential-x),
// and reports whether that is a change. If host has another helper, the error is an
// *OtherHelperError, unless replace is set; Remove does not bring that helper back.
func (f *File) Add(host, helper string, replace bool) (changed bool, err error) {
	byHand := fmt.Sprintf("put this in by hand: %s: {%s: %s}", quote(helpersKey), quote(host), quote(helper))
	return f.edit(byHand, func(c content) (content, error) {
		d, err := parse(c.text)
		if err != nil {
			return c, err
		}
		if i := d.helpers.index(host); i >= 0 {
			switch m := d.helpers.members[i]; {
			case d.string(m) == helper:
				return c, nil
			case !replace:
				line, column := position(c.text, m.key)
				return c, &OtherHelperError{f.Path, line, column, host, d.string(m)}
			}
		}
		return set(c, helpersKey, host, helper)
	})
}

// Remove removes the entry of host if its helper is helper, and credHelpers if that has
// no other entry. It reports whether that is a change. A file with exactly what Add
// writes to a new file is removed, unless Path is a link.
func (f *File) Remove(host, helper string) (changed bool, err error) {
	byHand := fmt.Sprintf("take %s out of %s by hand", quote(host), quote(helpersKey))
	return f.edit(byHand, func(c content) (content, error) {
		added, err := set(content{}, helpersKey, host, helper)
		if err != nil || f.target == f.Path && c.same(added) {
			return content{}, err
		}
		return remove(c, host, helper)
	})
}

func (f *File) edit(byHand string, e edit) (changed bool, err error) {
	next, err := e(f.new)
	if err != nil {
		return false, f.locate(f.new, err)
	}
	if next.same(f.new) {
		return false, nil
	}
	if err := f.setNew(next); err != nil {
		return false, err
	}
	f.edits, f.byHand = append(f.edits, e), byHand
	return true, nil
}

// OtherHelperError means that the file has another helper for a host.
type OtherHelperError struct {
	Path         string
	Line, Column int // of the key, from 1
	Host, Helper string
}

func (e *OtherHelperError) Error() string {
	return fmt.Sprintf("%s:%d:%d: the helper for %s is %q already; nothing was changed", e.Path, e.Line, e.Column, e.Host, e.Helper)
}
