package references

import (
	"slices"
	"strings"
)

// value is what a word with variables comes to.
type value struct {
	traced
	mixed    bool // put together from pieces: no change of one is a change of the whole
	unsure   bool // the text is no more than what it may be made of
	literal  bool // a piece of it stands in the word itself
	variable bool // a piece of it came with a variable
}

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
	words := args.fields()
	if len(words) == 0 {
		return
	}
	if len(words) != 1 && (len(words) != 3 || !strings.EqualFold(string(words[1].text), "as")) {
		if slices.ContainsFunc(words, d.ours) {
			d.leave(args, manyWords)
		}
		return
	}
	d.base(words[0], platformOf(c.flags), in.line)
}

// platformOf is the platform that a FROM asks for, if it is written out.
func platformOf(flags []traced) string {
	for _, flag := range flags {
		if platform, ok := flag.cutPrefix("--platform="); ok && !strings.ContainsAny(string(platform.text), "$'\"\\`") {
			return string(platform.text)
		}
	}
	return ""
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
	d.leaveUnused(l.unused)
	found := false
	switch ours := d.ours(v.traced); {
	case ours && !v.mixed && !v.unsure:
		found = d.note(v.traced, platform)
	case ours, v.unsure && indexFold(v.text, d.host) >= 0:
		d.leave(word, dependsOn(l.names))
	}
	for i, offset := range v.at {
		if i == 0 || offset != v.at[i-1]+1 {
			d.uses = append(d.uses, use{start: offset, line: line, whole: found})
		}
	}
}

// arg keeps the defaults of an ARG before the first FROM, for those are what a FROM
// sees, and the last one counts. ARG NAME alone changes nothing.
func (d *dockerfile) arg(in *instruction, c command) {
	for _, w := range splitWords(in.text[c.start:c.end], d.escape) {
		name, written, ok := in.trace(c.start+w.start, c.start+w.end).cut('=')
		if !ok {
			continue
		}
		l := lexer{src: written, escape: d.escape, args: d.args}
		v, err := l.read()
		if err != nil {
			v = value{traced: written, unsure: true}
			if mentions(string(written.text), d.host) {
				d.leave(written, openEnded)
			}
		}
		d.leaveUnused(l.unused)
		if !d.staged {
			d.args[string(name.text)] = v
		}
		if err == nil && d.ours(v.traced) && written.holds(v.at[0]) {
			start, end := written.bounds()
			d.defaults = append(d.defaults, place{start: start, end: end, why: noFrom})
		}
	}
}

// leaveUnused leaves the names in ${NAME:-name} where NAME has a value of its own.
func (d *dockerfile) leaveUnused(words []traced) {
	for _, word := range words {
		if mentions(string(word.text), d.host) {
			d.leave(word, otherWins)
		}
	}
}
