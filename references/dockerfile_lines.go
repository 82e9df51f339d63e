package references

import (
	"bytes"
	"fmt"
	"slices"
	"sort"
	"strings"
	"unicode"

	"docker-credential-cgr/platform"
)

// blanks are what stands between an instruction's words.
const blanks = "\t\v\f\r "

// traced is text with the place in the file that each of its bytes comes from: what
// stands between them there, such as quotes and ends of lines, may be gone. at is nil
// for text whose place does not matter. A place takes 32 bits, for a long line has many:
// what is read has to be below 2 GiB.
type traced struct {
	text []byte
	at   []int32
}

// add shares the text of the first that is added.
func (t *traced) add(u traced) {
	if len(t.text) == 0 {
		t.text, t.at = slices.Clip(u.text), slices.Clip(u.at)
		return
	}
	t.text = append(t.text, u.text...)
	t.at = append(t.at, u.at...)
}

func (t traced) slice(start, end int) traced {
	if t.at == nil {
		return traced{text: t.text[start:end]}
	}
	return traced{t.text[start:end], t.at[start:end]}
}

func (t traced) cut(separator byte) (before, after traced, found bool) {
	i := bytes.IndexByte(t.text, separator)
	if i < 0 {
		return t, traced{}, false
	}
	return t.slice(0, i), t.slice(i+1, len(t.text)), true
}

func (t traced) cutPrefix(prefix string) (after traced, found bool) {
	if !bytes.HasPrefix(t.text, []byte(prefix)) {
		return t, false
	}
	return t.slice(len(prefix), len(t.text)), true
}

// whole says whether the text stands in the file as it is.
func (t traced) whole() bool {
	start, end := t.bounds()
	return end-start == len(t.text)
}

// bounds is where the first byte stands and where the last one ends. There has to be
// one.
func (t traced) bounds() (start, end int) {
	return int(t.at[0]), int(t.at[len(t.at)-1]) + 1
}

// holds says whether a place is within the bounds.
func (t traced) holds(offset int32) bool {
	return t.at[0] <= offset && offset <= t.at[len(t.at)-1]
}

// instruction is the text of one, which may go over several lines.
type instruction struct {
	text []byte
	line int   // on which it begins
	cuts []cut // the first at index 0, where there is text
}

// cut is where the text of an instruction goes on elsewhere in the file.
type cut struct{ index, offset int32 }

// offset is where a byte of the text stands in the file.
func (in *instruction) offset(i int) int32 {
	index := int32(i)
	c := in.cuts[sort.Search(len(in.cuts), func(c int) bool { return in.cuts[c].index > index })-1]
	return c.offset + index - c.index
}

// trace gives a part of the text with its place.
func (in *instruction) trace(start, end int) traced {
	t := traced{in.text[start:end], make([]int32, end-start)}
	for i := range t.at {
		t.at[i] = in.offset(start + i)
	}
	return t
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
	goesOn := n >= 0 && rune(line[n]) == d.escape && (n == 0 || rune(line[n-1]) != d.escape)
	if goesOn {
		end = start + n
	}
	if start == end {
		return goesOn
	}
	in.cuts = append(in.cuts, cut{int32(len(in.text)), int32(start)})
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
		d.escape = rune(character[0])
	}
	start := d.next
	if bytes.HasPrefix(d.data[start:], []byte("#!")) {
		_, start = lineFrom(d.data, start)
	}
	all, _ = directives(d.data, start, false)
	if i := slices.IndexFunc(all, func(dir directive) bool { return dir.name == "syntax" }); i >= 0 {
		line := instruction{text: d.data}
		line.cuts = []cut{{0, 0}}
		image, _, _ := line.trace(all[i].start, all[i].end).cut(' ') // its frontend's options may follow
		d.asWritten(image)
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
