package dockerconfig

import (
	"bytes"
	"io/fs"
	"slices"
	"strings"
)

// content is what a file holds.
type content struct {
	text   []byte
	exists bool
	linked bool        // reached through a symbolic link, so none that we made
	info   fs.FileInfo // nil where it does not exist
}

func (c content) same(other content) bool {
	if c.exists != other.exists || !bytes.Equal(c.text, other.text) {
		return false
	}
	return c.info == nil || other.info == nil || c.info.Mode() == other.info.Mode()
}

// with gives c with another text.
func (c content) with(parts ...[]byte) content {
	c.text, c.exists = slices.Concat(parts...), true
	return c
}

// cut gives c without the bytes from start to end.
func (c content) cut(start, end int) content {
	return c.with(c.text[:start], c.text[end:])
}

// add names helper for host. What is there stays, byte for byte: our bytes go in
// between, at one place.
func add(c content, host, helper string, replace bool) (content, error) {
	d, err := parse(c.text)
	if err != nil {
		return c, err
	}
	m, i := d.helpers.find(host)
	if i < 0 {
		return insert(c, d, d.helpers, helperEntry(host, helper)), nil
	}
	former := unquote(c.text[m.value:m.valueEnd])
	if former == helper {
		return c, nil
	}
	if !replace {
		return c, &OtherHelperError{Host: host, Helper: former, offset: m.key}
	}
	return c.with(c.text[:m.value], []byte(quote(helper)), c.text[m.valueEnd:]), nil
}

// entry is a member to put into an object that lies at the top of the file.
type entry struct {
	object string // that object's key
	name   string
	// value gives the member's value, for a member that is laid out like this.
	value func(g gap, colon string) string
}

func (e entry) text(g gap, colon string) string { return quote(e.name) + colon + e.value(g, colon) }

// helperEntry names helper for host.
func helperEntry(host, helper string) entry {
	return entry{helpersKey, host, func(gap, string) string { return quote(helper) }}
}

// insert adds an entry to in, the object that it is for, or nil where there is
// none. The entry is not there. The layout of what it adds tells remove what was
// there before, so the six cases look different, even where that costs a little
// beauty (an empty credHelpers is rarely kept by hand):
//
//	no file                    {⏎⇥"credHelpers": {⏎⇥⇥"h": "x"⏎⇥}⏎}      as Docker writes
//	blanks alone               {"credHelpers": {"h": "x"}}
//	{} in one line             {"credHelpers":{"h":"x"}}
//	{} in several              {⏎  "credHelpers": {⏎    "h": "x"⏎  }⏎}
//	"credHelpers": {}          "credHelpers": { "h": "x" }
//	none of these              as the last member is laid out
func insert(c content, d *document, in *object, e entry) content {
	key := quote(e.object)
	if !c.exists {
		return c.with([]byte("{\n\t" + key + ": {\n\t\t" + e.text(gap{"\n", "\t\t"}, ": ") + "\n\t}\n}"))
	}
	if d.root == nil {
		return c.with([]byte("{"+key+": {"+e.text(gap{}, ": ")+"}}"), c.text)
	}
	if d.null != nil && e.object == helpersKey {
		g, colon := d.gap(d.root), d.colon(*d.null)
		value := "{" + g.deeper().String() + e.text(g.deeper(), colon) + g.closing() + "}"
		return c.with(c.text[:d.null.value], []byte(value), c.text[d.null.valueEnd:])
	}
	at, added := d.root.open+1, ""
	switch last := lastMember(in); {
	case last != nil:
		at = last.valueEnd
		g := d.gap(in)
		added = "," + g.String() + e.text(g, d.colon(*last))
	case in != nil:
		at = in.open + 1
		added = " " + e.text(gap{}, ": ") + " "
		if b := c.text[at]; b == '\n' || b == '\r' {
			added = strings.TrimRight(added, " ")
		}
	case len(d.root.members) > 0:
		last := lastMember(d.root)
		at = last.valueEnd
		g, colon := d.gap(d.root), d.colon(*last)
		added = "," + g.String() + key + colon + "{" + g.deeper().String() + e.text(g.deeper(), colon) + g.closing() + "}"
	case bytes.IndexByte(c.text[at:d.root.close], '\n') >= 0:
		g := gap{newline: newlineAt(c.text, at+bytes.IndexByte(c.text[at:], '\n')), indent: "  "}
		added = g.String() + key + ": {" + g.deeper().String() + e.text(g.deeper(), ": ") + g.closing() + "}"
	default:
		added = key + ":{" + e.text(gap{}, ":") + "}"
	}
	return c.with(c.text[:at], []byte(added), c.text[at:])
}

