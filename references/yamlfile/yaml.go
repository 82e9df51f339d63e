// Package yamlfile reads the images that YAML files name.
package yamlfile

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"docker-credential-cgr/platform"
	"docker-credential-cgr/references/scan"
)

// maxNested is how deep YAML may stand in strings of YAML.
const maxNested = 3

// Read notes the images in a stream of YAML documents. The library understands the
// file and says at which line and column a value stands; the file's own bytes there
// have to be that value. scripts returns the part of the file that is a script and has
// this place.
func Read(r *scan.Results, workflow bool) (scripts func(offset int) (scan.Place, bool), err error) {
	return newWalk(r, workflow).readAll()
}

func (w *walk) readAll() (scripts func(offset int) (scan.Place, bool), err error) {
	if err := checkYAMLText(w.Data); err != nil {
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
	documents := yaml.NewDecoder(bytes.NewReader(bytes.ReplaceAll(w.Data, []byte("%YAML 1.2"), []byte("%YAML 1.1"))))
	var all []*yaml.Node
	for {
		document := &yaml.Node{}
		if err := documents.Decode(document); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, explain(w.Data, err)
		}
		all = append(all, document)
	}
	w.locate(all)
	for _, document := range all {
		w.visit(document, "", "")
	}
	w.finish()
	return w.script, nil
}

// explain makes one line of the library's error.
func explain(data []byte, err error) error {
	is := "is not in valid YAML"
	if bytes.Contains(data, []byte("{{")) || bytes.Contains(data, []byte("{%")) || bytes.Contains(data, []byte("<%")) {
		is = "is in a template, not in valid YAML"
	}
	return fmt.Errorf("%s: %s", is, platform.Printable(strings.TrimPrefix(err.Error(), "yaml: ")))
}

// checkYAMLText refuses what the library has errors without a line for, or would read
// as something else.
func checkYAMLText(data []byte) error {
	if err := scan.CheckNUL(data); err != nil {
		return err
	}
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			return fmt.Errorf("line %d: is not in UTF-8", scan.LineAt(data, i))
		case r == '\ufeff' && i > 0, r < ' ' && r != '\t' && r != '\n' && r != '\r', r >= 0x7f && r < 0xa0 && r != 0x85, r == 0xfffe, r == 0xffff:
			return fmt.Errorf("line %d: has the character %U, which YAML does not allow", scan.LineAt(data, i), r)
		}
		i += size
	}
	return nil
}

// locate finds the bytes of every node.
func (w *walk) locate(documents []*yaml.Node) {
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
	c := cursor{data: w.Data, line: 1, column: 1}
	if bytes.HasPrefix(w.Data, []byte(scan.ByteOrderMark)) {
		c.offset = len(scan.ByteOrderMark)
	}
	for _, n := range w.nodes {
		c.move(n.Line, n.Column)
		w.offset[n] = max(c.offset, c.properties)
		if n.Kind == yaml.ScalarNode {
			c.properties = afterProperties(w.Data, c.offset)
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
