package references

import "strings"

// value is what a word with variables comes to.
type value struct {
	traced
	mixed    bool  // put together from pieces: no change of one is a change of the whole
	unsure   bool  // the text is no more than what it may be made of
	literal  bool  // a piece of it stands in the word itself
	variable bool  // a piece of it came with a variable
	defaults []int // the index of each that it has a piece of
}

// size is about what the value takes in memory.
func (v value) size() int { return len(v.text) + 4*len(v.at) + 8*len(v.defaults) }

// predefinedArgs are the variables that BuildKit gives to every FROM. Their values
// depend on the machine and what the build is asked for (Dockerfile reference,
// "Automatic platform ARGs in the global scope").
func predefinedArgs() map[string]value {
	args := make(map[string]value)
	for _, name := range []string{
		"BUILDPLATFORM", "BUILDOS", "BUILDOSVERSION", "BUILDARCH", "BUILDVARIANT",
		"TARGETPLATFORM", "TARGETOS", "TARGETOSVERSION", "TARGETARCH", "TARGETVARIANT", "TARGETSTAGE",
	} {
		args[name] = value{unsure: true}
	}
	return args
}

// from notes the image of a FROM.
func (d *dockerfile) from(in *instruction, c command) {
	d.staged = true
	args := in.trace(c.start, c.end)
	image, rest := args.cutField()
	as, rest := rest.cutField()
	name, rest := rest.cutField()
	named := strings.EqualFold(string(as.text), "as") && len(name.text) > 0 && len(rest.text) == 0
	switch {
	case len(image.text) == 0:
	case len(as.text) == 0, named:
		d.base(image, platformOf(in, c), in.line)
	case args.hasField(d.ours):
		d.leave(args, manyWords)
	}
}

// platformOf is the platform that a FROM asks for, as it is written. The one that the
// build is for is what it gets if it asks for none.
func platformOf(in *instruction, c command) (platform string) {
	in.eachFlag(c, func(flag traced) {
		if text, ok := flag.cutPrefix("--platform="); ok && platform == "" {
			platform = string(text.text)
		}
	})
	if platform == "$TARGETPLATFORM" || platform == "${TARGETPLATFORM}" {
		return ""
	}
	return platform
}

// base notes what the word comes to that names a FROM's image.
func (d *dockerfile) base(word traced, platform string, line int) {
	l := lexer{src: word, escape: d.escape, args: d.args}
	v, err := l.read()
	if err != nil {
		if mentions(string(word.text), d.host) {
			d.leave(word, openEnded)
		}
		return
	}
	d.leaveUnused(word, l.unused)
	found := false
	switch ours := d.ours(v.traced); {
	case ours && !v.mixed && !v.unsure:
		found = d.note(v.traced, platform)
	case ours, v.unsure && indexFold(v.text, d.host) >= 0:
		d.leave(word, dependsOn(l.names))
	}
	for _, i := range v.defaults {
		def := &d.defaults[i]
		def.used = true
		if !found && def.partIn == 0 {
			def.partIn = line
		}
	}
}

// arg keeps the defaults of an ARG before the first FROM, for those are what a FROM
// sees, and the last one counts. ARG NAME alone changes nothing.
func (d *dockerfile) arg(in *instruction, c command) {
	for w := range splitWords(in.text[c.start:c.end], d.escape) {
		name, written, ok := in.trace(c.start+w.start, c.start+w.end).cut('=')
		if !ok {
			continue
		}
		l := lexer{src: written, escape: d.escape, args: d.args}
		v, err := l.read()
		if err != nil {
			v = value{unsure: true}
			l.add(&v, written)
			if mentions(string(written.text), d.host) {
				d.leave(written, openEnded)
			}
		}
		d.leaveUnused(written, l.unused)
		if err == nil && d.ours(v.traced) && written.holds(v.at[0]) && d.keep(len(written.text)) {
			start, end := written.bounds()
			v.defaults = append(v.defaults, len(d.defaults))
			d.defaults = append(d.defaults, argDefault{place: place{start: start, end: end, why: noFrom}})
		}
		if !d.staged && d.keep(len(name.text)+v.size()) {
			d.args[string(name.text)] = v
		}
	}
}

// leaveUnused leaves the names in ${NAME:-name} where NAME has a value of its own.
func (d *dockerfile) leaveUnused(src traced, words []word) {
	for _, w := range words {
		if word := src.slice(w.start, w.end); mentions(string(word.text), d.host) {
			d.leave(word, otherWins)
		}
	}
}
