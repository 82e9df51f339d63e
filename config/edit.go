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
	"strings"
	"time"

	"github.com/gofrs/flock"
	"go.yaml.in/yaml/v3"

	"docker-credential-cgr/atomicfile"
	"docker-credential-cgr/hint"
	"docker-credential-cgr/state"
)

// lockTimeout is how long Update waits for another process that changes the file.
const lockTimeout = 5 * time.Second

// Update changes properties in the settings file at path, which it creates, with its
// folder, if it does not exist. The value "" removes a property; it need not be set. The
// rest of the file, its comments and its mode stay, and so does a link. The file is
// changed as a whole or not at all: an error means that a name or a value is wrong, that
// the file could not be read afterwards, or that only a person can edit it.
func Update(path string, changes map[string]string) error {
	if err := Check(changes); err != nil {
		return err
	}
	return update(path, isSet(changes), func(string) (map[string]string, error) { return changes, nil })
}

// update is Update with the changes that decide returns for the text of the file, while no
// other process changes it. A file that does not exist is created if create is set.
func update(path string, create bool, decide func(text string) (map[string]string, error)) error {
	if path == "" {
		return hint.With(errors.New("there is no folder for the settings file"), hint.Text("set HOME, or name a file with --config"))
	}
	target, err := atomicfile.Follow(path)
	if err != nil {
		return err
	}
	if _, look := os.Lstat(target); errors.Is(look, fs.ErrNotExist) && !create {
		return nil // there is nothing to remove
	}
	err = state.CheckParent(path)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err != nil {
		return cannot("change", path, err)
	}

	unlock, err := lock(path, lockTimeout)
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
	changes, err := decide(old)
	if err != nil {
		return err
	}
	text, err := apply(path, old, changes)
	if err != nil || text == old {
		return err
	}
	if err := atomicfile.Replace(target, "."+filepath.Base(target)+".new-*", []byte(text), mode); err != nil {
		return cannot("change", path, err)
	}
	return nil
}

func isSet(changes map[string]string) bool {
	return slices.ContainsFunc(slices.Collect(maps.Values(changes)), func(value string) bool { return value != "" })
}

// Check returns what is wrong with the names and the values of changes to a settings file.
func Check(changes map[string]string) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(changes)) {
		switch i, value := index(name), changes[name]; {
		case i < 0 && isForeign(name):
			errs = append(errs, fmt.Errorf("%s is chainctl's: it means nothing to this program", name))
		case i < 0:
			errs = append(errs, unknown(name))
		case value != "":
			if _, err := properties[i].parseInFile(new(Config), value); err != nil {
				errs = append(errs, fmt.Errorf("%s=%q: %w", name, redact(value), err))
			}
		}
	}
	return errors.Join(errs...)
}

// lock keeps other processes from changing the file at path. The lock file is not
// removed, since another process may be waiting for it.
func lock(path string, timeout time.Duration) (unlock func(), err error) {
	l := flock.New(path+".lock", flock.SetPermissions(0o600))
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if _, err := l.TryLockContext(ctx, 10*time.Millisecond); errors.Is(err, context.DeadlineExceeded) {
		return nil, hint.With(fmt.Errorf("another process is changing %s", plain(path)), hint.Text("try again"))
	}
	// A file system without locks does not keep the user from changing settings.
	return func() { _ = l.Close() }, nil
}

// apply makes the changes in the text of a settings file. It checks that the new text
// sets what the old one did, with the changes, and that Read would accept it.
func apply(path, text string, changes map[string]string) (string, error) {
	if _, errs := parse(path, text); errs != nil {
		return "", errors.Join(errs...)
	}
	want, err := values(text)
	if err != nil {
		return "", err
	}
	before := maps.Clone(want)
	for name, value := range changes {
		if want[name] = value; value == "" {
			delete(want, name)
		}
	}
	if maps.Equal(before, want) {
		return text, nil
	}
	changed, err := edit(text, changes)
	got, readErr := values(changed)
	if err != nil || readErr != nil || !maps.Equal(got, want) {
		return "", hint.With(fmt.Errorf("%s cannot be changed in the way it is written", plain(path)), hint.Text("edit %s by hand", plain(path)))
	}
	entries, errs := parse(path, changed)
	errs = append(errs, conflicts(func(name string) string {
		if entries[name].text == "" {
			return ""
		}
		return entries[name].source + ": " + name
	})...)
	return changed, errors.Join(errs...)
}

