package iam

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// maxIdentityFile bounds the text of an identity, in bytes.
const maxIdentityFile = 256 << 10

// ParseIdentityFile reads an identity from YAML or JSON, under the names that Identity
// has in JSON or the same with underscores (claimMatch or claim_match). Values are
// taken as they are written: a subject may look like a number. A time may be a day, as
// yyyy-mm-dd. Errors begin with the line.
//
// What has been read is still for Check, once it has a name.
func ParseIdentityFile(text []byte) (Identity, error) {
	if len(text) > maxIdentityFile {
		return Identity{}, fmt.Errorf("holds %d bytes, which is too long for an identity: at most %d", len(text), maxIdentityFile)
	}
	root, err := readYAML(text)
	if err != nil {
		return Identity{}, err
	}
	var identity Identity
	if err := decodeNode(root, "the identity", reflect.ValueOf(&identity).Elem()); err != nil {
		return Identity{}, err
	}
	return identity, nil
}

// readYAML gives the root of the one document in text.
func readYAML(text []byte) (root *yaml.Node, err error) {
	// The YAML library reports what it finds with panics of its own, and some of its
	// inner checks get through.
	defer func() {
		if recover() != nil {
			root, err = nil, errors.New("is not understood as YAML or JSON")
		}
	}()
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document, next yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil, errors.New("is empty")
	case err != nil:
		return nil, notYAML(err)
	}
	switch err := decoder.Decode(&next); {
	case err == nil:
		return nil, errors.New("holds more than one document (---): an identity is one")
	case !errors.Is(err, io.EOF):
		return nil, notYAML(err)
	}
	return document.Content[0], nil
}

func notYAML(err error) error {
	return fmt.Errorf("is not understood as YAML or JSON: %s", strings.Trim(quote(strings.TrimPrefix(err.Error(), "yaml: ")), `"`))
}

// decodeNode reads a node of a kind that Identity has into a value. what is the key
// that it stands under.
func decodeNode(n *yaml.Node, what string, v reflect.Value) error {
	switch {
	case n.Kind == yaml.AliasNode:
		return lineError(n, "%s is an alias (*): write the value itself, in quotes if it begins with *", what)
	case n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null":
		return nil
	case n.Style&yaml.TaggedStyle != 0:
		return lineError(n, "%s has a tag (!): write the value alone", what)
	}
	if t, ok := v.Addr().Interface().(*Time); ok {
		return decodeTime(n, what, t)
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return decodeNode(n, what, v.Elem())
	case reflect.Struct:
		return decodeStruct(n, what, v)
	case reflect.Map:
		return decodeMap(n, what, v)
	case reflect.Slice:
		return decodeList(n, what, v)
	}
	if n.Kind != yaml.ScalarNode {
		return lineError(n, "%s has to be one value", what)
	}
	v.SetString(n.Value)
	return nil
}

func decodeTime(n *yaml.Node, what string, t *Time) error {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if parsed, err := time.Parse(layout, n.Value); err == nil && n.Kind == yaml.ScalarNode {
			t.Time = parsed
			return nil
		}
	}
	return lineError(n, "%s is no time: write it as 2026-01-02T03:04:05Z or 2026-01-02", what)
}

// pairs gives the keys and values of a mapping. Its keys are those of known, and come
// as they are spelled there; any where known is nil.
func pairs(n *yaml.Node, what string, known []string) (map[string]*yaml.Node, error) {
	if n.Kind != yaml.MappingNode {
		return nil, lineError(n, `%s has to hold names and values, each as "name: value"`, what)
	}
	values := make(map[string]*yaml.Node, len(n.Content)/2)
	for pair := range slices.Chunk(n.Content, 2) {
		if pair[0].Kind != yaml.ScalarNode {
			return nil, lineError(pair[0], "a name in %s has to be a word", what)
		}
		key := pair[0].Value
		i := slices.IndexFunc(known, func(name string) bool { return key == name || key == underscored(name) })
		switch {
		case i >= 0:
			key = known[i]
		case known != nil:
			return nil, lineError(pair[0], "unknown name %s in %s (known: %s)", quote(key), what, strings.Join(known, ", "))
		}
		if values[key] != nil {
			return nil, lineError(pair[0], "%s is there twice in %s", quote(pair[0].Value), what)
		}
		values[key] = pair[1]
	}
	return values, nil
}

func decodeStruct(n *yaml.Node, what string, v reflect.Value) error {
	fields := map[string]reflect.Value{}
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		fields[name] = v.Field(i)
	}
	names := slices.Sorted(maps.Keys(fields))
	values, err := pairs(n, what, names)
	if err != nil {
		return err
	}
	for _, name := range names { // in order, so that errors are the same each time
		if value := values[name]; value != nil {
			if err := decodeNode(value, name, fields[name]); err != nil {
				return err
			}
		}
	}
	return nil
}

// underscored writes a name as protocol buffers have it: claim_match for claimMatch.
func underscored(name string) string {
	var b strings.Builder
	for _, r := range name {
		if r >= 'A' && r <= 'Z' {
			b.WriteByte('_')
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}

func decodeMap(n *yaml.Node, what string, v reflect.Value) error {
	values, err := pairs(n, what, nil)
	if err != nil {
		return err
	}
	v.Set(reflect.MakeMapWithSize(v.Type(), len(values)))
	for _, key := range slices.Sorted(maps.Keys(values)) {
		value := reflect.New(v.Type().Elem()).Elem()
		if err := decodeNode(values[key], quote(key), value); err != nil {
			return err
		}
		v.SetMapIndex(reflect.ValueOf(key), value)
	}
	return nil
}

func decodeList(n *yaml.Node, what string, v reflect.Value) error {
	if n.Kind != yaml.SequenceNode {
		return lineError(n, "%s has to be a list", what)
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		if err := decodeNode(item, what, v.Index(i)); err != nil {
			return err
		}
	}
	return nil
}

func lineError(n *yaml.Node, format string, args ...any) error {
	return fmt.Errorf("line %d: %s", n.Line, fmt.Sprintf(format, args...))
}
