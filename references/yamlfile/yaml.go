// Package yamlfile finds the images that YAML files name.
package yamlfile

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"docker-credential-cgr/platform"
	"docker-credential-cgr/references/scan"
)

// maxDepth is how deep YAML is read that is in strings of YAML.
const maxDepth = 3

// Read adds the images in a stream of YAML documents. A library parses the file and returns
// the line and column of each value; a value can be pinned if the bytes there are equal to it.
// scriptAt returns the script that an offset is in.
func Read(r *scan.Results, isWorkflow bool) (scriptAt func(offset int) (scan.Span, bool), err error) {
	return newWalker(r, isWorkflow).readAll()
}

func (w *walker) readAll() (scriptAt func(offset int) (scan.Span, bool), err error) {
	if err := checkText(w.Data); err != nil {
		return nil, err
	}
	defer func() { // some of the library's checks end in a panic
		if recover() != nil {
			err = errors.New("is not understood as YAML")
		}
	}()
	// The library refuses YAML 1.2 for the number, not for the language.
	decoder := yaml.NewDecoder(bytes.NewReader(bytes.ReplaceAll(w.Data, []byte("%YAML 1.2"), []byte("%YAML 1.1"))))
	var documents []*yaml.Node
	for {
		document := &yaml.Node{}
		if err := decoder.Decode(document); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, parseError(w.Data, err)
		}
		documents = append(documents, document)
		if err := w.collect(document, false); err != nil {
			return nil, err
		}
	}
	w.locate()
	for _, document := range documents {
		w.visit(document, "", "")
	}
	w.finish()
	return w.scriptAt, nil
}

// parseError returns an error of one line for an error of the library.
func parseError(data []byte, err error) error {
	is := "is not in valid YAML"
	if bytes.Contains(data, []byte("{{")) || bytes.Contains(data, []byte("{%")) || bytes.Contains(data, []byte("<%")) {
		is = "is in a template, not in valid YAML"
	}
	return fmt.Errorf("%s: %s", is, platform.Printable(strings.TrimPrefix(err.Error(), "yaml: ")))
}

// checkText refuses text for which the library has no line in its error, or which it changes.
func checkText(data []byte) error {
	if err := scan.CheckNUL(data); err != nil {
		return err
	}
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		isControl := r < ' ' && r != '\t' && r != '\n' && r != '\r' || r >= 0x7f && r < 0xa0 && r != 0x85
		switch {
		case r == utf8.RuneError && size == 1:
			return fmt.Errorf("line %d: is not in UTF-8", scan.LineAt(data, i))
		case isControl, r == '\ufeff' && i > 0, r == 0xfffe, r == 0xffff:
			return fmt.Errorf("line %d: has the character %U, which YAML does not allow", scan.LineAt(data, i), r)
		}
		i += size
	}
	return nil
}

// isEmpty reports whether a node has no bytes in the file.
func isEmpty(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Value == "" && n.Style == 0 }

// collect adds a node and those in it to nodes. It refuses keys that share their text with
// values through anchors, since keys are not changed.
func (w *walker) collect(n *yaml.Node, inKey bool) error {
	if inKey && isShared(n) {
		return fmt.Errorf("line %d: has a key with an anchor or an alias", n.Line)
	}
	if n.Kind != yaml.DocumentNode && !isEmpty(n) {
		w.nodes = append(w.nodes, n)
	}
	for i, child := range n.Content {
		if err := w.collect(child, inKey || n.Kind == yaml.MappingNode && i%2 == 0); err != nil {
			return err
		}
	}
	return nil
}

// locate sets the spans of the nodes, each up to the next node.
func (w *walker) locate() {
	slices.SortStableFunc(w.nodes, func(a, b *yaml.Node) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	c := cursor{data: w.Data, line: 1, column: 1}
	if bytes.HasPrefix(w.Data, []byte(scan.ByteOrderMark)) {
		c.offset = len(scan.ByteOrderMark)
	}
	text := 0 // where the last scalar's own text begins
	for _, n := range w.nodes {
		c.move(n.Line, n.Column)
		if n.Kind == yaml.ScalarNode {
			text = skipProperties(w.Data, c.offset)
		}
		w.info(n).span.Start = max(c.offset, text)
	}
	next, end := len(w.Data), len(w.Data)
	for _, n := range slices.Backward(w.nodes) {
		s := &w.info(n).span
		if s.Start < next {
			end = next
		}
		s.End, next = end, s.Start
	}
}

// skipProperties returns where a node's own text begins: behind its anchor and its tag, which
// comments and line breaks may follow.
func skipProperties(data []byte, start int) int {
	const blank = " \t\r\n"
	for start < len(data) && (data[start] == '&' || data[start] == '!') {
		start += lengthBefore(data[start:], blank)
		for start < len(data) && strings.IndexByte(blank+"#", data[start]) >= 0 {
			if data[start] == '#' {
				start += lengthBefore(data[start:], "\r\n")
			} else {
				start++
			}
		}
	}
	return start
}

// lengthBefore returns the number of bytes before the first of the stops.
func lengthBefore(data []byte, stops string) int {
	if i := bytes.IndexAny(data, stops); i >= 0 {
		return i
	}
	return len(data)
}

// cursor moves through a file as the library counts: columns in characters from 1, and lines
// by every line break of YAML 1.1. A byte order mark does not count.
type cursor struct {
	data         []byte
	offset       int
	line, column int
}

// move moves to a line and column, or to the end of the file.
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

// scriptAt returns the script that an offset is in.
func (w *walker) scriptAt(offset int) (scan.Span, bool) {
	i := sort.Search(len(w.nodes), func(i int) bool { return w.info(w.nodes[i]).span.Start > offset }) - 1
	if i < 0 || !w.info(w.nodes[i]).isScript {
		return scan.Span{}, false
	}
	return w.info(w.nodes[i]).span, true
}

// readBlock reads the YAML in a literal block, which is there as it is but for its indentation.
func (w *walker) readBlock(v *yaml.Node) {
	if v.Kind != yaml.ScalarNode || v.Style&yaml.LiteralStyle == 0 || w.depth >= maxDepth || !scan.Mentions(v.Value, w.Host) {
		return
	}
	start := w.info(v).span.Start
	start += lengthBefore(w.Data[start:], "\n") + 1
	end, indent := start, -1
	for end < len(w.Data) {
		line := w.Data[end : end+lengthBefore(w.Data[end:], "\n")]
		blanks := len(line) - len(bytes.TrimLeft(line, " "))
		if len(bytes.TrimSpace(line)) > 0 {
			if indent < 0 {
				indent = blanks
			}
			if blanks < indent {
				break
			}
		}
		end = min(len(w.Data), end+len(line)+1)
	}
	if start >= end {
		return
	}
	block := newWalker(&scan.Results{Data: w.Data[start:end], Host: w.Host}, false)
	block.depth = w.depth + 1
	if _, err := block.readAll(); err != nil {
		return // its text is searched like any other
	}
	for _, r := range block.References {
		r.Span, r.Name = r.Shift(start), r.Name.Shift(start)
		w.References = append(w.References, r)
	}
	for _, s := range block.Ignored {
		w.Ignored = append(w.Ignored, s.Shift(start))
	}
}
