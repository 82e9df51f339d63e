package references

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"docker-credential-cgr/platform"
	"docker-credential-cgr/registry"
)

// Why a place is left.
const (
	inPieces    = "is written over several lines, or with quotes or escapes inside: only a name in one piece can be pinned"
	manyWords   = "is more than FROM takes: IMAGE, or IMAGE AS NAME"
	openEnded   = "has a quote or a variable that does not end, or not as one can"
	otherWins   = "is never used, for its variable has a value"
	noFrom      = "names an image, and no FROM uses it"
	noVariables = "has a variable, and none is expanded here"
	tooLong     = "is longer than any name of an image"
	noCSV       = "is no list with commas that can be read"
)

// dockerfile is the reading of one Dockerfile. What it takes for an image is what
// BuildKit would pull if nobody sets build arguments: the rules are those of its
// packages parser, instructions and shell (frontend/dockerfile, v0.31).
type dockerfile struct {
	data   []byte
	host   string
	next   int  // where the next line begins
	line   int  // that was read last, counted from 1
	escape rune // goes on with a line on the next one
	args   map[string]value
	staged bool // the first FROM was there

	places   []place
	defaults []place // of ARGs, which some FROM should use
	uses     []use
}

// place is a name that is found, or left where there is a reason.
type place struct {
	start, end int
	image      registry.Reference
	platform   string
	why        string
}

// use is a piece of the file that a FROM puts into the name of its image.
type use struct {
	start, line int
	whole       bool // nothing else is put to it
}

// findDockerfile gives the references in a Dockerfile: what FROM, COPY --from and
// RUN --mount=from name, the default of an ARG that is all of what a FROM names, and
// the frontend that a syntax directive names. A file that does not hold the host is
// not read further. The error is for what is no text, and for directives that leave
// open how the rest is to be read.
func findDockerfile(data []byte, host string) ([]Found, []Left, error) {
	host = strings.TrimSuffix(host, standardPort)
	if indexFold(data, host) < 0 {
		return nil, nil, checkEncoding(data, host)
	}
	if i := bytes.IndexByte(data, 0); i >= 0 {
		return nil, nil, fmt.Errorf("line %d: holds a NUL byte: is it binary?", lineAt(data, i))
	}
	d := &dockerfile{data: data, host: host, escape: '\\', args: predefinedArgs()}
	if err := d.readDirectives(); err != nil {
		return nil, nil, err
	}
	for in, ok := d.instruction(); ok; in, ok = d.instruction() {
		d.read(in)
	}
	found, left := d.results()
	return found, left, nil
}

// read notes what one instruction names, and passes over its heredocs.
func (d *dockerfile) read(in *instruction) {
	c := in.command(0, len(in.text), d.escape)
	switch c.name {
	case "from":
		d.from(in, c)
	case "arg":
		d.arg(in, c)
	case "onbuild":
		// BuildKit reads it again by itself, when its image is built upon: the file's
		// escape directive is not there then.
		c = in.command(c.start, c.end, '\\')
	}
	switch c.name {
	case "copy":
		d.copyFrom(c.flags)
	case "run":
		d.mountFrom(c.flags)
	case "add": // from a URL or the context; it may have heredocs
	default:
		return
	}
	d.skipHeredocs(in, c)
}

// copyFrom notes the image of COPY --from.
func (d *dockerfile) copyFrom(flags []traced) {
	for _, flag := range flags {
		if image, ok := flag.cutPrefix("--from="); ok {
			d.asWritten(image)
		}
	}
}

// mountFrom notes the images of RUN --mount, whose options are one line of CSV. Of
// several from= in it the last one counts.
func (d *dockerfile) mountFrom(flags []traced) {
	for _, flag := range flags {
		list, ok := flag.cutPrefix("--mount=")
		if !ok {
			continue
		}
		options, ok := list.splitCSV()
		if !ok {
			if mentions(string(list.text), d.host) {
				d.leave(list, noCSV)
			}
			continue
		}
		var image traced
		for _, option := range options {
			if key, value, ok := option.cut('='); ok && strings.EqualFold(string(key.text), "from") {
				image = value
			}
		}
		d.asWritten(image)
	}
}

