package references

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"docker-credential-cgr/platform"
)

// maxNested is how deep YAML may stand in strings of YAML.
const maxNested = 3

// readYAML notes the images in a stream of YAML documents. The library understands the
// file and says at which line and column a value stands; the file's own bytes there
// have to be that value. scripts returns the part of the file that is a script and has
// this place.
func (r *results) readYAML(workflow bool) (scripts func(offset int) (place, bool), err error) {
	return r.readYAMLWith(newYAMLWalk(r, workflow))
}

func (r *results) readYAMLWith(w *yamlWalk) (scripts func(offset int) (place, bool), err error) {
	if err := checkYAMLText(r.data); err != nil {
		return nil, err
	}
	// The library reports what it finds with panics of its own, and some of its
	// inner checks get through.
	defer func() {
		if recover() != nil {
			err = errors.New("is not understood as YAML")
		}
	}()
	// It refuses YAML 1.2 for the number, not for the language.
	documents := yaml.NewDecoder(bytes.NewReader(bytes.ReplaceAll(r.data, []byte("%YAML 1.2"), []byte("%YAML 1.1"))))
	var all []*yaml.Node
	for {
		document := &yaml.Node{}
		if err := documents.Decode(document); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, explain(r.data, err)
		}
		all = append(all, document)
	}
	w.locate(all)
	for _, document := range all {
		w.walk(document, "", "")
	}
	w.finish()
	return w.script, nil
}

// explain makes one line of the library's error: where and why.
func explain(data []byte, err error) error {
	why := strings.TrimPrefix(err.Error(), "yaml: ")
	where := "line 1" // which the library leaves out
	if rest, ok := strings.CutPrefix(why, "line "); ok {
		number, text, _ := strings.Cut(rest, ": ")
		line, _ := strconv.Atoi(number)
		where, why = lineOf(line, text), text
	} else if rest, ok := strings.CutPrefix(why, "unknown anchor '"); ok {
		name, _, _ := strings.Cut(rest, "'")
		where = fmt.Sprintf("line %d", lineAt(data, max(0, bytes.Index(data, []byte("*"+name)))))
	}
	is := "is not in valid YAML"
	if bytes.Contains(data, []byte("{{")) || bytes.Contains(data, []byte("{%")) || bytes.Contains(data, []byte("<%")) {
		is = "is in a template, not in valid YAML"
	}
	return fmt.Errorf("%s: %s: %s", is, where, platform.Printable(why))
}

// lineOf is where an error is to which the library gives a line. It counts from 0
// where its grammar fails, unlike where characters do, and of mappings and lists it
// names the line where they begin.
func lineOf(line int, why string) string {
	switch strings.TrimPrefix(why, "did not find expected ") {
	case "<document start>", "node content":
		return fmt.Sprintf("line %d", line+1)
	case "key", "'-' indicator", "',' or ']'", "',' or '}'":
		return fmt.Sprintf("line %d or below", line+1)
	}
	return fmt.Sprintf("line %d", line)
}

// checkYAMLText refuses what is no text, for the library's errors about it say no line.
// The characters are those that YAML allows (YAML 1.1, section 5.1).
func checkYAMLText(data []byte) error {
	if err := checkNUL(data); err != nil {
		return err
	}
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			return fmt.Errorf("line %d: is not in UTF-8", lineAt(data, i))
		case r == '\ufeff' && i > 0:
			// The library takes it for the beginning of a text, and skips characters.
			return fmt.Errorf("line %d: has a byte order mark, which may only begin a file", lineAt(data, i))
		case r < ' ' && r != '\t' && r != '\n' && r != '\r', r >= 0x7f && r < 0xa0 && r != 0x85, r == 0xfffe, r == 0xffff:
			return fmt.Errorf("line %d: has the control character %U, which YAML does not allow", lineAt(data, i), r)
		}
		i += size
	}
	return nil
}

// locate finds the bytes of every node.
func (w *yamlWalk) locate(documents []*yaml.Node) {
	var visit func(n *yaml.Node)
	visit = func(n *yaml.Node) {
		if n.Kind != yaml.DocumentNode && !(n.Kind == yaml.ScalarNode && n.Value == "" && n.Style == 0) {
			w.nodes = append(w.nodes, n)
		}
		for _, child := range n.Content {
			visit(child)
		}
	}
	for _, document := range documents {
		visit(document)
	}
	slices.SortStableFunc(w.nodes, func(a, b *yaml.Node) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	c := cursor{data: w.data, line: 1, column: 1}
	if bytes.HasPrefix(w.data, []byte(byteOrderMark)) {
		c.offset = len(byteOrderMark)
	}
	for _, n := range w.nodes {
		c.move(n.Line, n.Column)
		w.offset[n] = max(c.offset, c.properties)
		if n.Kind == yaml.ScalarNode {
			c.properties = afterProperties(w.data, c.offset)
			w.offset[n] = c.properties
		}
	}
}

// afterProperties is where a node's own text begins, behind its anchor and its tag,
// between which and the text there may be comments and line breaks.
func afterProperties(data []byte, at int) int {
	const blank = " \t\r\n"
	for at < len(data) && (data[at] == '&' || data[at] == '!') {
		at += until(data[at:], blank)
		for at < len(data) && strings.IndexByte(blank+"#", data[at]) >= 0 {
			if data[at] == '#' {
				at += until(data[at:], "\r\n")
			} else {
				at++
			}
		}
	}
	return at
}

// until is how many bytes stand before the first of the stops.
func until(data []byte, stops string) int {
	if i := bytes.IndexAny(data, stops); i >= 0 {
		return i
	}
	return len(data)
}

// A cursor goes forward through a file as the YAML library counts it: columns in
// characters, from 1, and lines by every break of YAML 1.1. The mark at the beginning of
// a file is no character.
type cursor struct {
	data         []byte
	offset       int
	properties   int // where the last scalar's own text began
	line, column int
}

// move goes on to a line and column, or as far as the file is.
func (c *cursor) move(line, column int) {
	for c.offset < len(c.data) && (c.line < line || c.line == line && c.column < column) {
		r, size := utf8.DecodeRune(c.data[c.offset:])
		if r == '\r' && bytes.HasPrefix(c.data[c.offset:], []byte("\r\n")) {
			r, size = '\n', 2
		}
		c.offset += size
		c.column++
		switch r {
		case '\n', '\r', '\u0085', '\u2028', '\u2029':
			c.line++
			c.column = 1
		}
	}
}
