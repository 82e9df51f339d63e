package dockerfile

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"docker-credential-cgr/references/scan"
)

// value is what a word with variables comes to.
type value struct {
	text     string
	at       scan.Place // where all of it stands, if it has one
	unsure   bool       // the text is no more than what it may be made of
	defaults []int      // the index of each default that it has a piece of
	names    []string   // of the variables in the word
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

var anyVariable = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\$\{?([A-Za-z_][A-Za-z0-9_]*)`) })

var variable = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`\$([A-Za-z_][A-Za-z0-9_]*)|\$\{([A-Za-z_][A-Za-z0-9_]*)(?:(:?-)([^\x00-\x20"'\\` + "`" + `${}]*))?\}`)
})

// expand returns what a word comes to. What is more than is understood makes it unsure,
// and then its text is all that it may be made of.
func (d *dockerfile) expand(in *instruction, word scan.Place) (v value) {
	word, quote := unquoted(in.text, word)
	text := in.text[word.Start:word.End]
	if quote == '\'' && bytes.IndexByte(text, '\'') < 0 {
		v.add(value{text: string(text), at: in.file(word)}, true)
		return v
	}
	v.unsure = bytes.ContainsAny(text, `"'`+string(rune(d.escape))) || bytes.HasPrefix(text, []byte(scan.ByteOrderMark))
	done := 0
	alone := func(start, end int) bool { return start == 0 && end == len(text) }
	literal := func(start, end int) {
		if start < end {
			v.unsure = v.unsure || bytes.IndexByte(text[start:end], '$') >= 0
			v.add(value{text: string(text[start:end]), at: in.file(scan.At(word.Start+start, word.Start+end))}, alone(start, end))
		}
	}
	for _, m := range variable().FindAllSubmatchIndex(text, -1) {
		literal(done, m[0])
		done = m[1]
		name := string(text[m[2]+m[4]+1 : m[3]+m[5]+1]) // the group that does not match is -1
		v.addName(name)
		if m[2] >= 0 && done < len(text) && text[done] >= utf8.RuneSelf {
			v.unsure = true // it may be a part of the name
		}
		has, set := d.args[name]
		null := !set || has.text == "" && m[7]-m[6] == len(":-")
		if m[6] >= 0 && (null || has.unsure) {
			v.add(value{text: string(text[m[8]:m[9]]), at: in.file(scan.At(word.Start+m[8], word.Start+m[9]))}, alone(m[0], m[1]))
		}
		if m[6] < 0 || !null || has.unsure {
			v.add(has, alone(m[0], m[1]))
		}
	}
	literal(done, len(text))
	if v.unsure {
		for _, m := range anyVariable().FindAllSubmatch(text, -1) {
			v.addName(string(m[1]))
			v.add(d.args[string(m[1])], false)
		}
	}
	return v
}

// addName remembers a few of the variables, to be told.
func (v *value) addName(name string) {
	if len(v.names) < 8 && !slices.Contains(v.names, name) {
		v.names = append(v.names, name)
	}
}

// add puts a piece behind the text; alone says that it is all of the word.
func (v *value) add(piece value, alone bool) {
	v.unsure = v.unsure || piece.unsure
	v.at = scan.Place{}
	if alone {
		v.at = piece.at
	}
	if len(v.text)+len(piece.text) > scan.MaxName {
		v.unsure = true
		piece.text = piece.text[:max(0, scan.MaxName-len(v.text))]
	}
	v.text += piece.text
	v.defaults = append(v.defaults[:len(v.defaults):len(v.defaults)], piece.defaults...)
	if len(v.defaults) > scan.MaxName {
		v.defaults = v.defaults[:scan.MaxName]
	}
}

// unquoted is a word without the quotes around it, and which they were.
func unquoted(text []byte, word scan.Place) (scan.Place, byte) {
	if n := word.End - word.Start; n >= 2 {
		if quote := text[word.Start]; (quote == '"' || quote == '\'') && text[word.End-1] == quote {
			return scan.At(word.Start+1, word.End-1), quote
		}
	}
	return word, 0
}

// command is an instruction's name in small letters, its flags, and where the rest of
// it stands in the instruction's text.
type command struct {
	name       string
	flags      []flag
	Start, End int
}

// flag is --NAME=VALUE.
type flag struct {
	name  string
	value scan.Place
}

// command reads a part of the text as an instruction: all of it, or what ONBUILD has.
// clear says that its flags are understood; if not, none below those that are is given.
func (in *instruction) command(start, end int, escape byte) (c command, clear bool) {
	start, end = trimSpace(in.text, start, end)
	nameEnd := end
	if i := bytes.IndexAny(in.text[start:end], blanks); i >= 0 {
		nameEnd = start + i
	}
	c = command{name: strings.ToLower(string(in.text[start:nameEnd])), End: end}
	clear = true
	for c.Start = nameEnd; ; {
		for c.Start < end && isSpaceByte(in.text[c.Start]) {
			c.Start++
		}
		word := scan.At(c.Start, c.Start)
		for word.End < end && !isSpaceByte(in.text[word.End]) {
			word.End++
		}
		text := in.text[word.Start:word.End]
		if bytes.Count(text, []byte(`"`))%2 != 0 || bytes.Count(text, []byte("'"))%2 != 0 || bytes.IndexByte(text, escape) >= 0 {
			// Quotes may hold blanks, and what looks like no flag may be one.
			clear = clear && !bytes.Contains(text, []byte("-"))
			return c, clear
		}
		if bytes.HasPrefix(text, []byte(`"`)) || bytes.HasPrefix(text, []byte("'")) {
			clear = clear && !bytes.HasPrefix(bytes.TrimLeft(text, `"'`), []byte("-"))
		}
		if !bytes.HasPrefix(text, []byte("--")) {
			break
		}
		c.Start = word.End
		if len(text) == len("--") {
			break
		}
		name, _, _ := bytes.Cut(text, []byte("="))
		value, _ := unquoted(in.text, scan.At(min(word.End, word.Start+len(name)+1), word.End))
		if bytes.ContainsAny(name, `"'`) || bytes.ContainsAny(in.text[value.Start:value.End], `"'`) {
			clear = false
			continue
		}
		c.flags = append(c.flags, flag{string(name), value})
	}
	c.Start, c.End = trimSpace(in.text, c.Start, end)
	return c, clear
}

// platform is the platform that a FROM asks for, as it is written. The one that the
// build is for is what it gets if it asks for none.
func (c command) platform(in *instruction) string {
	for _, flag := range c.flags {
		if flag.name == "--platform" {
			if text := string(in.text[flag.value.Start:flag.value.End]); text != "$TARGETPLATFORM" && text != "${TARGETPLATFORM}" {
				return text
			}
			break
		}
	}
	return ""
}

func trimSpace(text []byte, start, end int) (int, int) {
	end = start + len(bytes.TrimRightFunc(text[start:end], unicode.IsSpace))
	return skipSpace(text, start, end), end
}

// isSpaceByte goes by bytes, and so takes two that are a part of other characters for
// blanks, because BuildKit does.
func isSpaceByte(b byte) bool { return unicode.IsSpace(rune(b)) }

// fields are a FROM's arguments, of which four are as wrong as more.
func (in *instruction) fields(start, end int) (fields []scan.Place) {
	for len(fields) < 4 {
		start = end - len(bytes.TrimLeft(in.text[start:end], blanks))
		if start == end {
			break
		}
		field := scan.At(start, end)
		if i := bytes.IndexAny(in.text[start:end], blanks); i >= 0 {
			field.End = start + i
		}
		fields = append(fields, field)
		start = field.End
	}
	return fields
}

// words are what has no space in it outside of quotes, and not escaped; quotes that do
// not end go on to the end. Within ' ' nothing is escaped.
var words = map[byte]func() *regexp.Regexp{'\\': wordPattern(`\\`), '`': wordPattern("`")}

func wordPattern(escape string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?s)(?:'[^']*(?:'|$)|"(?:[^"` + escape + `]|` + escape + `.)*(?:"|` + escape + `?$)|` + escape + `.|[^'"` + escape + `\s\x0b\x85\p{Z}])+`)
	})
}

