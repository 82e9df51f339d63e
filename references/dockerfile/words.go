package dockerfile

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"

	"docker-credential-cgr/references/scan"
)

// value is what a word with variables expands to.
type value struct {
	text     string
	span     scan.Span // of the whole value, if the file has it in one span; or zero
	isUnsure bool      // text is only a list of what the value may consist of
	defaults []int     // indexes of the defaults that the value has a part of
}

// platformArgs are the variables that BuildKit sets for every FROM. Their values depend on the
// machine and the build (Dockerfile reference, "Automatic platform ARGs in the global scope").
var platformArgs = []string{
	"BUILDPLATFORM", "BUILDOS", "BUILDOSVERSION", "BUILDARCH", "BUILDVARIANT",
	"TARGETPLATFORM", "TARGETOS", "TARGETOSVERSION", "TARGETARCH", "TARGETVARIANT", "TARGETSTAGE",
}

// anyVariable matches what may be a variable, with its braces if nothing else is in them.
var anyVariable = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?`) })

// wholeVariable matches a word that is one variable, perhaps with a default.
var wholeVariable = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(
		`^\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)(?:(:?-)([^\x01-\x20"'\\` + "`" + `${}]*))?\})$`)
})

// expand expands a word that is a plain name or one variable, in quotes or not. The value of
// any other word is unsure.
func (p *parser) expand(word scan.Span) value {
	word, quote := p.unquote(word)
	text := p.text[word.Start:word.End]
	isPlain := !bytes.ContainsAny(text, `"'$`+string(rune(p.escape))) && !bytes.HasPrefix(text, []byte(scan.ByteOrderMark))
	if isPlain || quote == '\'' && bytes.IndexByte(text, '\'') < 0 {
		return value{text: p.joined(word), span: word}
	}
	m := wholeVariable().FindSubmatchIndex(text)
	if m == nil {
		return p.expandUnsure(word)
	}
	arg, isSet := p.args[string(text[m[2]+m[4]+1:m[3]+m[5]+1])] // the group that does not match is -1
	isNull := !isSet || arg.text == "" && m[7]-m[6] == len(":-")
	switch hasDefault := m[6] >= 0; {
	case hasDefault && arg.isUnsure:
		return p.expandUnsure(word)
	case hasDefault && isNull:
		s := scan.Span{Start: word.Start + m[8], End: word.Start + m[9]}
		return value{text: p.joined(s), span: s}
	}
	return arg
}

// expandUnsure returns what a word may consist of: the values of its variables and the rest.
func (p *parser) expandUnsure(word scan.Span) value {
	v := value{isUnsure: true}
	v.text = anyVariable().ReplaceAllStringFunc(p.joined(word), func(variable string) string {
		arg := p.args[strings.Trim(variable, "${}")]
		v.defaults = append(v.defaults, arg.defaults...)
		text := arg.text[:min(len(arg.text), scan.MaxName)] // each FROM may have a long value again
		if strings.HasPrefix(variable, "${") && !strings.HasSuffix(variable, "}") {
			return "${" + text // with an operator behind it, which may change it
		}
		return text
	})
	v.text = strings.NewReplacer(`"`, "", "'", "", string(rune(p.escape)), "").Replace(v.text)
	v.text = v.text[:min(len(v.text), scan.MaxName)]
	v.defaults = v.defaults[:min(len(v.defaults), scan.MaxName)]
	return v
}

// reason returns why a word with the name of an image cannot be pinned.
func (p *parser) reason(word scan.Span) string {
	var names []string
	for _, m := range anyVariable().FindAllStringSubmatch(p.joined(word), 8) { // a few are enough
		if !slices.Contains(names, m[1]) {
			names = append(names, m[1])
		}
	}
	if names == nil {
		return scan.InPieces
	}
	return fmt.Sprintf("depends on the ARG %s: only a name in one piece can be pinned", strings.Join(names, ", "))
}

// unquote returns a word without the quotes around it, and the quote.
func (p *parser) unquote(word scan.Span) (scan.Span, byte) {
	if word.End-word.Start >= 2 {
		quote := p.text[word.Start]
		if (quote == '"' || quote == '\'') && p.text[word.End-1] == quote {
			return scan.Span{Start: word.Start + 1, End: word.End - 1}, quote
		}
	}
	return word, 0
}

