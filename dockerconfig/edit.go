package dockerconfig

import (
	"bytes"
	"slices"
	"strings"
)

// content is the text of a file, or that there is no file.
type content struct {
	text   []byte
	exists bool
}

func (c content) same(other content) bool {
	return c.exists == other.exists && bytes.Equal(c.text, other.text)
}

// splice returns c with text in place of the bytes from start to end.
func (c content) splice(start, end int, text string) content {
	return content{slices.Concat(c.text[:start], []byte(text), c.text[end:]), true}
}

// set returns c with the last string of path as a value, and the strings before it as
// the keys that lead to it, as in credHelpers, cgr.dev, cgr. What the second key has now
// is replaced. New members come last in their object, in the layout of the member before
// them. Every other byte stays.
func set(c content, path ...string) (content, error) {
	d, err := parse(c.text)
	if err != nil {
		return c, err
	}
	if d.root == nil {
		return c.splice(0, 0, dockerStyle.value(path)), nil
	}
	section, o, err := d.section(path[0])
	if err != nil {
		return c, err
	}
	style := d.style(d.root, 1)
	switch {
	case section == nil:
		return c.insert(d.root, style, path), nil
	case o == nil || len(o.members) == 0:
		return c.splice(section.value, section.valueEnd, style.value(path[1:])), nil
	}
	style = d.style(o, 2)
	if i := o.index(path[1]); i >= 0 {
		return c.splice(o.members[i].value, o.members[i].valueEnd, style.value(path[2:])), nil
	}
	return c.insert(o, style, path[1:]), nil
}

// insert returns c with a further member of o.
func (c content) insert(o *object, s style, path []string) content {
	member := quote(path[0]) + s.colon + s.value(path[1:])
	if len(o.members) == 0 {
		return c.splice(o.open+1, o.open+1, member)
	}
	end := o.members[len(o.members)-1].valueEnd
	return c.splice(end, end, ","+s.gap+member)
}

// remove returns c without the helper for host, if it is helper, and without
// credHelpers if that has no other.
func remove(c content, host, helper string) (content, error) {
	d, err := parse(c.text)
	if err != nil {
		return c, err
	}
	i := d.helpers.index(host)
	switch {
	case i < 0 || d.string(d.helpers.members[i]) != helper:
		return c, nil
	case len(d.helpers.members) > 1:
		return c.cut(d.helpers, i), nil
	}
	return c.cut(d.root, d.root.index(helpersKey)), nil
}

// cut returns c without the member i of o. It takes away what insert puts there.
func (c content) cut(o *object, i int) content {
	start, end := o.members[i].key, o.members[i].valueEnd
	switch {
	case i < len(o.members)-1:
		end = o.members[i+1].key
	case i > 0:
		start = o.members[i-1].valueEnd
	default:
		start = o.open + 1
	}
	return c.splice(start, end, "")
}

// style is how the members of an object are laid out.
type style struct {
	gap   string // between a comma and the next key: a line end and an indent, or blanks
	unit  string // indent of one level; empty if all is on one line
	colon string // with the blanks around it
}

// dockerStyle is the layout of the files that Docker writes.
var dockerStyle = style{gap: "\n", unit: "\t", colon: ": "}

// value returns the value of a member in this style: a string, or an object that has
// the first string of path as its key.
func (s style) value(path []string) string {
	if len(path) == 1 {
		return quote(path[0])
	}
	inside := s
	opening, closing := "", ""
	if strings.Contains(s.gap, "\n") {
		inside.gap += s.unit
		opening, closing = inside.gap, s.gap
	}
	return "{" + opening + quote(path[0]) + s.colon + inside.value(path[1:]) + closing + "}"
}

// style returns the style of o, which is depth levels deep.
func (d *document) style(o *object, depth int) style {
	if len(o.members) == 0 {
		return style{colon: ": "}
	}
	i := len(o.members) - 1
	last := o.members[i]
	s := style{colon: string(d.text[last.keyEnd:last.value])}
	start := o.open + 1
	if i > 0 {
		start = o.members[i-1].valueEnd
		start += bytes.IndexByte(d.text[start:], ',') + 1
	}
	before := string(d.text[start:last.key])
	switch end := strings.LastIndexByte(before, '\n'); {
	case end >= 0:
		indent := before[end+1:]
		s.gap, s.unit = "\n"+indent, indent[:len(indent)/depth]
		if strings.HasSuffix(before[:end], "\r") {
			s.gap = "\r" + s.gap
		}
	case i > 0:
		s.gap = before
	case strings.HasSuffix(s.colon, " "):
		s.gap = " " // the style that has a blank after a colon has one after a comma
	}
	return s
}