// remove takes helper out for host, if that is what the file names there, and
// whatever add put in for it. Of the texts that add could have started from it
// takes the one that add would turn into this very text. Where there is none,
// since another program wrote the file meanwhile, the entry goes, and
// credHelpers where it held no other.
func remove(c content, host, helper string) (content, error) {
	d, err := parse(c.text)
	if err != nil {
		return c, err
	}
	m, i := d.helpers.find(host)
	if i < 0 || unquote(c.text[m.value:m.valueEnd]) != helper {
		return c, nil
	}
	for _, former := range d.formers(c, i) {
		before, err := parse(former.text)
		if err != nil {
			continue
		}
		if _, there := before.helpers.find(host); there >= 0 {
			continue
		}
		if insert(former, before, before.helpers, helperEntry(host, helper)).same(c) {
			return former, nil
		}
	}
	if len(d.helpers.members) > 1 {
		return d.helpers.without(c, i), nil
	}
	_, i = d.root.find(helpersKey)
	return d.root.without(c, i), nil
}

// formers gives the contents from which add may have made c, whose entry i of
// credHelpers is the one in question.
func (d *document) formers(c content, i int) []content {
	if i < len(d.helpers.members)-1 {
		return nil // add puts its entry last
	}
	m := d.helpers.members[i]
	if i > 0 {
		return []content{d.helpers.without(c, i)}
	}
	// credHelpers was there and empty.
	open := d.helpers.open + 1
	list := []content{c.cut(open, m.valueEnd), c.cut(open, min(m.valueEnd+1, d.helpers.close))}
	// It was not there.
	switch h, j := d.root.find(helpersKey); {
	case len(d.root.members) == 1:
		list = append(list, c.cut(d.root.open+1, h.valueEnd), c.cut(0, d.root.close+1))
		if !c.linked {
			list = append(list, content{})
		}
	case j == len(d.root.members)-1:
		list = append(list, d.root.without(c, j))
	}
	return list
}

// without gives c without the member i of o.
func (o *object) without(c content, i int) content {
	m := o.members[i]
	switch {
	case len(o.members) == 1:
		return c.cut(o.open+1, o.close)
	case i == len(o.members)-1:
		return c.cut(o.members[i-1].valueEnd, m.valueEnd)
	}
	return c.cut(m.key, o.members[i+1].key)
}

func lastMember(o *object) *member {
	if o == nil || len(o.members) == 0 {
		return nil
	}
	return &o.members[len(o.members)-1]
}

// gap is what stands between a comma and the key behind it.
type gap struct {
	newline string // "" where the object is in one line
	indent  string // in front of the key; a space or nothing in one line
}

func (g gap) String() string { return g.newline + g.indent }

// deeper is the gap in an object inside, for a gap in the one at the top.
func (g gap) deeper() gap {
	if g.newline == "" {
		return gap{}
	}
	return gap{g.newline, g.indent + g.indent}
}

// closing is what stands in front of the closing brace of an object inside.
func (g gap) closing() string {
	if g.newline == "" {
		return ""
	}
	return g.newline + g.indent
}

// Longer ones are no style but somebody's joke, and not repeated.
const (
	maxIndent = 64
	maxColon  = 8
)

// gap gives the one in front of o's last member, for a further one.
func (d *document) gap(o *object) gap {
	last := len(o.members) - 1
	start := o.open + 1
	if last > 0 {
		start = o.members[last-1].valueEnd
		start += bytes.IndexByte(d.text[start:], ',') + 1
	}
	before := d.text[start:o.members[last].key]
	end := bytes.LastIndexByte(before, '\n')
	switch {
	case end >= 0:
	case last > 0 && len(before) <= maxColon:
		return gap{indent: string(before)}
	case strings.HasSuffix(d.colon(o.members[last]), " "):
		// Whoever leaves room behind a colon leaves it behind a comma, too.
		return gap{indent: " "}
	default:
		return gap{}
	}
	g := gap{newline: newlineAt(before, end)}
	if indent := before[end+1:]; len(indent) <= maxIndent {
		g.indent = string(indent)
	}
	return g
}

// newlineAt gives the whole line end whose "\n" is at at.
func newlineAt(text []byte, at int) string {
	if at > 0 && text[at-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}

// colon gives m's colon with the blanks around it.
func (d *document) colon(m member) string {
	colon := string(d.text[m.keyEnd:m.value])
	if len(colon) > maxColon || strings.ContainsAny(colon, "\r\n") {
		return ": "
	}
	return colon
}
