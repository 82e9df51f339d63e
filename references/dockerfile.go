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

// What is kept of a file: so much that no file that somebody builds comes near, and so
// little that one made to fill the memory cannot.
const (
	maxKept  = 16 << 20 // bytes
	keptSize = 256      // of a place or an ARG, besides its texts
)

// severalPlatforms is the platform of a default that FROMs for different ones share.
const severalPlatforms = "several platforms"

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
	defaults []argDefault // in the order of the file
	kept     int          // bytes, about; over maxKept nothing more is
}

// place is a name that is found, or left where there is a reason.
type place struct {
	start, end int
	image      registry.Reference
	platform   string
	why        string
}

// argDefault is the default of an ARG that names an image of the registry, and what the
// FROMs do with it.
type argDefault struct {
	place
	used   bool
	partIn int // the first line where a FROM makes it a part of a name, or 0
}

// findDockerfile gives the references in a Dockerfile: what FROM, COPY --from and
// RUN --mount=from name, the default of an ARG that is all of what a FROM names, and
// the frontend that a syntax directive names. A file that does not hold the host is
// not read further. A FROM's platform is what it says, be it a variable; none for the
// one that the build is for, and several platforms for an ARG that FROMs of different
// ones share. The error is for what is no text, for directives that leave open how the
// rest is to be read, and for more names and ARGs than are kept.
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
	line := 1
	for d.kept <= maxKept {
		in, ok := d.instruction()
		if !ok {
			break
		}
		line = in.line
		d.read(in)
	}
	if d.kept > maxKept {
		return nil, nil, fmt.Errorf("line %d: up to there are more ARGs and names of images than anybody builds with: is it a Dockerfile?", line)
	}
	found, left := d.results()
	return found, left, nil
}

// keep says whether there is room for a place or an ARG with texts of so many bytes.
func (d *dockerfile) keep(size int) bool {
	if d.kept <= maxKept {
		d.kept += keptSize + size
	}
	return d.kept <= maxKept
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
		in.eachFlag(c, d.copyFrom)
	case "run":
		in.eachFlag(c, d.mountFrom)
	case "add": // from a URL or the context; it may have heredocs
	default:
		return
	}
	d.skipHeredocs(in, c)
}

// copyFrom notes the image of a COPY if the flag is --from.
func (d *dockerfile) copyFrom(flag traced) {
	if image, ok := flag.cutPrefix("--from="); ok {
		d.asWritten(image)
	}
}

// mountFrom notes the image of a RUN's --mount, whose options are one line of CSV. Of
// several from= in it the last one counts.
func (d *dockerfile) mountFrom(flag traced) {
	list, ok := flag.cutPrefix("--mount=")
	if !ok {
		return
	}
	var image traced
	ok = list.eachOfCSV(func(option traced) {
		if key, value, ok := option.cut('='); ok && strings.EqualFold(string(key.text), "from") {
			image = value
		}
	})
	switch {
	case ok:
		d.asWritten(image)
	case mentions(string(list.text), d.host):
		d.leave(list, noCSV)
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
	switch {
	case !name.whole():
		d.leave(name, inPieces)
		return false
	case len(name.text) > maxValue:
		d.leave(name, tooLong)
		return false
	}
	image, err := registry.Parse(string(name.text), d.host)
	if err != nil {
		d.leave(name, err.Error())
		return false
	}
	start, end := name.bounds()
	if d.keep(end - start + len(platform)) {
		d.places = append(d.places, place{start: start, end: end, image: image, platform: platform})
	}
	return true
}

func (d *dockerfile) leave(t traced, why string) {
	start, end := t.bounds()
	if d.keep(end - start + len(why)) {
		d.places = append(d.places, place{start: start, end: end, why: why})
	}
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

// sortPlaces keeps one of the places that begin together, as the default of an ARG does
// for all FROMs that have it.
func (d *dockerfile) sortPlaces() {
	slices.SortStableFunc(d.places, func(a, b place) int { return cmp.Compare(a.start, b.start) })
	kept := d.places[:0]
	for _, p := range d.places {
		last := len(kept) - 1
		switch {
		case last < 0 || kept[last].start != p.start:
			kept = append(kept, p)
		case kept[last].platform != p.platform:
			kept[last].platform = severalPlatforms
		}
	}
	d.places = kept
}

// checkUses leaves a default that is all of one FROM's name and a part of another's,
// where a digest would be in the way, and defaults that no FROM uses.
func (d *dockerfile) checkUses() {
	for i, p := range d.places {
		if line := d.partIn(p.start); p.why == "" && line > 0 {
			d.places[i].why = fmt.Sprintf("is a part of the name in line %d too: only a name in one piece can be pinned", line)
		}
	}
	for _, def := range d.defaults {
		if !def.used {
			d.places = append(d.places, def.place)
		}
	}
}

// partIn gives the first line where a FROM makes the default at this place a part of a
// name, or 0.
func (d *dockerfile) partIn(offset int) int {
	i, _ := slices.BinarySearchFunc(d.defaults, offset, func(def argDefault, offset int) int { return cmp.Compare(def.end, offset+1) })
	if i < len(d.defaults) && d.defaults[i].start <= offset {
		return d.defaults[i].partIn
	}
	return 0
}

// dependsOn says which ARGs keep a name from being known.
func dependsOn(names []string) string {
	if len(names) == 0 {
		return tooLong
	}
	return fmt.Sprintf("depends on the ARG %s: only a name in one piece can be pinned", platform.Printable(strings.Join(names, ", ")))
}
