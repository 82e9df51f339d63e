package scan

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
)

// CommentSyntax is how comments are written in a kind of file: up to the end of the
// line, behind a blank or at its beginning; or between two marks.
type CommentSyntax struct {
	Line        []string
	Open, Close string
}

// A CommentReader goes forward through a file once and knows whether it is in a
// comment. Quotes hide the marks, but not over the end of a line: a text with one
// apostrophe must not hide the comments below.
type CommentReader struct {
	data      []byte
	syntax    CommentSyntax
	pos       int
	quote     byte
	lineMark  bool // in a comment up to the end of the line
	blockMark bool
	unclosed  bool // no mark further on ends a block
	close     int  // the next mark that does, as far as is known
	lineEnd   int  // the end of the line, as far as is known
}

// NewCommentReader returns one at the beginning of a file.
func NewCommentReader(data []byte, syntax CommentSyntax) *CommentReader {
	return &CommentReader{data: data, syntax: syntax}
}

// At reports whether the byte there, which is not before the last one asked for, is in
// a comment.
func (c *CommentReader) At(offset int) bool {
	for c.pos < offset {
		c.step()
	}
	return c.lineMark || c.blockMark
}

func (c *CommentReader) step() {
	rest := c.data[c.pos:]
	b := rest[0]
	c.pos++
	switch {
	case c.blockMark:
		if bytes.HasPrefix(rest, []byte(c.syntax.Close)) {
			c.blockMark = false
			c.pos += len(c.syntax.Close) - 1
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
		c.pos += len(c.syntax.Open) - 1
	case b == '"', b == '\'' && c.behind(" \t\r\n(=:[{,;"): // no apostrophe
		c.quote = b
	case c.behind(" \t\r\n") && slices.ContainsFunc(c.syntax.Line, func(mark string) bool { return bytes.HasPrefix(rest, []byte(mark)) }):
		c.lineMark = true
	}
}

// opensBlock reports whether a comment begins there that also ends. A file that commands
// may stand in has patterns such as /tmp/*, /*.tmp and /*: /* has to be a word by itself,
// and to begin its line or end on it.
func (c *CommentReader) opensBlock(rest []byte) bool {
	if c.syntax.Open == "" || c.unclosed || !c.behind(" \t\r\n([{,;") || !bytes.HasPrefix(rest, []byte(c.syntax.Open)) {
		return false
	}
	inside := c.pos - 1 + len(c.syntax.Open)
	if c.close < inside {
		i := bytes.Index(c.data[inside:], []byte(c.syntax.Close))
		if c.unclosed = i < 0; c.unclosed {
			return false
		}
		c.close = inside + i
	}
	if c.syntax.Open != "/*" {
		return true
	}
	return strings.IndexByte(" \t\r\n*", c.data[inside]) >= 0 && (c.startsLine() || c.close < c.endOfLine())
}

// startsLine reports whether only blanks stand before the byte that was read on its line.
func (c *CommentReader) startsLine() bool {
	before := bytes.TrimRight(c.data[:c.pos-1], " \t")
	return len(before) == 0 || before[len(before)-1] == '\n'
}

func (c *CommentReader) endOfLine() int {
	if c.lineEnd < c.pos {
		c.lineEnd = len(c.data)
		if i := bytes.IndexByte(c.data[c.pos:], '\n'); i >= 0 {
			c.lineEnd = c.pos + i
		}
	}
	return c.lineEnd
}

// behind reports whether the byte that was read begins the file, or stands behind one of
// these.
func (c *CommentReader) behind(some string) bool {
	return c.pos == 1 || strings.IndexByte(some, c.data[c.pos-2]) >= 0
}

// Places are parts of a file, to be asked for in the order of the file.
type Places struct {
	all  []Place
	next int
	end  int // of those that began so far
}

// NewPlaces returns them in their order.
func NewPlaces(all []Place) *Places {
	slices.SortFunc(all, func(a, b Place) int { return cmp.Compare(a.Start, b.Start) })
	return &Places{all: all}
}

// Hold reports whether one of them holds a byte, which is not before the last one
// asked for.
func (p *Places) Hold(offset int) bool {
	for ; p.next < len(p.all) && p.all[p.next].Start <= offset; p.next++ {
		p.end = max(p.end, p.all[p.next].End)
	}
	return offset < p.end
}
