// Package state stores what processes of one user share beside their secrets: locks,
// their owners, and notes. It does not know what these mean.
package state

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"docker-credential-cgr/hint"
)

// Dir stores locks and notes in the first of several directories that can be used. A
// process finds the locks of all other processes of the same user, whatever its
// environment.
type Dir struct {
	primary func() (string, error)
	byUser  func() []string
}

// NewDir returns a Dir. Its first directory is the one that primary returns, which is
// called for each operation. If that directory cannot be made or written, the next ones
// are private directories with service and the user's number in their names.
func NewDir(service string, primary func() (string, error)) *Dir {
	return &Dir{primary, func() []string { return userDirs(service, os.Getenv) }}
}

// HomeDir returns the directory of service below the user's home in the user database, and
// not below $HOME: a desktop session, cron and su share the OS keychain, but not that
// variable.
func HomeDir(service string) (string, error) {
	home, err := databaseHome()
	if err != nil {
		return "", err
	}
	return filepath.Join(home, ".local", "state", service), nil
}

// directory is one of the directories of a Dir.
type directory struct {
	path  string
	first bool
}

// directories returns the directories in the order in which all processes of the user try
// them. With an error, there is no first one, and it returns the others.
func (d *Dir) directories() ([]directory, error) {
	var all []directory
	first, err := d.primary()
	if err == nil {
		all = append(all, directory{first, true})
	}
	for _, path := range d.byUser() {
		all = append(all, directory{path, false})
	}
	return all, err
}

// prepare checks the directory, and makes it if create is set. If it is open to others,
// the error is ErrNotPrivate.
func (d directory) prepare(create bool) error {
	err := CheckPrivateDir(d.path)
	if err == nil || !create || !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if d.first {
		err = MakePrivateDir(d.path)
	} else {
		err = MakeUserDir(d.path)
	}
	if errors.Is(err, ErrNotPrivate) {
		// The parent belongs to another user, so no process has a lock here.
		err = hint.With(errors.New(err.Error()), hint.Of(err)...)
	}
	return err
}

// MakeUserDir makes a private directory below one that all users may write to, such as /tmp. It
// refuses a directory that another user has made.
func MakeUserDir(dir string) error {
	if err := checkShared(filepath.Dir(dir)); err != nil {
		return err
	}
	// Not its parents: the system makes /run/user/1000.
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return CheckPrivateDir(dir)
}

// inFirst calls do with the directories in turn until it succeeds. It makes them if create
// is set. If another user could have changed the first one, that is an error, which the
// user has to see.
func (d *Dir) inFirst(create bool, do func(dir string) error) error {
	all, err := d.directories()
	errs := []error{err}
	for _, dir := range all {
		err := dir.prepare(create)
		if err == nil {
			err = do(dir.path)
		}
		if err == nil || dir.first && errors.Is(err, ErrNotPrivate) {
			return err
		}
		errs = append(errs, err)
	}
	return noDirectory(errs)
}

// noDirectory returns the reasons why no directory can be used. It is os.ErrNotExist if
// none of them exists.
func noDirectory(errs []error) error {
	var why []string
	for _, err := range errs {
		if err != nil && !errors.Is(err, os.ErrNotExist) && !slices.Contains(why, err.Error()) {
			why = append(why, err.Error())
		}
	}
	if why == nil {
		return os.ErrNotExist
	}
	// The reasons for the first one, and for the first of the others.
	return hint.With(fmt.Errorf("no directory can be used: %s", strings.Join(why[:min(len(why), 2)], "; ")), hint.Of(errors.Join(errs...))...)
}

// WriteNote stores a text that is not secret beside the locks. An empty text counts as no
// note.
func (d *Dir) WriteNote(name string, text []byte) error {
	return d.inFirst(true, func(dir string) error { return WriteFile(filepath.Join(dir, name), text) })
}

// ReadNote returns the text that WriteNote stored last. The error is os.ErrNotExist if
// there is none, or why no directory could be read.
//
// It takes the newest note of all directories: one that can no longer be written, such as
// on a disk that became read-only, still has an old note.
func (d *Dir) ReadNote(name string) ([]byte, error) {
	all, err := d.directories()
	errs := []error{err}
	var newest []byte
	var newestAt time.Time
	for _, dir := range all {
		err := dir.prepare(false)
		var text []byte
		var at time.Time
		if err == nil {
			text, at, err = readFile(filepath.Join(dir.path, name))
		}
		switch {
		case dir.first && errors.Is(err, ErrNotPrivate):
			return nil, err // as in inFirst
		case err != nil:
			errs = append(errs, err)
		case newestAt.IsZero() || !at.Before(newestAt):
			newest, newestAt = text, at
		}
	}
	switch {
	case newestAt.IsZero():
		return nil, noDirectory(errs)
	case len(newest) == 0:
		return nil, os.ErrNotExist
	}
	return newest, nil
}

// RemoveNote removes a note, if there is one. If a note cannot be removed, RemoveNote writes
// an empty one, which is newer.
func (d *Dir) RemoveNote(name string) error {
	all, _ := d.directories()
	var errs []error
	for _, dir := range all {
		if dir.prepare(false) != nil {
			continue // not used
		}
		if err := os.Remove(filepath.Join(dir.path, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	if errs == nil || d.WriteNote(name, nil) == nil {
		return nil
	}
	return errors.Join(errs...)
}