// values returns all that the text of a settings file sets, by name, also what is not a
// property.
func values(text string) (map[string]string, error) {
	root, err := decode(text)
	all := map[string]string{}
	for _, l := range leaves(root) {
		all[l.name] = l.node.Value
		if l.node.Kind == yaml.SequenceNode {
			encoded, _ := yaml.Marshal(l.node)
			all[l.name] = string(encoded)
		}
	}
	return all, err
}

// edit returns the text of a settings file with changes. Comments stay; blank lines and
// the layout are those of the YAML library.
func edit(text string, changes map[string]string) (string, error) {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	document, err := decodeDocument(text)
	if err != nil {
		return "", err
	}
	root := &yaml.Node{Kind: yaml.MappingNode}
	var out strings.Builder
	switch {
	case document == nil: // only comments, which the library does not keep
		document = root
		out.WriteString(text)
		if text != "" && !strings.HasSuffix(text, "\n") {
			out.WriteByte('\n')
		}
	case isNull(document.Content[0]):
		root.HeadComment, document.Content[0] = document.Content[0].HeadComment, root
	default:
		root = document.Content[0]
	}
	for _, name := range slices.Sorted(maps.Keys(changes)) {
		if value := changes[name]; value == "" {
			unset(root, strings.Split(name, "."))
		} else {
			set(root, strings.Split(name, "."), value)
		}
	}
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(document); err != nil {
		return "", err
	}
	return strings.TrimSuffix(out.String(), "{}\n"), nil // an empty mapping
}

// find returns the index of a key in a mapping, or -1.
func find(mapping *yaml.Node, key string) int {
	for i := 0; i < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return i
		}
	}
	return -1
}

// set sets the property at path to value, and creates sections as needed.
func set(mapping *yaml.Node, path []string, value string) {
	i := find(mapping, path[0])
	if i < 0 {
		i = len(mapping.Content)
		key := &yaml.Node{Kind: yaml.ScalarNode, Value: path[0]}
		mapping.Content = append(mapping.Content, key, &yaml.Node{Kind: yaml.MappingNode})
	}
	at := mapping.Content[i+1]
	if len(path) > 1 {
		if at.Kind != yaml.MappingNode { // "auth:" without a value
			*at = yaml.Node{Kind: yaml.MappingNode, HeadComment: at.HeadComment, LineComment: at.LineComment, FootComment: at.FootComment}
		}
		set(at, path[1:], value)
		return
	}
	comment := at.LineComment
	*at = yaml.Node{}
	at.SetString(value)
	if value == "true" || value == "false" {
		at.Tag = "!!bool"
	}
	at.LineComment = comment
}

// unset removes the property at path, and the sections that are empty then. A comment
// above it moves to what follows.
func unset(mapping *yaml.Node, path []string) {
	i := find(mapping, path[0])
	if i < 0 {
		return
	}
	if len(path) > 1 {
		unset(mapping.Content[i+1], path[1:])
		if len(mapping.Content[i+1].Content) > 0 {
			return
		}
	}
	comments := []string{mapping.Content[i].HeadComment, mapping.Content[i].FootComment}
	mapping.Content = slices.Delete(mapping.Content, i, i+2)
	into := &mapping.FootComment
	if i < len(mapping.Content) {
		into = &mapping.Content[i].HeadComment
	}
	comments = slices.DeleteFunc(append(comments, *into), func(c string) bool { return c == "" })
	*into = strings.Join(comments, "\n\n")
}
