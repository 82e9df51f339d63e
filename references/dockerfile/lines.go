package dockerfile

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"unicode"

	"docker-credential-cgr/platform"
	"docker-credential-cgr/references/scan"
)

// filler replaces in text what joins two parts of a word on continued lines: the escape
// character, the line break, and comments and empty lines between. Blanks replace it if it is
// not within a word. Positions in text are then those of the file. Dockerfiles with NUL bytes
// are not read.
const filler = "\x00"

// instruction is an instruction of one or several lines.
type instruction struct {
	scan.Span
	line int // the first, counted from 1
}

// joined returns a part of the text with continued lines joined.
func (p *parser) joined(s scan.Span) string {
	return strings.ReplaceAll(string(p.text[s.Start:s.End]), filler, "")
}

// nextLine returns the next line without its end.
func (p *parser) nextLine() scan.Span {
	var line scan.Span
	line, p.next = lineFrom(p.Data, p.next)
	p.line++
	return line
}

// lineFrom returns the line that begins at start, without its end, and where the next begins.
func lineFrom(data []byte, start int) (line scan.Span, next int) {
	end := len(data)
	next = end
	if i := bytes.IndexByte(data[start:], '\n'); i >= 0 {
		end, next = start+i, start+i+1
	}
	return scan.Span{Start: start, End: start + len(bytes.TrimRight(data[start:end], "\r\n"))}, next
}

// nextInstruction returns the next instruction and joins its lines in the text.
func (p *parser) nextInstruction() (in instruction, ok bool) {
	for p.next < len(p.Data) {
		line := p.nextLine()
		line.Start = skipSpace(p.Data, line)
		if !p.hasText(line) {
			continue
		}
		in := instruction{line, p.line}
		for {
			var isContinued bool
			if in.End, isContinued = p.endOfText(line); !isContinued {
				return in, true
			}
			for line.Start = -1; line.Start < 0 && p.next < len(p.Data); {
				if next := p.nextLine(); p.hasText(next) {
					line = next
				}
			}
			if line.Start < 0 {
				return in, true
			}
			p.fill(scan.Span{Start: in.End, End: line.Start}, in.Start)
		}
	}
	return in, false
}

// fill fills what is between two lines of the instruction that begins at start.
func (p *parser) fill(s scan.Span, start int) {
	fill := filler
	if s.Start == start || isSpace(p.text[s.Start-1]) || isSpace(p.text[s.End]) {
		fill = " "
	}
	copy(p.text[s.Start:s.End], strings.Repeat(fill, s.End-s.Start))
}

// hasText reports whether a line is neither empty nor a comment.
func (p *parser) hasText(line scan.Span) bool {
	start := skipSpace(p.Data, line)
	return start < line.End && p.Data[start] != '#'
}

// endOfText returns the end of a line's text, and whether the line continues on the next one:
// if its last byte but for blanks is the escape character, and not escaped itself.
func (p *parser) endOfText(line scan.Span) (end int, isContinued bool) {
	text := bytes.TrimRight(p.Data[line.Start:line.End], " \t")
	last := len(text) - 1
	if last < 0 || text[last] != p.escape || last > 0 && text[last-1] == p.escape {
		return line.End, false
	}
	return line.Start + last, true
}

func skipSpace(data []byte, s scan.Span) int {
	return s.End - len(bytes.TrimLeftFunc(data[s.Start:s.End], unicode.IsSpace))
}

// The directives are the comments # NAME=VALUE at the beginning of a file. BuildKit looks for
// syntax by itself: it may follow a line with #!, and must not be indented.
var (
	escapeDirective = sync.OnceValue(func() *regexp.Regexp { return directive(indent, "", "syntax|check", "escape") })
	syntaxDirective = sync.OnceValue(func() *regexp.Regexp { return directive("", "(?:#!.*\n)?", "escape|check", "syntax") })
)

const indent = `[\t\v\f\r \x{85}\pZ]*`

// directive returns an expression for the value of a directive, behind a first line and others.
func directive(indent, first, others, name string) *regexp.Regexp {
	const blank = `[\t\f\r ]*`
	comment := func(names string) string {
		return indent + "#" + blank + "(?i:" + names + ")" + blank + "=" + blank
	}
	return regexp.MustCompile("^\ufeff?" + first + "(?:" + comment(others) + ".+\n)*" + comment(name) + "(.+?)" + blank + "(?:\n|$)")
}

// readDirectives sets the escape character and adds the image of the syntax directive.
func (p *parser) readDirectives() error {
	if bytes.HasPrefix(p.Data, []byte(scan.ByteOrderMark)) {
		p.next = len(scan.ByteOrderMark)
	}
	if m := escapeDirective().FindSubmatch(p.Data); m != nil {
		if value := string(m[1]); value != "\\" && value != "`" {
			return fmt.Errorf("the escape character is %q, not \\ or `", platform.Printable(value))
		}
		p.escape = m[1][0]
	}
	if m := syntaxDirective().FindSubmatchIndex(p.Data); m != nil {
		image, _, _ := bytes.Cut(p.Data[m[2]:m[3]], []byte(" ")) // before the options of the frontend
		p.addUnexpanded(scan.Span{Start: m[2], End: m[2] + len(image)})
	}
	return nil
}
