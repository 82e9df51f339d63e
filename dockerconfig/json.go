package dockerconfig

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// helpersKey is the key under which the clients look for helpers by host.
const helpersKey = "credHelpers"

// blanks are what JSON allows between its tokens (RFC 8259, section 2).
const blanks = " \t\r\n"

// document is where things lie in a configuration file. A file without a token
// has no root: the clients take it for `{}`.
type document struct {
	text    []byte
	root    *object
	helpers *object // the value of credHelpers, nil where there is none
	null    *member // credHelpers where its value is null, which clients take for none
}

// object lies between the braces at open and close.
type object struct {
	open, close int
	members     []member
}

// member is a key with its quotes at [key:keyEnd] and a value at [value:valueEnd].
type member struct {
	name            string // the key, decoded
	key, keyEnd     int
	value, valueEnd int
}

// flaw is what keeps a text from being a configuration file, and where.
type flaw struct {
	offset int
	reason string
}

func (f *flaw) Error() string { return f.reason }

// parse finds the parts of a configuration file. It is stricter than the
// clients, which read on behind a first value and take the last of two equal
// keys: what could be read in two ways is not edited. Every error is a *flaw.
func parse(text []byte) (*document, error) {
	if err := checkEncoding(text); err != nil {
		return nil, err
	}
	start := skipBlanks(text, 0)
	if start == len(text) {
		return &document{text: text}, nil
	}
	if err := checkSyntax(text); err != nil {
		return nil, err
	}
	if text[start] != '{' {
		return nil, &flaw{start, "the file holds " + kind(text[start]) + ", want an object"}
	}
	d := &document{text: text}
	var err error
	if d.root, err = uniqueMembers(text, start); err != nil {
		return nil, err
	}
	for _, m := range d.root.members {
		switch {
		case m.name == helpersKey && text[m.value] == 'n':
			d.null = &m
		case m.name == helpersKey:
			d.helpers, err = parseHelpers(text, m)
		case strings.EqualFold(m.name, helpersKey):
			// Go's decoder, so Docker and Podman, reads either spelling into one
			// field; everybody else reads one of them.
			err = &flaw{m.key, fmt.Sprintf("some programs take the key %q for %q and some do not, want the latter", m.name, helpersKey)}
		}
		if err != nil {
			return nil, err
		}
	}
	return d, nil
}

// checkEncoding names the encodings in which Windows programs save JSON and
// which none of the clients reads.
func checkEncoding(text []byte) error {
	switch {
	case bytes.HasPrefix(text, []byte("\xef\xbb\xbf")):
		return &flaw{0, "the file begins with a byte order mark, which Docker cannot read, want UTF-8 without one"}
	case bytes.HasPrefix(text, []byte("\xff\xfe")), bytes.HasPrefix(text, []byte("\xfe\xff")),
		len(text) > 1 && (text[0] == 0) != (text[1] == 0):
		return &flaw{0, "the file is UTF-16, which Docker cannot read, want UTF-8"}
	}
	return nil
}

func checkSyntax(text []byte) error {
	if json.Valid(text) {
		return nil
	}
	var all json.RawMessage
	err := json.Unmarshal(text, &all) // which says where it is wrong
	var bad *json.SyntaxError
	if !errors.As(err, &bad) {
		return &flaw{0, err.Error()}
	}
	at := int(bad.Offset) - 1 // Offset counts the offending byte
	if end := len(bytes.TrimRight(text, blanks)); at < 0 || at >= end || strings.HasPrefix(bad.Error(), "unexpected end") {
		return &flaw{end, "the file ends too early"}
	}
	if text[at] == '}' || text[at] == ']' {
		before := bytes.TrimRight(text[:at], blanks)
		if bytes.HasSuffix(before, []byte(",")) {
			return &flaw{len(before) - 1, "a comma behind the last member, which JSON does not allow"}
		}
	}
	if text[at] == '/' || text[at] == '#' {
		return &flaw{at, "a comment, which JSON does not allow"}
	}
	return &flaw{at, "no JSON: " + bad.Error()}
}

// parseHelpers reads the value of credHelpers: an object of strings.
func parseHelpers(text []byte, m member) (*object, error) {
	if text[m.value] != '{' {
		return nil, &flaw{m.value, helpersKey + " holds " + kind(text[m.value]) + ", want an object"}
	}
	helpers, err := uniqueMembers(text, m.value)
	if err != nil {
		return nil, err
	}
	for _, h := range helpers.members {
		if text[h.value] != '"' {
			return nil, &flaw{h.value, fmt.Sprintf("the helper of %q is %s, want a string", h.name, kind(text[h.value]))}
		}
	}
	return helpers, nil
}

func uniqueMembers(text []byte, open int) (*object, error) {
	o := members(text, open)
	seen := make(map[string]bool, len(o.members))
	for _, m := range o.members {
		if seen[m.name] {
			return nil, &flaw{m.key, fmt.Sprintf("the key %q a second time", m.name)}
		}
		seen[m.name] = true
	}
	return o, nil
}

// members finds the members of the object at open, in text that is valid JSON.
func members(text []byte, open int) *object {
	o := &object{open: open}
	for at := skipBlanks(text, open+1); text[at] != '}'; {
		m := member{key: at, keyEnd: skipString(text, at)}
		m.name = unquote(text[m.key:m.keyEnd])
		m.value = skipBlanks(text, skipBlanks(text, m.keyEnd)+1) // behind the colon
		m.valueEnd = skipValue(text, m.value)
		o.members = append(o.members, m)
		if at = skipBlanks(text, m.valueEnd); text[at] == ',' {
			at = skipBlanks(text, at+1)
		}
		o.close = at
	}
	if len(o.members) == 0 {
		o.close = skipBlanks(text, open+1)
	}
	return o
}

// find gives the member called name and its place, or -1.
func (o *object) find(name string) (member, int) {
	if o != nil {
		for i, m := range o.members {
			if m.name == name {
				return m, i
			}
		}
	}
	return member{}, -1
}

func skipBlanks(text []byte, at int) int {
	for at < len(text) && strings.IndexByte(blanks, text[at]) >= 0 {
		at++
	}
	return at
}

// skipString gives the end of the string at at.
func skipString(text []byte, at int) int {
	for at++; text[at] != '"'; at++ {
		if text[at] == '\\' {
			at++
		}
	}
	return at + 1
}

// skipValue gives the end of the value at at. It counts braces instead of
// calling itself, so that no depth of nesting can exhaust it.
func skipValue(text []byte, at int) int {
	for depth := 0; ; {
		switch text[at] {
		case '"':
			at = skipString(text, at)
		case '{', '[':
			depth++
			at++
		case '}', ']':
			depth--
			at++
		case ',', ':', ' ', '\t', '\r', '\n':
			at++
		default:
			for at < len(text) && strings.IndexByte(",]} \t\r\n", text[at]) < 0 {
				at++
			}
		}
		if depth == 0 {
			return at
		}
	}
}

// unquote decodes a string that is valid JSON.
func unquote(raw []byte) string {
	var s string
	_ = json.Unmarshal(raw, &s) // it was checked with the whole text
	return s
}

func quote(s string) string {
	raw, _ := json.Marshal(s) // a string always can be
	return string(raw)
}

// kind names the sort of value that begins with b.
func kind(b byte) string {
	switch b {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}

// position gives the line and the column, both from 1, the latter in characters.
func position(text []byte, offset int) (line, column int) {
	before := text[:offset]
	line = bytes.Count(before, []byte("\n")) + 1
	return line, utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
}
