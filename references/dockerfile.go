package references

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"docker-credential-cgr/platform"
)

// Why a place in a Dockerfile is left.
const (
	inPieces = "is written over several lines, or with quotes or escapes inside: only a name in one piece can be pinned"
	noFrom   = "names an image, and no FROM uses it"
)

// severalPlatforms is the platform of a default that FROMs for different ones share.
const severalPlatforms = "several platforms"

// dockerfile reads one Dockerfile: what BuildKit would pull without build arguments.
// Its rules are those of BuildKit's packages parser and instructions (frontend/
// dockerfile, v0.31), as far as they go here: of words it understands plain names, in
// quotes or not, $ARG, ${ARG}, ${ARG:-default} and ${ARG-default}.
type dockerfile struct {
	*results
	next   int  // where the next line begins
	line   int  // that was read last, counted from 1
	escape byte // goes on with a line on the next one
	args   map[string]value
	staged bool // the first FROM was there

	defaults []argDefault // in the order of the file
}

// argDefault is the default of an ARG that is the name of an image of the registry, and
// what the FROMs do with it.
type argDefault struct {
	place
	used   bool
	partIn int // the line of the first FROM that makes it a part of a name, or 0
}

// errHeredoc ends the reading of a file: what follows may be an instruction or text.
var errHeredoc = errors.New("opens a heredoc whose end is not clear: nothing below is read")

// readDockerfile notes what FROM, COPY --from and RUN --mount=from name, the default of
// an ARG that is all of what a FROM names, and the frontend of a syntax directive.
func (r *results) readDockerfile() error {
	if err := checkNUL(r.data); err != nil {
		return err
	}
	d := &dockerfile{results: r, escape: '\\', args: predefinedArgs()}
	if err := d.readDirectives(); err != nil {
		return err
	}
	for in, ok := d.instruction(); ok; in, ok = d.instruction() {
		before := len(d.left) + len(d.defaults)
		err := d.read(in)
		if len(d.left)+len(d.defaults) == before && d.inPieces(in) {
			d.leave(in.at(0), in.at(len(in.text)-1)+1, inPieces)
		}
		if err != nil {
			if d.matters(in.at(0)) {
				d.leave(in.at(0), in.at(len(in.text)-1)+1, err.Error())
			}
			break
		}
	}
	d.checkDefaults()
	return nil
}

// matters reports whether an image of the registry may be named from there on.
func (d *dockerfile) matters(offset int) bool {
	for _, v := range d.args {
		if indexFold([]byte(v.text), d.host) >= 0 {
			return true
		}
	}
	return indexFold(d.data[offset:], d.host) >= 0
}

// inPieces reports whether the host is in an instruction more often than in the bytes of
// the file: over several lines, or with quotes or escapes inside.
func (d *dockerfile) inPieces(in *instruction) bool {
	if len(in.cuts) < 2 && bytes.IndexAny(in.text, `"'`+string(rune(d.escape))) < 0 {
		return false
	}
	joined := bytes.Map(func(r rune) rune {
		if r == '"' || r == '\'' || r == rune(d.escape) {
			return -1
		}
		return r
	}, in.text)
	count := func(text []byte) (n int) {
		for range hosts(text, d.host) {
			n++
		}
		return n
	}
	return count(joined) > count(d.data[in.at(0):in.at(len(in.text)-1)+1])
}

// read notes what one instruction names, and passes over its heredocs.
func (d *dockerfile) read(in *instruction) error {
	c, clear := in.command(0, len(in.text), d.escape)
	switch c.name {
	case "from":
		d.from(in, c, clear)
	case "arg":
		d.arg(in, c)
	case "onbuild":
		// BuildKit reads it again by itself, when its image is built upon: the file's
		// escape directive is not there then.
		c, clear = in.command(c.start, c.end, '\\')
	}
	switch c.name {
	case "copy":
		for _, flag := range c.flags {
			if flag.name == "--from" {
				d.asWritten(in, flag.value)
			}
		}
	case "run":
		for _, flag := range c.flags {
			if flag.name == "--mount" {
				d.mountFrom(in, flag.value)
			}
		}
	case "add": // from a URL or the context; it may have heredocs
	default:
		return nil
	}
	return d.skipHeredocs(in, c, clear)
}

// mountFrom notes the image of a RUN's --mount: of several from= in it the last counts.
func (d *dockerfile) mountFrom(in *instruction, list place) {
	image := place{}
	start := list.start
	for option := range bytes.SplitSeq(in.text[list.start:list.end], []byte(",")) {
		key, value, ok := bytes.Cut(option, []byte("="))
		if ok && strings.EqualFold(string(key), "from") {
			image = place{start + len(option) - len(value), start + len(option)}
		}
		start += len(option) + 1
	}
	if bytes.IndexByte(in.text[list.start:list.end], '"') < 0 && image.end > 0 {
		d.asWritten(in, image)
	}
}