// splitWords splits a text into its words. An escape character at the end is dropped.
func splitWords(text []byte, escape byte) (split []scan.Place) {
	for _, m := range words[escape]().FindAllIndex(text, -1) {
		split = append(split, scan.At(m[0], m[1]))
	}
	return split
}

var (
	heredocMark = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^[0-9]*<<(-?)(?:([A-Za-z0-9_.-]+)|"([A-Za-z0-9_. -]+)"|'([A-Za-z0-9_. -]+)')$`)
	})
	// What is a variable for BuildKit too, and has no blanks or quotes inside.
	plainVariable = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`\$\{[A-Za-z0-9_]+(?:(?::?[-+?]|##?|%%?)[A-Za-z0-9_./:*@-]*|//?[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]*)?\}`)
	})
)

// skipHeredocs passes over the heredocs of an instruction that may have them: texts up
// to a line that is their name. Words are split with the backslash for the escape,
// whatever the file's directive says.
func (d *dockerfile) skipHeredocs(in *instruction, c command, clear bool) error {
	if !bytes.Contains(in.text, []byte("<<")) || clear && isJSON(in.text[c.Start:c.End]) {
		return nil
	}
	text := plainVariable().ReplaceAllFunc(in.text, func(name []byte) []byte { return bytes.Repeat([]byte("x"), len(name)) })
	unclear := !clear || bytes.Contains(text, []byte("${")) || !utf8.Valid(text)
	opened := false // << stands alone, and its name is the next word
	for _, w := range splitWords(text, '\\') {
		word := string(text[w.Start:w.End])
		if opened {
			word = "<<" + word
			opened = false
		}
		mark := strings.TrimLeft(word, "0123456789")
		switch {
		case !strings.HasPrefix(mark, "<<"):
			// Of a mark within a word, only the blanks behind it may matter.
			unclear = unclear || strings.HasSuffix(word, "<<")
		case mark == "<<":
			opened = true
		case strings.HasPrefix(mark, "<<<"): // a string for a shell
			unclear = unclear || strings.HasSuffix(word, "<<")
		default:
			m := heredocMark().FindStringSubmatch(word)
			if m == nil || unclear {
				return errHeredoc
			}
			if !d.skipTo(m[2]+m[3]+m[4], m[1] != "") {
				return errHeredoc
			}
		}
	}
	if opened || unclear && bytes.Contains(in.text, []byte("<<")) {
		return errHeredoc
	}
	return nil
}
