// Package dockerfile finds the images that a Dockerfile names.
package dockerfile

import (
	"bytes"
	"fmt"
	"strings"

	"docker-credential-cgr/references/scan"
)

// notUsed is why the default of an ARG is left.
const notUsed = "names an image that no FROM uses"

// parser finds what BuildKit pulls for one Dockerfile without build arguments. Its rules are
// those of BuildKit's packages parser and instructions (frontend/dockerfile, v0.31). In words
// it understands plain names, in quotes or not, $ARG, ${ARG}, ${ARG:-default} and
// ${ARG-default}.
type parser struct {
	*scan.Results
	text     []byte // Data, with filler between joined lines
	next     int    // where the next line begins
	line     int    // the last line that was read, counted from 1
	escape   byte   // continues a line
	args     map[string]value
	hasStage bool
	added    map[int]int // indexes in References by Start; -1 if that was left
	defaults []argDefault
}

// argDefault is the default of an ARG that names an image of the registry.
type argDefault struct {
	scan.Span
	isUsed   bool
	partLine int // the line of the first FROM that makes it a part of a name, or 0
}

// Read adds the images of FROM, COPY --from and RUN --mount=from, the defaults of ARGs that
// are the whole name in a FROM, and the frontend of the syntax directive.
func Read(r *scan.Results) error {
	if err := scan.CheckNUL(r.Data); err != nil {
		return err
	}
	p := &parser{
		Results: r, text: bytes.Clone(r.Data), escape: '\\', args: map[string]value{}, added: map[int]int{},
	}
	for _, name := range platformArgs {
		p.args[name] = value{isUnsure: true}
	}
	if err := p.readDirectives(); err != nil {
		return err
	}
	for in, ok := p.nextInstruction(); ok; in, ok = p.nextInstruction() {
		if err := p.read(in); err != nil {
			if scan.IndexHost(p.Data[in.Start:], p.Host) >= 0 {
				p.Leave(in.Span, err.Error())
			}
			break
		}
	}
	p.checkDefaults()
	return nil
}

// hasHostInPieces reports whether an instruction has the host more often than the bytes of the
// file: over several lines, or with quotes or escapes inside.
func (p *parser) hasHostInPieces(in instruction) bool {
	pieces := strings.NewReplacer(filler, "", `"`, "", "'", "", string(rune(p.escape)), "")
	joined := pieces.Replace(string(p.text[in.Start:in.End]))
	count := func(text []byte) (n int) {
		for range scan.Hosts(text, p.Host) {
			n++
		}
		return n
	}
	return count([]byte(joined)) > count(p.Data[in.Start:in.End])
}

// read adds what one instruction names, and skips its heredocs.
func (p *parser) read(in instruction) error {
	c := p.command(in.Span, p.escape)
	switch c.name {
	case "from":
		p.readFrom(in, c)
	case "arg":
		p.readArg(c)
	default:
		if p.hasHostInPieces(in) {
			p.Leave(in.Span, scan.InPieces)
		}
	}
	if c.name == "onbuild" {
		// When its image is built upon, BuildKit reads it without the escape directive.
		c = p.command(c.args, '\\')
	}
	switch c.name {
	case "copy":
		for _, image := range c.flags["--from"] {
			p.addUnexpanded(image)
		}
	case "run":
		for _, list := range c.flags["--mount"] {
			p.readMount(list)
		}
	case "add": // from a URL or the context, but perhaps with heredocs
	default:
		return nil
	}
	return p.skipHeredocs(in, c)
}

// readMount adds the image of a RUN --mount. The last from= counts.
func (p *parser) readMount(list scan.Span) {
	var image scan.Span
	start := list.Start
	for option := range bytes.SplitSeq(p.text[list.Start:list.End], []byte(",")) {
		s := scan.Span{Start: start, End: start + len(option)}
		start = s.End + 1
		if i := bytes.IndexByte(option, '='); i >= 0 && strings.EqualFold(p.joined(scan.Span{Start: s.Start, End: s.Start + i}), "from") {
			image = scan.Span{Start: s.Start + i + 1, End: s.End}
		}
	}
	if bytes.IndexByte(p.text[list.Start:list.End], '"') < 0 {
		p.addUnexpanded(image)
	}
}

