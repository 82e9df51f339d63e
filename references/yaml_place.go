package references

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

const maxBeginning = 80 // bytes; one line may be the whole file

// place finds the bytes of the spots. A spot whose bytes are not its value as it is,
// between quotes or without, is left.
func (w *yamlWalk) place(data []byte) ([]Found, []Left) {
	slices.SortFunc(w.spots, func(a, b *spot) int {
		return cmp.Or(cmp.Compare(a.node.Line, b.node.Line), cmp.Compare(a.node.Column, b.node.Column))
	})
	var found []Found
	var left []Left
	c := newCursor(data)
	for _, s := range w.spots {
		c.move(s.node.Line, s.node.Column)
		start := afterProperties(data, c.offset)
		line := c.newlines + lineAt(data[c.offset:], start-c.offset)
		switch {
		case s.why != "":
		case w.inKeys[s.node]:
			s.why = "shares an anchor with a mapping's key: write the name itself"
		case !isWritten(data[start:], s.node):
			s.why = "is written with escapes or over several lines: only a name in one piece can be pinned"
		}
		if s.why != "" {
			left = append(left, Left{Line: line, Text: leftText(data[start:], s.node), Why: s.why})
			continue
		}
		if s.node.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
			start++
		}
		found = append(found, Found{
			Start:    start + len(s.prefix),
			End:      start + len(s.node.Value),
			Line:     line,
			Image:    s.image,
			Platform: s.platform,
		})
	}
	return found, left
}

// isWritten says whether a text begins with the scalar, written as its value is.
func isWritten(text []byte, scalar *yaml.Node) bool {
	quote := ""
	switch {
	case scalar.Style&yaml.SingleQuotedStyle != 0:
		quote = "'"
	case scalar.Style&yaml.DoubleQuotedStyle != 0:
		quote = `"`
	}
	return bytes.HasPrefix(text, []byte(quote+scalar.Value+quote))
}

// leftText is what a place says: the first line of a scalar, or the beginning of
// anything else.
func leftText(text []byte, n *yaml.Node) string {
	if n.Kind == yaml.ScalarNode {
		text = []byte(strings.TrimSpace(n.Value))
	} else {
		text = text[:min(len(text), maxBeginning)]
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	return strings.TrimSpace(strings.ToValidUTF8(string(line), ""))
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
	line, column int
	newlines     int // passed; editors count these alone as lines
}

func newCursor(data []byte) *cursor {
	c := &cursor{data: data, line: 1, column: 1}
	if bytes.HasPrefix(data, []byte(byteOrderMark)) {
		c.offset = len(byteOrderMark)
	}
	return c
}

// move goes on to a line and column, or as far as the file is.
func (c *cursor) move(line, column int) {
	for c.offset < len(c.data) && (c.line < line || c.line == line && c.column < column) {
		c.step()
	}
}

func (c *cursor) step() {
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
	if r == '\n' {
		c.newlines++
	}
}
