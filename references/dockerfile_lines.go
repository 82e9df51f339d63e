package references

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"
	"unicode"

	"docker-credential-cgr/platform"
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
func (in *instruction) file(p place) place {
	if p.start >= p.end {
		return place{}
	}
	return place{in.at(p.start), in.at(p.end-1) + 1}
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
	end, d.next = lineFrom(d.data, start)
	d.line++
	return start, end
}

// instruction joins the lines of the next one. Comments and empty lines within it are
// no part of it.
func (d *dockerfile) instruction() (*instruction, bool) {
	for d.next < len(d.data) {
		start, end := d.nextLine()
		start = skipSpace(d.data, start, end)
		if start == end || d.data[start] == '#' {
			continue
		}
		in := &instruction{line: d.line}
		for goesOn := d.join(in, start, end); goesOn && d.next < len(d.data); {
			start, end = d.nextLine()
			if first := skipSpace(d.data, start, end); first < end && d.data[first] != '#' {
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
	line := bytes.TrimRight(d.data[start:end], " \t")
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
		in.text = d.data[start:end:end] // most have one line, and need no copy
	} else {
		in.text = append(in.text, d.data[start:end]...)
	}
	return goesOn
}

func skipSpace(data []byte, start, end int) int {
	return end - len(bytes.TrimLeftFunc(data[start:end], unicode.IsSpace))
}

// directive is a comment at the top of the file that says how it is to be read.
type directive struct {
	name       string
	start, end int // of its value
	line       int
}

// readDirectives takes over the escape character, and notes the image of the syntax
// directive. The latter is looked for by itself: a line #! may stand before it, and it
// may not be indented.
func (d *dockerfile) readDirectives() error {
	if bytes.HasPrefix(d.data, []byte(byteOrderMark)) {
		d.next = len(byteOrderMark)
	}
	all, err := directives(d.data, d.next, true)
	if err != nil {
		return err
	}
	for _, dir := range all {
		if dir.name != "escape" {
			continue
		}
		character := string(d.data[dir.start:dir.end])
		if character != "\\" && character != "`" {
			return fmt.Errorf("line %d: the escape character is %q: only \\ and ` can be it", dir.line, platform.Printable(character))
		}
		d.escape = character[0]
	}
	start := d.next
	if bytes.HasPrefix(d.data[start:], []byte("#!")) {
		_, start = lineFrom(d.data, start)
	}
	all, _ = directives(d.data, start, false)
	if i := slices.IndexFunc(all, func(dir directive) bool { return dir.name == "syntax" }); i >= 0 {
		image, _, _ := bytes.Cut(d.data[all[i].start:all[i].end], []byte(" ")) // its frontend's options may follow
		line := instruction{text: d.data, cuts: []cut{{0, 0}}}
		d.asWritten(&line, place{all[i].start, all[i].start + len(image)})
	}
	return nil
}

// directives reads the directives from there on, as far as they go. None may come twice.
func directives(data []byte, start int, indented bool) ([]directive, error) {
	var all []directive
	for line := 1; start < len(data); line++ {
		end, next := lineFrom(data, start)
		if indented {
			start = skipSpace(data, start, end)
		}
		dir, ok := parseDirective(data, start, end)
		if !ok {
			break
		}
		if slices.ContainsFunc(all, func(other directive) bool { return other.name == dir.name }) {
			return all, fmt.Errorf("line %d: a second %s directive: only one can be", line, dir.name)
		}
		dir.line = line
		all = append(all, dir)
		start = next
	}
	return all, nil
}

// parseDirective reads a line that has the form # NAME=VALUE.
func parseDirective(data []byte, start, end int) (dir directive, ok bool) {
	const (
		space   = "\t\f\r "
		letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	)
	if start == end || data[start] != '#' {
		return dir, false
	}
	line := data[skipSpace(data, start+1, end):end]
	name := line[:len(line)-len(bytes.TrimLeft(line, letters))]
	value, ok := bytes.CutPrefix(bytes.TrimLeft(line[len(name):], space), []byte("="))
	dir.name = strings.ToLower(string(name))
	if !ok || len(value) == 0 || dir.name != "syntax" && dir.name != "escape" && dir.name != "check" {
		return dir, false
	}
	dir.start = end - len(bytes.TrimLeft(value, space))
	dir.end = end - len(value) + len(bytes.TrimRight(value, space))
	if dir.start > dir.end { // a value all blank is one, and a wrong one
		dir.start, dir.end = end-1, end
	}
	return dir, true
}

// skipTo passes over lines up to the end of a heredoc, before whose name there may be
// tabs, and reports whether it has one.
func (d *dockerfile) skipTo(name string, tabs bool) bool {
	for d.next < len(d.data) {
		start, end := d.nextLine()
		line := d.data[start:end]
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
