package references

import (
	"bytes"
	"iter"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// No name is longer: host, repository (255), tag (128), digest (135). ARGs that double
// end here.
const maxValue = 800

// value is what a word with variables comes to.
type value struct {
	text     string
	place    place    // where all of it stands, if it has one
	unsure   bool     // the text is no more than what it may be made of
	defaults []int    // the index of each default that it has a piece of
	names    []string // of the variables in the word
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
func (d *dockerfile) expand(in *instruction, word place) (v value) {
	word, quote := unquoted(in.text, word)
	text := in.text[word.start:word.end]
	if quote == '\'' && bytes.IndexByte(text, '\'') < 0 {
		v.add(value{text: string(text), place: in.file(word)}, true)
		return v
	}
	v.unsure = bytes.ContainsAny(text, `"'`+string(rune(d.escape))) || bytes.HasPrefix(text, []byte(byteOrderMark))
	done := 0
	alone := func(start, end int) bool { return start == 0 && end == len(text) }
	literal := func(start, end int) {
		if start < end {
			v.unsure = v.unsure || bytes.IndexByte(text[start:end], '$') >= 0
			v.add(value{text: string(text[start:end]), place: in.file(place{word.start + start, word.start + end})}, alone(start, end))
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
			v.add(value{text: string(text[m[8]:m[9]]), place: in.file(place{word.start + m[8], word.start + m[9]})}, alone(m[0], m[1]))
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
	v.place = place{}
	if alone {
		v.place = piece.place
	}
	if len(v.text)+len(piece.text) > maxValue {
		v.unsure = true
		piece.text = piece.text[:max(0, maxValue-len(v.text))]
	}
	v.text += piece.text
	v.defaults = append(v.defaults[:len(v.defaults):len(v.defaults)], piece.defaults...)
	if len(v.defaults) > maxValue {
		v.defaults = v.defaults[:maxValue]
	}
}

// unquoted is a word without the quotes around it, and which they were.
func unquoted(text []byte, word place) (place, byte) {
	if n := word.end - word.start; n >= 2 {
		if quote := text[word.start]; (quote == '"' || quote == '\'') && text[word.end-1] == quote {
			return place{word.start + 1, word.end - 1}, quote
		}
	}
	return word, 0
}

// command is an instruction's name in small letters, its flags, and where the rest of
// it stands in the instruction's text.
type command struct {
	name       string
	flags      []flag
	start, end int
}

// flag is --NAME=VALUE.
type flag struct {
	name  string
	value place
}

// command reads a part of the text as an instruction: all of it, or what ONBUILD has.
// clear says that its flags are understood; if not, none below those that are is given.
func (in *instruction) command(start, end int, escape byte) (c command, clear bool) {
	start, end = trimSpace(in.text, start, end)
	nameEnd := end
	if i := bytes.IndexAny(in.text[start:end], blanks); i >= 0 {
		nameEnd = start + i
	}
	c = command{name: strings.ToLower(string(in.text[start:nameEnd])), end: end}
	clear = true
	for c.start = nameEnd; ; {
		for c.start < end && isSpaceByte(in.text[c.start]) {
			c.start++
		}
		word := place{c.start, c.start}
		for word.end < end && !isSpaceByte(in.text[word.end]) {
			word.end++
		}
		text := in.text[word.start:word.end]
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
		c.start = word.end
		if len(text) == len("--") {
			break
		}
		name, _, _ := bytes.Cut(text, []byte("="))
		value, _ := unquoted(in.text, place{min(word.end, word.start+len(name)+1), word.end})
		if bytes.ContainsAny(name, `"'`) || bytes.ContainsAny(in.text[value.start:value.end], `"'`) {
			clear = false
			continue
		}
		c.flags = append(c.flags, flag{string(name), value})
	}
	c.start, c.end = trimSpace(in.text, c.start, end)
	return c, clear
}

// platform is the platform that a FROM asks for, as it is written. The one that the
// build is for is what it gets if it asks for none.
func (c command) platform(in *instruction) string {
	for _, flag := range c.flags {
		if flag.name == "--platform" {
			if text := string(in.text[flag.value.start:flag.value.end]); text != "$TARGETPLATFORM" && text != "${TARGETPLATFORM}" {
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
func (in *instruction) fields(start, end int) (fields []place) {
	for len(fields) < 4 {
		start = end - len(bytes.TrimLeft(in.text[start:end], blanks))
		if start == end {
			break
		}
		field := place{start, end}
		if i := bytes.IndexAny(in.text[start:end], blanks); i >= 0 {
			field.end = start + i
		}
		fields = append(fields, field)
		start = field.end
	}
	return fields
}

// splitWords splits a text at what is space outside of quotes and not escaped. Within
// ' ' nothing is escaped. An escape character at the end is dropped.
func splitWords(text []byte, escape byte) iter.Seq[place] {
	return func(yield func(place) bool) {
		start := -1
		quote := rune(0)
		for i := 0; i < len(text); {
			r, n := utf8.DecodeRune(text[i:])
			switch {
			case start < 0 && unicode.IsSpace(r):
				i += n
				continue
			case start < 0:
				start = i
			}
			switch {
			case quote == 0 && unicode.IsSpace(r):
				if !yield(place{start, i}) {
					return
				}
				start = -1
			case quote == 0 && (r == '\'' || r == '"'):
				quote = r
			case r == quote:
				quote = 0
			case r == rune(escape) && quote != '\'':
				if i+n == len(text) {
					text = text[:i]
					continue
				}
				i += n
				_, n = utf8.DecodeRune(text[i:])
			}
			i += n
		}
		if start >= 0 && start < len(text) {
			yield(place{start, len(text)})
		}
	}
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
	if !bytes.Contains(in.text, []byte("<<")) || clear && isJSON(in.text[c.start:c.end]) {
		return nil
	}
	text := plainVariable().ReplaceAllFunc(in.text, func(name []byte) []byte { return bytes.Repeat([]byte("x"), len(name)) })
	unclear := !clear || bytes.Contains(text, []byte("${")) || !utf8.Valid(text)
	opened := false // << stands alone, and its name is the next word
	for w := range splitWords(text, '\\') {
		word := string(text[w.start:w.end])
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
