package references

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
)

// commentSyntax is how comments are written in a kind of file: up to the end of the
// line, behind a blank or at its beginning; or between two marks.
type commentSyntax struct {
	line        []string
	open, close string
}

var (
	hashComments   = commentSyntax{line: []string{"#"}}
	slashComments  = commentSyntax{line: []string{"//"}, open: "/*", close: "*/"}
	configComments = commentSyntax{line: []string{"#", "//"}, open: "/*", close: "*/"}
	markupComments = commentSyntax{open: "<!--", close: "-->"}
)

// A commentReader goes forward through a file once and knows whether it is in a
// comment. Quotes hide the marks, but not over the end of a line: a text with one
// apostrophe must not hide the comments below.
type commentReader struct {
	data      []byte
	syntax    commentSyntax
	pos       int
	quote     byte
	lineMark  bool // in a comment up to the end of the line
	blockMark bool
	unclosed  bool // no mark further on ends a block
}

// at reports whether the byte there, which is not before the last one asked for, is in
// a comment.
func (c *commentReader) at(offset int) bool {
	for c.pos < offset {
		c.step()
	}
	return c.lineMark || c.blockMark
}

func (c *commentReader) step() {
	rest := c.data[c.pos:]
	b := rest[0]
	c.pos++
	switch {
	case c.blockMark:
		if bytes.HasPrefix(rest, []byte(c.syntax.close)) {
			c.blockMark = false
			c.pos += len(c.syntax.close) - 1
		}
	case b == '\n':
		c.lineMark, c.quote = false, 0
	case c.lineMark:
	case c.quote != 0:
		if b == '\\' && c.quote == '"' && len(rest) > 1 && rest[1] != '\n' {
			c.pos++
		} else if b == c.quote {
			c.quote = 0
		}
	case c.opensBlock(rest):
		c.blockMark = true
		c.pos += len(c.syntax.open) - 1
	case b == '"', b == '\'' && c.behind(" \t\r\n(=:[{,;"): // no apostrophe
		c.quote = b
	case c.behind(" \t\r\n") && slices.ContainsFunc(c.syntax.line, func(mark string) bool { return bytes.HasPrefix(rest, []byte(mark)) }):
		c.lineMark = true
	}
}

// opensBlock reports whether a comment begins there that also ends.
func (c *commentReader) opensBlock(rest []byte) bool {
	if c.syntax.open == "" || c.unclosed || !bytes.HasPrefix(rest, []byte(c.syntax.open)) {
		return false
	}
	c.unclosed = !bytes.Contains(rest[len(c.syntax.open):], []byte(c.syntax.close))
	return !c.unclosed
}

// behind reports whether the byte that was read begins the file, or stands behind one of
// these.
func (c *commentReader) behind(some string) bool {
	return c.pos == 1 || strings.IndexByte(some, c.data[c.pos-2]) >= 0
}

// places are parts of a file, to be asked for in the order of the file.
type places struct {
	all  []place
	next int
	end  int // of those that began so far
}

func newPlaces(all []place) *places {
	slices.SortFunc(all, func(a, b place) int { return cmp.Compare(a.start, b.start) })
	return &places{all: all}
}

func (p *places) hold(offset int) bool {
	for ; p.next < len(p.all) && p.all[p.next].start <= offset; p.next++ {
		p.end = max(p.end, p.all[p.next].end)
	}
	return offset < p.end
}
