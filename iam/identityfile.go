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

	"docker-credential-cgr/platform"
)

// maxIdentityFile is the maximum size of a file with an identity, in bytes.
const maxIdentityFile = 256 << 10

// ParseIdentityFile parses an identity from YAML or JSON. It has the names of Identity in
// JSON, or the same with underscores (claimMatch or claim_match). Values are strings as
// written: a subject may look like a number. A time may be a day as yyyy-mm-dd. Errors
// begin with the line.
//
// The caller must check the identity with Check.
func ParseIdentityFile(text []byte) (identity Identity, err error) {
	if len(text) > maxIdentityFile {
		return Identity{}, fmt.Errorf("has %d bytes, which is too long for an identity: at most %d", len(text), maxIdentityFile)
	}
	// Some internal checks of the YAML library panic.
	defer func() {
		if recover() != nil {
			identity, err = Identity{}, errors.New("is not valid YAML or JSON")
		}
	}()
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document, next yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return Identity{}, errors.New("is empty")
	case err != nil:
		return Identity{}, syntaxError(err)
	}
	switch err := decoder.Decode(&next); {
	case err == nil:
		return Identity{}, errors.New("contains more than one document (---)")
	case !errors.Is(err, io.EOF):
		return Identity{}, syntaxError(err)
	}
	root := document.Content[0]
	if err := checkNames(root, "the identity", reflect.TypeFor[Identity]()); err != nil {
		return Identity{}, err
	}
	if err := root.Decode(&identity); err != nil {
		text := err.Error()
		var values *yaml.TypeError
		if errors.As(err, &values) {
			text = values.Errors[0]
		}
		return Identity{}, errors.New(platform.Printable(text))
	}
	return identity, nil
}

func syntaxError(err error) error {
	return fmt.Errorf("is not valid YAML or JSON: %s", platform.Printable(strings.TrimPrefix(err.Error(), "yaml: ")))
}

// checkNames returns an error if a mapping has a name that the struct type t does not
// have. It replaces the other names by those that the YAML library expects.
func checkNames(n *yaml.Node, what string, t reflect.Type) error {
	if n.Kind != yaml.MappingNode {
		return lineError(n, `%s must consist of names and values, each as "name: value"`, what)
	}
	fields := map[string]reflect.StructField{}
	for field := range t.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		fields[name] = field
	}
	for pair := range slices.Chunk(n.Content, 2) {
		key, value := pair[0], pair[1]
		name := camelCase(key.Value)
		field, known := fields[name]
		switch {
		case !known:
			names := strings.Join(slices.Sorted(maps.Keys(fields)), ", ")
			return lineError(key, "unknown name %s in %s (known: %s)", quote(key.Value), what, names)
		case value.Kind == yaml.AliasNode:
			return lineError(value, "%s is an alias (*): write the value itself, in quotes if it begins with *", name)
		}
		key.Value = strings.ToLower(field.Name)
		isStruct := field.Type.Kind() == reflect.Pointer && field.Type.Elem().Kind() == reflect.Struct
		if isStruct && value.ShortTag() != "!!null" {
			if err := checkNames(value, name, field.Type.Elem()); err != nil {
				return err
			}
		}
	}
	return nil
}

// camelCase turns a name of protocol buffers into one of JSON: claim_match into claimMatch.
func camelCase(name string) string {
	words := strings.Split(name, "_")
	for i, word := range words[1:] {
		if word != "" {
			words[i+1] = strings.ToUpper(word[:1]) + word[1:]
		}
	}
	return strings.Join(words, "")
}

// UnmarshalYAML reads a time as RFC 3339 has it, or a day.
func (t *Time) UnmarshalYAML(n *yaml.Node) error {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if parsed, err := time.Parse(layout, n.Value); err == nil {
			t.Time = parsed
			return nil
		}
	}
	return lineError(n, "this is not a time such as 2026-01-02T03:04:05Z or 2026-01-02")
}

func lineError(n *yaml.Node, format string, args ...any) error {
	return fmt.Errorf("line %d: %s", n.Line, fmt.Sprintf(format, args...))
}