// asWritten notes a name in which no variables are expanded.
func (d *dockerfile) asWritten(name traced) {
	switch {
	case !d.ours(name):
	case bytes.IndexByte(name.text, '$') >= 0:
		d.leave(name, noVariables)
	default:
		d.note(name, "")
	}
}

// ours says whether a name's first part is the registry's host.
func (d *dockerfile) ours(name traced) bool {
	first, _, ok := bytes.Cut(name.text, []byte("/"))
	return ok && isHost(string(first), d.host)
}

// note finds a name of the registry, or leaves it, and says which.
func (d *dockerfile) note(name traced, platform string) (found bool) {
	if !name.whole() {
		d.leave(name, inPieces)
		return false
	}
	image, err := registry.Parse(string(name.text), d.host)
	if err != nil {
		d.leave(name, err.Error())
		return false
	}
	start, end := name.bounds()
	d.places = append(d.places, place{start: start, end: end, image: image, platform: platform})
	return true
}

func (d *dockerfile) leave(t traced, why string) {
	start, end := t.bounds()
	d.places = append(d.places, place{start: start, end: end, why: why})
}

// results puts what was noted in the order of the file, each place once.
func (d *dockerfile) results() ([]Found, []Left) {
	d.sortPlaces()
	d.checkUses()
	d.sortPlaces()
	var found []Found
	var left []Left
	line, counted := 1, 0
	for _, p := range d.places {
		line += bytes.Count(d.data[counted:p.start], []byte("\n"))
		counted = p.start
		if p.why != "" {
			left = append(left, Left{Line: line, Text: string(d.data[p.start:p.end]), Why: p.why})
			continue
		}
		found = append(found, Found{Start: p.start, End: p.end, Line: line, Image: p.image, Platform: p.platform})
	}
	return found, left
}

// sortPlaces keeps one of the places that begin together. Where two FROMs have one ARG
// and ask for two platforms, that one is for none.
func (d *dockerfile) sortPlaces() {
	slices.SortStableFunc(d.places, func(a, b place) int { return cmp.Compare(a.start, b.start) })
	kept := d.places[:0]
	for _, p := range d.places {
		last := len(kept) - 1
		switch {
		case last < 0 || kept[last].start != p.start:
			kept = append(kept, p)
		case kept[last].platform != p.platform:
			kept[last].platform = ""
		}
	}
	d.places = kept
}

// checkUses leaves a default that is all of one FROM's name and a part of another's,
// where a digest would be in the way, and defaults that no FROM uses.
func (d *dockerfile) checkUses() {
	slices.SortFunc(d.uses, func(a, b use) int { return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.line, b.line)) })
	for i, p := range d.places {
		uses := d.usesOf(p)
		part := slices.IndexFunc(uses, func(u use) bool { return !u.whole })
		if p.why == "" && part >= 0 {
			d.places[i].why = fmt.Sprintf("is a part of the name in line %d too: only a name in one piece can be pinned", uses[part].line)
		}
	}
	for _, p := range d.defaults {
		if len(d.usesOf(p)) == 0 {
			d.places = append(d.places, p)
		}
	}
}

// usesOf gives the uses that begin in a place. None goes beyond the word it begins in.
func (d *dockerfile) usesOf(p place) []use {
	byStart := func(u use, offset int) int { return cmp.Compare(u.start, offset) }
	from, _ := slices.BinarySearchFunc(d.uses, p.start, byStart)
	to, _ := slices.BinarySearchFunc(d.uses, p.end, byStart)
	return d.uses[from:to]
}

// dependsOn says which ARGs keep a name from being known.
func dependsOn(names []string) string {
	if len(names) == 0 {
		return tooLong
	}
	return fmt.Sprintf("depends on the ARG %s: only a name in one piece can be pinned", platform.Printable(strings.Join(names, ", ")))
}
