package dockerfile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"sort"
	"strings"
	"sync"
	"unicode"

	"docker-credential-cgr/platform"
	"docker-credential-cgr/references/scan"
)

// blanks are what stands between an instruction's words.
const blanks = "\t\v\f\r "

// instruction is the text of one, which may go over several lines.
type instruction struct {
	text []byte
	line int   // on which it begins
	cuts []cut // the first at index 0, where there is text
}

// cut is where the text of an instruction goes on elsewhere in the file.
type cut struct{ index, offset int }

// at is where a byte of the text stands in the file.
func (in *instruction) at(i int) int {
	c := in.cuts[sort.Search(len(in.cuts), func(c int) bool { return in.cuts[c].index > i })-1]
	return c.offset + i - c.index
}

// file is where a part of the text stands in the file, with all that is between.
func (in *instruction) file(p scan.Place) scan.Place {
	if p.Start >= p.End {
		return scan.Place{}
	}
	return scan.At(in.at(p.Start), in.at(p.End-1)+1)
}

// lineFrom gives the end of the line that begins at start, without what ends it, and
// where the next one begins.
func lineFrom(data []byte, start int) (end, next int) {
	end = len(data)
	next = end
	if i := bytes.IndexByte(data[start:], '\n'); i >= 0 {
		end = start + i
		next = end + 1
	}
	return start + len(bytes.TrimRight(data[start:end], "\r\n")), next
}

// nextLine is where the next line stands.
func (d *dockerfile) nextLine() (start, end int) {
	start = d.next
	end, d.next = lineFrom(d.Data, start)
	d.line++
	return start, end
}

// instruction joins the lines of the next one. Comments and empty lines within it are
// no part of it.
func (d *dockerfile) instruction() (*instruction, bool) {
	for d.next < len(d.Data) {
		start, end := d.nextLine()
		start = skipSpace(d.Data, start, end)
		if start == end || d.Data[start] == '#' {
			continue
		}
		in := &instruction{line: d.line}
		for goesOn := d.join(in, start, end); goesOn && d.next < len(d.Data); {
			start, end = d.nextLine()
			if first := skipSpace(d.Data, start, end); first < end && d.Data[first] != '#' {
				goesOn = d.join(in, start, end)
			}
		}
		return in, true
	}
	return nil, false
}

// join adds a line to an instruction, and says whether the next line belongs to it as
// well: this one ends with the escape character, not escaped itself, and perhaps blanks.
func (d *dockerfile) join(in *instruction, start, end int) bool {
	line := bytes.TrimRight(d.Data[start:end], " \t")
	n := len(line) - 1
	goesOn := n >= 0 && line[n] == d.escape && (n == 0 || line[n-1] != d.escape)
	if goesOn {
		end = start + n
	}
	if start == end {
		return goesOn
	}
	in.cuts = append(in.cuts, cut{len(in.text), start})
	if in.text == nil {
		in.text = d.Data[start:end:end] // most have one line, and need no copy
	} else {
		in.text = append(in.text, d.Data[start:end]...)
	}
	return goesOn
}

func skipSpace(data []byte, start, end int) int {
	return end - len(bytes.TrimLeftFunc(data[start:end], unicode.IsSpace))
}

var directive = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile("^#[\t\f\r ]*([a-zA-Z]+)[\t\f\r ]*=[\t\f\r ]*(.+?)[\t\f\r ]*$")
})

// readDirectives takes over the escape character, and notes the image of the syntax
// directive. The latter is looked for by itself: a line #! may stand before it, and it
// may not be indented.
func (d *dockerfile) readDirectives() error {
	if bytes.HasPrefix(d.Data, []byte(scan.ByteOrderMark)) {
		d.next = len(scan.ByteOrderMark)
	}
	all, err := d.directives(d.next, true)
	if err != nil {
		return err
	}
	if at, ok := all["escape"]; ok {
		character := string(d.Data[at.Start:at.End])
		if character != "\\" && character != "`" {
			return fmt.Errorf("line %d: the escape character is %q: only \\ and ` can be it", scan.LineAt(d.Data, at.Start), platform.Printable(character))
		}
		d.escape = character[0]
	}
	start := d.next
	if bytes.HasPrefix(d.Data[start:], []byte("#!")) {
		_, start = lineFrom(d.Data, start)
	}
	all, _ = d.directives(start, false)
	at := all["syntax"]
	image, _, _ := bytes.Cut(d.Data[at.Start:at.End], []byte(" ")) // its frontend's options may follow
	d.asWritten(&instruction{text: d.Data, cuts: []cut{{0, 0}}}, scan.At(at.Start, at.Start+len(image)))
	return nil
}

// directives returns where the values of the directives stand, # NAME=VALUE, from there
// on as far as they go. None may come twice.
func (d *dockerfile) directives(start int, indented bool) (map[string]scan.Place, error) {
	all := map[string]scan.Place{}
	for start < len(d.Data) {
		end, next := lineFrom(d.Data, start)
		if indented {
			start = skipSpace(d.Data, start, end)
		}
		m := directive().FindSubmatchIndex(d.Data[start:end])
		if m == nil {
			break
		}
		name := strings.ToLower(string(d.Data[start+m[2] : start+m[3]]))
		if name != "syntax" && name != "escape" && name != "check" {
			break
		}
		if _, twice := all[name]; twice {
			return all, fmt.Errorf("line %d: a second %s directive: only one can be", scan.LineAt(d.Data, start), name)
		}
		all[name] = scan.At(start+m[4], start+m[5])
		start = next
	}
	return all, nil
}

// skipTo passes over lines up to the end of a heredoc, before whose name there may be
// tabs, and reports whether it has one.
func (d *dockerfile) skipTo(name string, tabs bool) bool {
	for d.next < len(d.Data) {
		start, end := d.nextLine()
		line := d.Data[start:end]
		if tabs {
			line = bytes.TrimLeft(line, "\t")
		}
		if string(line) == name {
			return true
		}
	}
	return false
}

// isJSON reports whether arguments are in the exec form, where << means nothing.
// BuildKit refuses lists of other things than strings.
func isJSON(args []byte) bool {
	args = bytes.TrimLeftFunc(args, unicode.IsSpace)
	return bytes.HasPrefix(args, []byte("[")) && json.Valid(args)
}
