// Package state keeps what processes of one user share beside their secrets:
// locks, who holds them, and notes. It knows nothing of what they mean.
package state

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Dir is where locks and notes lie: the first of several directories that can be
// used. Whatever the environment of a process says, it finds the locks that other
// processes of the same user hold.
type Dir struct {
	primary func() (string, error)
	byUser  func() []string

	mu   sync.Mutex
	held map[string]*Lock // exclusive ones, by name
}

// NewDir returns the Dir whose first directory is the one that primary returns,
// which is called when it is first needed, and again each time. Where that cannot
// be made or written, a private directory takes its place that has service and the
// user's number in its name.
func NewDir(service string, primary func() (string, error)) *Dir {
	return &Dir{
		primary: primary,
		byUser:  func() []string { return userDirs(service, os.Getenv) },
		held:    map[string]*Lock{},
	}
}

// HomeDir returns the directory of service below the home that the user database
// names for this user, not $HOME: a desktop session, cron and su share the OS
// keychain, but not that variable.
func HomeDir(service string) (string, error) {
	home, err := databaseHome()
	if err != nil {
		return "", err
	}
	return filepath.Join(home, ".local", "state", service), nil
}

// directory is one of a Dir's.
type directory struct {
	path  string
	first bool
}

// directories returns the directories in the order in which all processes of the
// user try them. With an error, which says why there is no first one, it returns
// the others.
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

// prepare checks the directory, which it makes if create is set. One that is there
// but open to others is ErrNotPrivate.
func (d directory) prepare(create bool) error {
	err := CheckPrivateDir(d.path)
	if err == nil || !create || !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if d.first {
		err = MakePrivateDir(d.path)
	} else {
		err = makeUserDir(d.path)
	}
	if errors.Is(err, ErrNotPrivate) {
		// Another user's parent: there can be none of ours, and no lock in it.
		err = errors.New(err.Error())
	}
	return err
}

// makeUserDir makes a private directory of the user's own below a directory that
// all users may write to. Another user who was faster is noticed.
func makeUserDir(dir string) error {
	if err := checkShared(filepath.Dir(dir)); err != nil {
		return err
	}
	// Not its parents: /run/user/1000 is the system's to make.
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return CheckPrivateDir(dir)
}

// inFirst calls do with the directories in turn until it succeeds. It makes those
// that are not there if create is set. What another user could have changed in the
// first directory is an error: somebody should look at it.
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

// noDirectory joins the reasons for which none of the directories could be used.
// It is os.ErrNotExist where they are just not there.
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
	// Why not the first one, and not the first of those that are to take its place.
	return fmt.Errorf("no directory can be used: %s", strings.Join(why[:min(len(why), 2)], "; "))
}

// WriteNote stores a text that is no secret beside the locks. An empty one counts as
// none.
func (d *Dir) WriteNote(name string, text []byte) error {
	return d.inFirst(true, func(dir string) error { return WriteFile(filepath.Join(dir, name), text) })
}

// ReadNote returns the text that WriteNote stored last. Its error is os.ErrNotExist
// where there is none, or says why none of the directories could be read.
//
// It compares the notes of all directories by their modification times: one that can
// no longer be written, as on a disk that became read-only, still has an old note.
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

// RemoveNote removes what WriteNote stored. Nothing there is no error. Where a note
// cannot be removed, it writes an empty one that is newer.
func (d *Dir) RemoveNote(name string) error {
	all, _ := d.directories()
	var errs []error
	for _, dir := range all {
		if dir.prepare(false) != nil {
			continue // not ours
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