// command is an instruction's name in lower case, its flags and arguments.
type command struct {
	name    string
	flags   map[string][]scan.Span // values by name, such as --from
	args    scan.Span
	isClear bool // all flags are understood
}

// command reads a span as an instruction, which may be that of an ONBUILD.
func (p *parser) command(s scan.Span, escape byte) command {
	s = p.trim(s)
	nameEnd := s.End
	if i := bytes.IndexAny(p.text[s.Start:s.End], blanks); i >= 0 {
		nameEnd = s.Start + i
	}
	c := command{
		name:  strings.ToLower(p.joined(scan.Span{Start: s.Start, End: nameEnd})),
		flags: map[string][]scan.Span{}, args: scan.Span{Start: nameEnd, End: s.End}, isClear: true,
	}
	for {
		word := p.firstWord(c.args)
		text := p.joined(word)
		c.args.Start = word.Start
		if strings.Count(text, `"`)%2 != 0 || strings.Count(text, "'")%2 != 0 || strings.IndexByte(text, escape) >= 0 {
			// The word may go on behind a blank, and be a flag although it does not look like one.
			c.isClear = c.isClear && !strings.Contains(text, "-")
			return c
		}
		if strings.HasPrefix(text, `"`) || strings.HasPrefix(text, "'") {
			c.isClear = c.isClear && !strings.HasPrefix(strings.TrimLeft(text, `"'`), "-")
		}
		if !strings.HasPrefix(text, "--") {
			break
		}
		c.args.Start = word.End
		if text == "--" {
			break
		}
		nameEnd := word.End
		if i := bytes.IndexByte(p.text[word.Start:word.End], '='); i >= 0 {
			nameEnd = word.Start + i
		}
		name := p.joined(scan.Span{Start: word.Start, End: nameEnd})
		value, _ := p.unquote(scan.Span{Start: min(word.End, nameEnd+1), End: word.End})
		if strings.ContainsAny(name+p.joined(value), `"'`) {
			c.isClear = false
			continue
		}
		c.flags[name] = append(c.flags[name], value)
	}
	c.args = p.trim(c.args)
	return c
}

// isSpace reports whether a byte ends a flag. Like BuildKit, it takes two bytes that are parts of
// other characters for spaces.
func isSpace(b byte) bool { return unicode.IsSpace(rune(b)) }

// firstWord returns the first word of a span.
func (p *parser) firstWord(s scan.Span) scan.Span {
	for s.Start < s.End && isSpace(p.text[s.Start]) {
		s.Start++
	}
	end := s.Start
	for end < s.End && !isSpace(p.text[end]) {
		end++
	}
	return scan.Span{Start: s.Start, End: end}
}

// trim returns a span without the spaces around it.
func (p *parser) trim(s scan.Span) scan.Span {
	s.End = s.Start + len(bytes.TrimRightFunc(p.text[s.Start:s.End], unicode.IsSpace))
	return scan.Span{Start: skipSpace(p.text, s), End: s.End}
}

// blanks are the bytes between an instruction's words.
const blanks = "\t\v\f\r "

// fields returns the words of a FROM, at most four: more make it no less wrong.
func (p *parser) fields(s scan.Span) (fields []scan.Span) {
	for len(fields) < 4 {
		s.Start = s.End - len(bytes.TrimLeft(p.text[s.Start:s.End], blanks))
		if s.Start == s.End {
			break
		}
		field := s
		if i := bytes.IndexAny(p.text[s.Start:s.End], blanks); i >= 0 {
			field.End = s.Start + i
		}
		fields = append(fields, field)
		s.Start = field.End
	}
	return fields
}

// words matches words: without spaces outside of quotes, unless escaped. Quotes that do not
// end go on to the end. Nothing is escaped in single quotes.
var words = map[byte]func() *regexp.Regexp{'\\': wordPattern(`\\`), '`': wordPattern("`")}

func wordPattern(escape string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?s)(?:'[^']*(?:'|$)|"(?:[^"` + escape + `]|` + escape + `.)*(?:"|` + escape + `?$)|` +
			escape + `.|[^'"` + escape + `\s\x0b\x85\p{Z}])+`)
	})
}
