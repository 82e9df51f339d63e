package references

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

// command is an instruction's name in small letters, its flags, and where the rest of
// it stands in the instruction's text.
type command struct {
	name       string
	flags      []traced
	start, end int
}

// command reads a part of the text as an instruction: all of it, or what ONBUILD has.
func (in *instruction) command(start, end int, escape rune) command {
	start, end = trimSpace(in.text, start, end)
	nameEnd := end
	if i := bytes.IndexAny(in.text[start:end], blanks); i >= 0 {
		nameEnd = start + i
	}
	c := command{name: strings.ToLower(string(in.text[start:nameEnd]))}
	flags, rest := in.flags(nameEnd, end, escape)
	c.flags = flags
	c.start, c.end = trimSpace(in.text, rest, end)
	return c
}

func trimSpace(text []byte, start, end int) (int, int) {
	end = start + len(bytes.TrimRightFunc(text[start:end], unicode.IsSpace))
	return skipSpace(text, start, end), end
}

// flags reads the words at the beginning that begin with two dashes, without their
// quotes and escapes, and says where the rest begins. It goes by bytes, and so takes
// two that are a part of other characters for blanks, because BuildKit does.
func (in *instruction) flags(start, end int, escape rune) (flags []traced, rest int) {
	isSpace := func(b byte) bool { return unicode.IsSpace(rune(b)) }
	for i := start; ; {
		for i < end && isSpace(in.text[i]) {
			i++
		}
		if !bytes.HasPrefix(in.text[i:end], []byte("--")) {
			return flags, i
		}
		var flag traced
		quote := byte(0)
		for ; i < end && (quote != 0 || !isSpace(in.text[i])); i++ {
			switch b := in.text[i]; {
			case quote == 0 && (b == '\'' || b == '"'):
				quote = b
				continue
			case quote != 0 && b == quote:
				quote = 0
				continue
			case rune(b) == escape:
				i++
			}
			if i < end {
				flag.text = append(flag.text, in.text[i])
				flag.at = append(flag.at, in.offset(i))
			}
		}
		i = min(i, end) // an escape character may have been the last
		if string(flag.text) == "--" {
			return flags, i
		}
		flags = append(flags, flag)
	}
}

// fields splits a FROM's arguments at blanks.
func (t traced) fields() []traced {
	var fields []traced
	for i := 0; i < len(t.text); {
		end := len(t.text)
		if n := bytes.IndexAny(t.text[i:], blanks); n >= 0 {
			end = i + n
		}
		if i < end {
			fields = append(fields, t.slice(i, end))
		}
		i = end + 1
	}
	return fields
}

// word is where a word begins and ends.
type word struct{ start, end int }

// splitWords splits an ARG's arguments at what is space outside of quotes and not
// escaped. Within ' ' nothing is escaped. An escape character at the end is dropped.
func splitWords(text []byte, escape rune) []word {
	var words []word
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
			words = append(words, word{start, i})
			start = -1
		case quote == 0 && (r == '\'' || r == '"'):
			quote = r
		case r == quote:
			quote = 0
		case r == escape && quote != '\'':
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
		words = append(words, word{start, len(text)})
	}
	return words
}

// splitCSV splits one line of CSV (RFC 4180), and says whether it is one.
func (t traced) splitCSV() (fields []traced, ok bool) {
	for i := 0; ; {
		if i == len(t.text) || t.text[i] != '"' {
			end := len(t.text)
			if n := bytes.IndexByte(t.text[i:], ','); n >= 0 {
				end = i + n
			}
			if bytes.IndexByte(t.text[i:end], '"') >= 0 {
				return nil, false
			}
			fields = append(fields, t.slice(i, end))
			i = end
		} else {
			var field traced
			if field, i = t.quotedField(i + 1); i < 0 {
				return nil, false
			}
			fields = append(fields, field)
		}
		if i == len(t.text) {
			return fields, true
		}
		i++ // the comma
	}
}

// quotedField reads a field up to its last quote, and says where it ends; -1 if it
// does not, or something else follows than a comma.
func (t traced) quotedField(start int) (field traced, end int) {
	for i := start; i < len(t.text); i++ {
		switch {
		case t.text[i] != '"':
		case i+1 == len(t.text) || t.text[i+1] == ',':
			return field, i + 1
		case t.text[i+1] == '"':
			i++
		default:
			return field, -1
		}
		field.add(t.slice(i, i+1))
	}
	return field, -1
}
