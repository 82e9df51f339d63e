package iam

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
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
// written: a subject may look like a number. A time may be a day as yyyy-mm-dd.
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
	var document yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return Identity{}, errors.New("is empty")
	case err != nil:
		return Identity{}, syntaxError(err)
	case !errors.Is(decoder.Decode(new(yaml.Node)), io.EOF):
		return Identity{}, errors.New("contains more than one document (---)")
	}
	root := document.Content[0]
	renameKeys(root)
	for _, value := range root.Content {
		renameKeys(value)
	}
	if text, err = yaml.Marshal(root); err != nil {
		return Identity{}, syntaxError(err)
	}
	decoder = yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&identity); err != nil {
		return Identity{}, syntaxError(err)
	}
	return identity, nil
}

// syntaxError returns the first error of the YAML library, which begins with the line.
func syntaxError(err error) error {
	var values *yaml.TypeError
	if errors.As(err, &values) {
		text, _, _ := strings.Cut(values.Errors[0], " in type ") // of Go
		return errors.New(platform.Printable(text))
	}
	return fmt.Errorf("is not valid YAML or JSON: %s", platform.Printable(strings.TrimPrefix(err.Error(), "yaml: ")))
}

// renameKeys turns the names of protocol buffers in a mapping into those of JSON: claim_match
// into claimMatch.
func renameKeys(n *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		return
	}
	for pair := range slices.Chunk(n.Content, 2) {
		pair[0].Value = regexp.MustCompile("_[a-z]").ReplaceAllStringFunc(pair[0].Value, func(s string) string { return strings.ToUpper(s[1:]) })
	}
}

// UnmarshalYAML reads a time as RFC 3339 has it, or a day.
func (t *Time) UnmarshalYAML(n *yaml.Node) error {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if parsed, err := time.Parse(layout, n.Value); err == nil {
			t.Time = parsed
			return nil
		}
	}
	text := fmt.Sprintf("line %d: this is not a time such as 2026-01-02T03:04:05Z or 2026-01-02", n.Line)
	return &yaml.TypeError{Errors: []string{text}}
}