// addUnexpanded adds a name in which BuildKit expands no variables.
func (p *parser) addUnexpanded(s scan.Span) {
	if name := p.joined(s); scan.HasHost(name, p.Host) && !strings.Contains(name, "$") {
		p.add(s, name, "")
	}
}

// add adds the reference at a span, once. It reports whether the span is a reference.
func (p *parser) add(s scan.Span, name, platform string) bool {
	if i, known := p.added[s.Start]; known {
		if i >= 0 && p.References[i].Platform != platform {
			p.References[i].Platform = scan.SeveralPlatforms
		}
		return i >= 0
	}
	isReference := false
	if string(p.Data[s.Start:s.End]) == name {
		isReference = p.Add(s, platform)
	} else {
		p.Leave(s, scan.InPieces)
	}
	p.added[s.Start] = -1
	if isReference {
		p.added[s.Start] = len(p.References) - 1
	}
	return isReference
}

// readFrom adds the image of a FROM.
func (p *parser) readFrom(in instruction, c command) {
	p.hasStage = true
	args := p.fields(c.args)
	isNamed := len(args) == 3 && strings.EqualFold(p.joined(args[1]), "as")
	switch {
	case len(args) == 0:
	case !c.isClear:
		p.Leave(c.args, "has flags that are not understood")
	case len(args) == 1 || isNamed:
		platform := ""
		if flags := c.flags["--platform"]; len(flags) > 0 {
			platform = p.joined(flags[0])
		}
		if platform == "$TARGETPLATFORM" || platform == "${TARGETPLATFORM}" {
			platform = "" // the same
		}
		p.addBase(in, args[0], platform)
	}
}

// addBase adds what the word with the name of a FROM's image expands to.
func (p *parser) addBase(in instruction, word scan.Span, platform string) {
	v := p.expand(word)
	isAdded := false
	mayHaveHost := scan.Mentions(v.text, p.Host) || strings.Contains(v.text, "$") && scan.IndexHost([]byte(v.text), p.Host) >= 0
	switch hasHost := scan.HasHost(v.text, p.Host); {
	case hasHost && v.span != (scan.Span{}) && !v.isUnsure:
		isAdded = p.add(v.span, v.text, platform)
	case hasHost, v.isUnsure && mayHaveHost:
		p.Leave(word, p.reason(word))
	}
	for _, i := range v.defaults {
		def := &p.defaults[i]
		def.isUsed = true
		if !isAdded && def.partLine == 0 {
			def.partLine = in.line
		}
	}
}

// readArg sets the ARGs that stand before the first FROM, which are those that FROM sees. The
// last default counts, and ARG NAME alone changes nothing.
func (p *parser) readArg(c command) {
	for _, m := range words[p.escape]().FindAllIndex(p.text[c.args.Start:c.args.End], -1) {
		word := scan.Span{Start: c.args.Start + m[0], End: c.args.Start + m[1]}
		i := bytes.IndexByte(p.text[word.Start:word.End], '=')
		if i < 0 {
			continue
		}
		name := p.joined(scan.Span{Start: word.Start, End: word.Start + i})
		word.Start += i + 1
		v := p.expand(word)
		if scan.HasHost(v.text, p.Host) && word.Start <= v.span.Start && v.span.End <= word.End && v.span.End > 0 {
			v.defaults = append(v.defaults, len(p.defaults))
			p.defaults = append(p.defaults, argDefault{Span: v.span})
		}
		if !p.hasStage {
			p.args[name] = v
		}
	}
}

// checkDefaults leaves the defaults that no FROM uses, and those that are a part of another
// name too, in which a digest would be wrong.
func (p *parser) checkDefaults() {
	for _, def := range p.defaults {
		i, isKnown := p.added[def.Start]
		switch {
		case !def.isUsed:
			p.Leave(def.Span, notUsed)
		case def.partLine > 0 && isKnown && i >= 0:
			r := &p.References[i]
			r.Class = scan.Ambiguous
			r.Reason = fmt.Sprintf("is a part of the name in line %d too: only a name in one piece can be pinned", def.partLine)
		}
	}
}
