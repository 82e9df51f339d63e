package dockerconfig

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// The keys under which the clients look for the helper and for the credential of a host.
const (
	helpersKey = "credHelpers"
	authsKey   = "auths"
)

// blanks are the characters that JSON allows between its tokens (RFC 8259, section 2).
const blanks = " \t\r\n"

// document is a configuration file and the offsets of its parts. A file of blanks has
// no root: the clients take it for `{}`.
type document struct {
	text    []byte
	root    *object
	helpers *object // the value of credHelpers, or nil
}

// object begins with the brace at open.
type object struct {
	open    int
	members []member
}

// member is a key with its quotes at [key:keyEnd] and a value at [value:valueEnd].
type member struct {
	name            string // the key, decoded
	key, keyEnd     int
	value, valueEnd int
}

// syntaxError is why a text is not a configuration file.
type syntaxError struct {
	offset int
	reason string
}

func (e *syntaxError) Error() string { return e.reason }

// parse finds the parts of a configuration file. It is stricter than the clients,
// which ignore text after the first value and take the last of two equal keys: a text
// that can be read in two ways is not edited. Every error is a *syntaxError.
func parse(text []byte) (*document, error) {
	d := &document{text: text}
	start := skipBlanks(text, 0)
	if start == len(text) {
		return d, nil
	}
	if err := checkSyntax(text); err != nil {
		return nil, err
	}
	if text[start] != '{' {
		return nil, &syntaxError{start, "the file is not a JSON object"}
	}
	var err error
	if d.root, err = uniqueMembers(text, start); err != nil {
		return nil, err
	}
	if _, d.helpers, err = d.section(helpersKey); err != nil || d.helpers == nil {
		return d, err
	}
	for _, h := range d.helpers.members {
		if text[h.value] != '"' {
			return nil, &syntaxError{h.value, fmt.Sprintf("the helper of %q is not a string", h.name)}
		}
	}
	return d, nil
}

// section returns the member called key of the file's root, or nil, and its value, an
// object. The clients take null for no object, which is nil here.
func (d *document) section(key string) (found *member, o *object, err error) {
	if d.root == nil {
		return nil, nil, nil
	}
	for _, m := range d.root.members {
		switch {
		case m.name == key && d.text[m.value] == '{':
			found = &m
			if o, err = uniqueMembers(d.text, m.value); err != nil {
				return nil, nil, err
			}
		case m.name == key && d.text[m.value] == 'n':
			found = &m
		case m.name == key:
			return nil, nil, &syntaxError{m.value, key + " is not an object"}
		case strings.EqualFold(m.name, key):
			// Go's decoder, so Docker and Podman, ignores the case of a key. Other programs do not.
			return nil, nil, &syntaxError{m.key, fmt.Sprintf("some programs take the key %q for %q and some do not, want the latter", m.name, key)}
		}
	}
	return found, o, nil
}

// checkSyntax returns where a text is not JSON, and why.
func checkSyntax(text []byte) error {
	err := json.Unmarshal(text, new(json.RawMessage))
	var bad *json.SyntaxError
	if !errors.As(err, &bad) {
		return err
	}
	return &syntaxError{max(0, int(bad.Offset)-1), "invalid JSON: " + bad.Error()} // Offset counts the offending byte
}

// uniqueMembers returns the object at open, if no two of its keys are equal.
func uniqueMembers(text []byte, open int) (*object, error) {
	o := members(text, open)
	seen := make(map[string]bool, len(o.members))
	for _, m := range o.members {
		if seen[m.name] {
			return nil, &syntaxError{m.key, fmt.Sprintf("the key %q a second time", m.name)}
		}
		seen[m.name] = true
	}
	return o, nil
}

// members returns the object at open, in text that is valid JSON.
func members(text []byte, open int) *object {
	o := &object{open: open}
	d := json.NewDecoder(bytes.NewReader(text[open:]))
	offset := func() int { return open + int(d.InputOffset()) }
	_, _ = d.Token() // the brace
	for d.More() {
		m := member{key: skipBlanks(text, offset())}
		if text[m.key] == ',' {
			m.key = skipBlanks(text, m.key+1)
		}
		name, _ := d.Token()
		m.name, _ = name.(string)
		m.keyEnd = offset()
		var value json.RawMessage
		_ = d.Decode(&value)
		m.valueEnd = offset()
		m.value = m.valueEnd - len(value)
		o.members = append(o.members, m)
	}
	return o
}

// index returns the index of the member called name, or -1.
func (o *object) index(name string) int {
	if o == nil {
		return -1
	}
	return slices.IndexFunc(o.members, func(m member) bool { return m.name == name })
}

// string returns the value of m, or "" if it is not a string.
func (d *document) string(m member) (s string) {
	_ = json.Unmarshal(d.text[m.value:m.valueEnd], &s) // it is valid JSON
	return s
}

func skipBlanks(text []byte, at int) int {
	for at < len(text) && strings.IndexByte(blanks, text[at]) >= 0 {
		at++
	}
	return at
}

// skipString returns the end of the string at at.
func skipString(text []byte, at int) int {
	for at++; text[at] != '"'; at++ {
		if text[at] == '\\' {
			at++
		}
	}
	return at + 1
}

func quote(s string) string {
	raw, _ := json.Marshal(s) // cannot fail for a string
	return string(raw)
}

// position returns the line and the column of offset, both from 1, the column in characters.
func position(text []byte, offset int) (line, column int) {
	before := text[:offset]
	line = bytes.Count(before, []byte("\n")) + 1
	return line, utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
}
