// Package dockerfile reads the images that a Dockerfile names.
package dockerfile

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"docker-credential-cgr/platform"
	"docker-credential-cgr/references/scan"
)

// Reason the default of an ARG is left.
const noFrom = "names an image, and no FROM uses it"

// dockerfile reads one Dockerfile: what BuildKit would pull without build arguments.
// Its rules are those of BuildKit's packages parser and instructions (frontend/
// dockerfile, v0.31), as far as they go here: of words it understands plain names, in
// quotes or not, $ARG, ${ARG}, ${ARG:-default} and ${ARG-default}.
type dockerfile struct {
	*scan.Results
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
	scan.Place
	used   bool
	partIn int // the line of the first FROM that makes it a part of a name, or 0
}

// errHeredoc ends the reading of a file: what follows may be an instruction or text.
var errHeredoc = errors.New("opens a heredoc whose end is not clear: nothing below is read")

// Read notes what FROM, COPY --from and RUN --mount=from name, the default of
// an ARG that is all of what a FROM names, and the frontend of a syntax directive.
func Read(r *scan.Results) error {
	if err := scan.CheckNUL(r.Data); err != nil {
		return err
	}
	d := &dockerfile{Results: r, escape: '\\', args: predefinedArgs()}
	if err := d.readDirectives(); err != nil {
		return err
	}
	for in, ok := d.instruction(); ok; in, ok = d.instruction() {
		before := len(d.Unpinnable) + len(d.defaults)
		err := d.read(in)
		if len(d.Unpinnable)+len(d.defaults) == before && d.inPieces(in) {
			d.Leave(in.at(0), in.at(len(in.text)-1)+1, scan.InPieces)
		}
		if err != nil {
			if d.matters(in.at(0)) {
				d.Leave(in.at(0), in.at(len(in.text)-1)+1, err.Error())
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
		if scan.Index([]byte(v.text), d.Host) >= 0 {
			return true
		}
	}
	return scan.Index(d.Data[offset:], d.Host) >= 0
}

// inPieces reports whether the host is in an instruction more often than in the bytes of
// the file: over several lines, or with quotes or escapes inside.
func (d *dockerfile) inPieces(in *instruction) bool {
	if len(in.cuts) < 2 && !bytes.ContainsAny(in.text, `"'`+string(rune(d.escape))) {
		return false
	}
	joined := bytes.Map(func(r rune) rune {
		if r == '"' || r == '\'' || r == rune(d.escape) {
			return -1
		}
		return r
	}, in.text)
	count := func(text []byte) (n int) {
		for range scan.Hosts(text, d.Host) {
			n++
		}
		return n
	}
	return count(joined) > count(d.Data[in.at(0):in.at(len(in.text)-1)+1])
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
		c, clear = in.command(c.Start, c.End, '\\')
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
func (d *dockerfile) mountFrom(in *instruction, list scan.Place) {
	image := scan.Place{}
	start := list.Start
	for option := range bytes.SplitSeq(in.text[list.Start:list.End], []byte(",")) {
		key, value, ok := bytes.Cut(option, []byte("="))
		if ok && strings.EqualFold(string(key), "from") {
			image = scan.At(start+len(option)-len(value), start+len(option))
		}
		start += len(option) + 1
	}
	if bytes.IndexByte(in.text[list.Start:list.End], '"') < 0 && image.End > 0 {
		d.asWritten(in, image)
	}
}

// asWritten notes a name in which no variables are expanded.
func (d *dockerfile) asWritten(in *instruction, name scan.Place) {
	if scan.IsOurs(string(in.text[name.Start:name.End]), d.Host) && bytes.IndexByte(in.text[name.Start:name.End], '$') < 0 {
		d.noteAt(in.file(name), name.End-name.Start, "")
	}
}

// noteAt finds a name of so many bytes at a place of the file, or leaves it.
func (d *dockerfile) noteAt(at scan.Place, size int, platform string) bool {
	if at.End-at.Start != size {
		d.Leave(at.Start, at.End, scan.InPieces)
		return false
	}
	return d.Note(at.Start, at.End, platform)
}

// checkDefaults merges what several FROMs say of one default, and leaves a default that
// is also a part of another name, where a digest would be in the way, and those that no
// FROM uses.
func (d *dockerfile) checkDefaults() {
	d.Unpinnable = compactPlaces(d.Unpinnable)
	slices.SortStableFunc(d.References, func(a, b scan.Reference) int { return cmp.Compare(a.Start, b.Start) })
	kept := d.References[:0]
	for _, f := range d.References {
		if last := len(kept) - 1; last >= 0 && kept[last].Start == f.Start {
			if kept[last].Platform != f.Platform {
				kept[last].Platform = scan.SeveralPlatforms
			}
			continue
		}
		kept = append(kept, f)
	}
	d.References = kept
	parts := map[int]bool{}
	for _, def := range d.defaults {
		switch {
		case !def.used:
			d.Leave(def.Start, def.End, noFrom)
		case def.partIn > 0:
			if _, found := slices.BinarySearchFunc(d.References, def.Start, func(f scan.Reference, at int) int { return cmp.Compare(f.Start, at) }); found {
				parts[def.Start] = true
				d.Leave(def.Start, def.End, fmt.Sprintf("is a part of the name in line %d too: only a name in one piece can be pinned", def.partIn))
			}
		}
	}
	d.References = slices.DeleteFunc(d.References, func(f scan.Reference) bool { return parts[f.Start] })
}

// compactPlaces drops what is left twice, as the default of an ARG for several FROMs.
func compactPlaces(left []scan.Unpinnable) []scan.Unpinnable {
	slices.SortStableFunc(left, func(a, b scan.Unpinnable) int { return cmp.Compare(a.Start, b.Start) })
	return slices.CompactFunc(left, func(a, b scan.Unpinnable) bool { return a.Start == b.Start })
}

// from notes the image of a FROM.
func (d *dockerfile) from(in *instruction, c command, clear bool) {
	d.staged = true
	args := in.fields(c.Start, c.End)
	all := in.file(scan.At(c.Start, c.End))
	named := len(args) == 3 && strings.EqualFold(string(in.text[args[1].Start:args[1].End]), "as")
	switch {
	case len(args) == 0:
	case clear && (len(args) == 1 || named):
		d.base(in, args[0], c.platform(in))
	case !clear && c.End > c.Start:
		d.Leave(all.Start, all.End, "has flags that are not understood")
	}
}

// base notes what the word comes to that names a FROM's image.
func (d *dockerfile) base(in *instruction, word scan.Place, platform string) {
	v := d.expand(in, word)
	at := in.file(word)
	found := false
	switch ours := scan.IsOurs(v.text, d.Host); {
	case ours && v.at != (scan.Place{}) && !v.unsure:
		found = d.noteAt(v.at, len(v.text), platform)
	case ours, v.unsure && scan.Index([]byte(v.text), d.Host) >= 0:
		d.Leave(at.Start, at.End, v.unknown())
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
	for _, w := range splitWords(in.text[c.Start:c.End], d.escape) {
		name, _, ok := bytes.Cut(in.text[c.Start+w.Start:c.Start+w.End], []byte("="))
		if !ok {
			continue
		}
		word := scan.At(c.Start+w.Start+len(name)+1, c.Start+w.End)
		v := d.expand(in, word)
		if at := in.file(word); scan.IsOurs(v.text, d.Host) && at.Start <= v.at.Start && v.at.End <= at.End && v.at.End > 0 {
			v.defaults = append(v.defaults, len(d.defaults))
			d.defaults = append(d.defaults, argDefault{Place: v.at})
		}
		if !d.staged {
			d.args[string(name)] = v
		}
	}
}

// unknown says why what a word comes to cannot be pinned.
func (v value) unknown() string {
	if len(v.names) == 0 {
		return scan.InPieces
	}
	return fmt.Sprintf("depends on the ARG %s: only a name in one piece can be pinned", platform.Printable(strings.Join(v.names, ", ")))
}