// asWritten notes a name in which no variables are expanded.
func (d *dockerfile) asWritten(in *instruction, name place) {
	if isOurs(string(in.text[name.start:name.end]), d.host) && bytes.IndexByte(in.text[name.start:name.end], '$') < 0 {
		d.noteAt(in.file(name), name.end-name.start, "")
	}
}

// noteAt finds a name of so many bytes at a place of the file, or leaves it.
func (d *dockerfile) noteAt(at place, size int, platform string) bool {
	if at.end-at.start != size {
		d.leave(at.start, at.end, inPieces)
		return false
	}
	return d.note(at.start, at.end, platform)
}

// checkDefaults merges what several FROMs say of one default, and leaves a default that
// is also a part of another name, where a digest would be in the way, and those that no
// FROM uses.
func (d *dockerfile) checkDefaults() {
	d.left = compactPlaces(d.left)
	slices.SortStableFunc(d.found, func(a, b Found) int { return cmp.Compare(a.Start, b.Start) })
	kept := d.found[:0]
	for _, f := range d.found {
		if last := len(kept) - 1; last >= 0 && kept[last].Start == f.Start {
			if kept[last].Platform != f.Platform {
				kept[last].Platform = severalPlatforms
			}
			continue
		}
		kept = append(kept, f)
	}
	d.found = kept
	parts := map[int]bool{}
	for _, def := range d.defaults {
		switch {
		case !def.used:
			d.leave(def.start, def.end, noFrom)
		case def.partIn > 0:
			if _, found := slices.BinarySearchFunc(d.found, def.start, func(f Found, at int) int { return cmp.Compare(f.Start, at) }); found {
				parts[def.start] = true
				d.leave(def.start, def.end, fmt.Sprintf("is a part of the name in line %d too: only a name in one piece can be pinned", def.partIn))
			}
		}
	}
	d.found = slices.DeleteFunc(d.found, func(f Found) bool { return parts[f.Start] })
}

// compactPlaces drops what is left twice, as the default of an ARG for several FROMs.
func compactPlaces(left []Left) []Left {
	slices.SortStableFunc(left, func(a, b Left) int { return cmp.Compare(a.start, b.start) })
	return slices.CompactFunc(left, func(a, b Left) bool { return a.start == b.start })
}

// from notes the image of a FROM.
func (d *dockerfile) from(in *instruction, c command, clear bool) {
	d.staged = true
	args := in.fields(c.start, c.end)
	whole := in.file(place{c.start, c.end})
	named := len(args) == 3 && strings.EqualFold(string(in.text[args[1].start:args[1].end]), "as")
	switch {
	case len(args) == 0:
	case clear && (len(args) == 1 || named):
		d.base(in, args[0], c.platform(in))
	case !clear && c.end > c.start:
		d.leave(whole.start, whole.end, "has flags that are not understood")
	}
}

// base notes what the word comes to that names a FROM's image.
func (d *dockerfile) base(in *instruction, word place, platform string) {
	v := d.expand(in, word)
	at := in.file(word)
	found := false
	switch ours := isOurs(v.text, d.host); {
	case ours && v.place != (place{}) && !v.unsure:
		found = d.noteAt(v.place, len(v.text), platform)
	case ours, v.unsure && indexFold([]byte(v.text), d.host) >= 0:
		d.leave(at.start, at.end, v.unknown())
	}
	for _, i := range v.defaults {
		def := &d.defaults[i]
		def.used = true
		if !found && def.partIn == 0 {
			def.partIn = in.line
		}
	}
}

// arg keeps the defaults of an ARG before the first FROM, for those are what a FROM
// sees, and the last one counts. ARG NAME alone changes nothing.
func (d *dockerfile) arg(in *instruction, c command) {
	for w := range splitWords(in.text[c.start:c.end], d.escape) {
		name, _, ok := bytes.Cut(in.text[c.start+w.start:c.start+w.end], []byte("="))
		if !ok {
			continue
		}
		word := place{c.start + w.start + len(name) + 1, c.start + w.end}
		v := d.expand(in, word)
		if at := in.file(word); isOurs(v.text, d.host) && at.start <= v.place.start && v.place.end <= at.end && v.place.end > 0 {
			v.defaults = append(v.defaults, len(d.defaults))
			d.defaults = append(d.defaults, argDefault{place: v.place})
		}
		if !d.staged {
			d.args[string(name)] = v
		}
	}
}

// unknown says why what a word comes to cannot be pinned.
func (v value) unknown() string {
	if len(v.names) == 0 {
		return inPieces
	}
	return fmt.Sprintf("depends on the ARG %s: only a name in one piece can be pinned", platform.Printable(strings.Join(v.names, ", ")))
}
