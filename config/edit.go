package config

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"go.yaml.in/yaml/v3"

	"docker-credential-cgr/atomicfile"
)

// patience is how long Update waits for another process that changes the file.
const patience = 5 * time.Second

// Update changes properties in the settings file at path, which it makes, with
// its folder, where it is not there. The value "" takes a property out, which is
// no error where it is not set. What else the file says, its comments and its mode
// stay; a link stays one. The file is changed as a whole or
// not at all: not when a name or a value is wrong, nor when the file could not be
// read afterwards, or is written in a way that only a person should edit.
func Update(path string, changes map[string]string) error {
	if path == "" {
		return errors.New("there is no place for the settings file: set HOME to your home folder, or name a file with --config")
	}
	if err := Check(changes); err != nil {
		return err
	}
	target, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(path); err == nil {
			return fmt.Errorf("%s is a link to a file that is not there: make that, or remove the link", plain(path))
		}
		if onlyUnsets(changes) {
			return nil
		}
		target, err = path, nil
	}
	if err == nil {
		err = makeDir(filepath.Dir(path))
	}
	if err != nil {
		return cannot("change", path, err)
	}

	unlock, err := lock(path, patience)
	if err != nil {
		return err
	}
	defer unlock()
	old, mode, err := load(target)
	if errors.Is(err, fs.ErrNotExist) {
		old, mode, err = "", 0o600, nil
	}
	if err != nil {
		return err
	}
	text, err := apply(path, old, changes)
	if err != nil || text == old {
		return err
	}
	pattern := "." + filepath.Base(target) + ".new-*"
	if err := atomicfile.Replace(target, pattern, []byte(text), mode); err != nil {
		return cannot("change", path, err)
	}
	return nil
}

// Check says what is wrong with the names and the values of properties that are to be
// changed in a settings file.
func Check(changes map[string]string) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(changes)) {
		i, value := index(name), changes[name]
		switch {
		case name == clientSecret:
			errs = append(errs, fmt.Errorf("%s: %s", name, noClientSecret))
		case i < 0 && isForeign(name):
			errs = append(errs, fmt.Errorf("%s is chainctl's: it means nothing to this program", name))
		case i < 0:
			errs = append(errs, errors.New(unknown(name, Properties())))
		case value != "":
			_, why := properties[i].parse(new(Config), value)
			if why == "" {
				why = properties[i].checkInFile(value)
			}
			if why != "" {
				errs = append(errs, fmt.Errorf("%s=%q: %s", name, shown(value), why))
			}
		}
	}
	return errors.Join(errs...)
}

func onlyUnsets(changes map[string]string) bool {
	for _, value := range changes {
		if value != "" {
			return false
		}
	}
	return true
}

func makeDir(dir string) error {
	if err := checkPlace(dir); err != nil {
		return err
	}
	return os.MkdirAll(dir, 0o700)
}

// lock keeps other processes from changing the file at path. The lock's file
// stays, since another could be waiting at it.
func lock(path string, patience time.Duration) (unlock func(), err error) {
	l := flock.New(path+".lock", flock.SetFlag(os.O_CREATE|os.O_RDWR|openFlags), flock.SetPermissions(0o600))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, err := l.TryLockContext(ctx, 10*time.Millisecond); errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("another process is changing %s: try again", plain(path))
	}
	// A file system without locks is no reason to do without settings.
	return func() { _ = l.Close() }, nil
}

// apply makes the changes in a settings file's text. After each the whole is read
// again: it must say what it said before, and the change.
func apply(path, text string, changes map[string]string) (string, error) {
	if _, errs := parse(path, text); errs != nil {
		return "", errors.Join(errs...)
	}
	body, bom := strings.CutPrefix(text, "\ufeff")
	for _, name := range slices.Sorted(maps.Keys(changes)) {
		root, err := decode(body)
		if err != nil {
			return "", fmt.Errorf("%s%w", plain(path), err)
		}
		want, value := map[string]string{}, changes[name]
		flatten(want, "", root)
		if want[name] == value {
			continue
		}
		if want[name] = value; value == "" {
			delete(want, name)
		}
		changed, err := edit(body, name, value)
		if err != nil || !says(changed, want) {
			return "", fmt.Errorf("%s: %s cannot be changed in the way it is written there: edit the file by hand", plain(path), name)
		}
		body = changed
	}
	if bom {
		body = "\ufeff" + body
	}
	return body, checkExclusive(path, body)
}

// checkExclusive refuses a text that Read would refuse.
func checkExclusive(path, text string) error {
	entries, errs := parse(path, text)
	for _, group := range exclusive {
		var set []string
		for _, name := range group {
			if entries[name].text != "" {
				set = append(set, name)
			}
		}
		if len(set) > 1 {
			errs = append(errs, fmt.Errorf("%s: %s exclude each other: unset the one that no longer holds", plain(path), strings.Join(set, " and ")))
		}
	}
	return errors.Join(errs...)
}

func says(text string, want map[string]string) bool {
	root, err := decode(text)
	got := map[string]string{}
	flatten(got, "", root)
	return err == nil && maps.Equal(got, want)
}

// flatten puts what a tree says into what, by path; "" and null say nothing.
func flatten(what map[string]string, path string, n *yaml.Node) {
	switch {
	case n == nil || isNull(n):
	case n.Kind == yaml.MappingNode:
		for pair := range slices.Chunk(n.Content, 2) {
			flatten(what, strings.TrimPrefix(path+"."+pair[0].Value, "."), pair[1])
		}
	case n.Kind == yaml.SequenceNode:
		for i, item := range n.Content {
			flatten(what, path+"."+strconv.Itoa(i), item)
		}
	case n.Value != "":
		what[path] = n.Value
	}
}
