package references

import (
	"bytes"
	"iter"
	"strings"
	"unicode"
	"unicode/utf8"
)

// command is an instruction's name in small letters, and where its flags and the rest
// of it stand in the instruction's text.
type command struct {
	name              string
	flags, start, end int
	escape            rune
}

// command reads a part of the text as an instruction: all of it, or what ONBUILD has.
func (in *instruction) command(start, end int, escape rune) command {
	start, end = trimSpace(in.text, start, end)
	nameEnd := end
	if i := bytes.IndexAny(in.text[start:end], blanks); i >= 0 {
		nameEnd = start + i
	}
	c := command{name: strings.ToLower(string(in.text[start:nameEnd])), flags: nameEnd, end: end, escape: escape}
	rest := in.eachFlag(c, nil)
	c.start, c.end = trimSpace(in.text, rest, end)
	return c
}

func trimSpace(text []byte, start, end int) (int, int) {
	end = start + len(bytes.TrimRightFunc(text[start:end], unicode.IsSpace))
	return skipSpace(text, start, end), end
}

// eachFlag reads the words at the beginning that begin with two dashes, without their
// quotes and escapes, and says where the rest begins. Without f it only does the latter.
// It goes by bytes, and so takes two that are a part of other characters for blanks,
// because BuildKit does.
func (in *instruction) eachFlag(c command, f func(flag traced)) (rest int) {
	for i := c.flags; ; {
		for i < c.end && isSpaceByte(in.text[i]) {
			i++
		}
		if !bytes.HasPrefix(in.text[i:c.end], []byte("--")) {
			return i
		}
		size := 0
		end := in.eachOfFlag(c, i, func(int) { size++ })
		if size == len("--") {
			return end
		}
		if f != nil {
			flag := traced{make([]byte, 0, size), make([]int32, 0, size)}
			in.eachOfFlag(c, i, func(i int) {
				flag.text = append(flag.text, in.text[i])
				flag.at = append(flag.at, in.offset(i))
			})
			f(flag)
		}
		i = end
	}
}

// eachOfFlag gives the place of each byte of a flag, and says where it ends.
func (in *instruction) eachOfFlag(c command, start int, f func(i int)) (end int) {
	quote := byte(0)
	i := start
	for ; i < c.end && (quote != 0 || !isSpaceByte(in.text[i])); i++ {
		switch b := in.text[i]; {
		case quote == 0 && (b == '\'' || b == '"'):
			quote = b
			continue
		case quote != 0 && b == quote:
			quote = 0
			continue
		case rune(b) == c.escape:
			i++
		}
		if i < c.end {
			f(i)
		}
	}
	return min(i, c.end) // an escape character may have been the last
}

func isSpaceByte(b byte) bool { return unicode.IsSpace(rune(b)) }

// cutField gives the first of a FROM's arguments, which have blanks between, and what is
// behind it.
func (t traced) cutField() (field, rest traced) {
	start := len(t.text) - len(bytes.TrimLeft(t.text, blanks))
	end := len(t.text)
	if n := bytes.IndexAny(t.text[start:], blanks); n >= 0 {
		end = start + n
	}
	return t.slice(start, end), t.slice(end, len(t.text))
}

// hasField says whether one of a FROM's arguments is like that.
func (t traced) hasField(like func(traced) bool) bool {
	for field, rest := t.cutField(); len(field.text) > 0; field, rest = rest.cutField() {
		if like(field) {
			return true
		}
	}
	return false
}

// word is where a word begins and ends.
type word struct{ start, end int }

// splitWords splits an ARG's arguments at what is space outside of quotes and not
// escaped. Within ' ' nothing is escaped. An escape character at the end is dropped.
func splitWords(text []byte, escape rune) iter.Seq[word] {
	return func(yield func(word) bool) {
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
				if !yield(word{start, i}) {
					return
				}
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
			yield(word{start, len(text)})
		}
	}
}

// eachOfCSV reads the fields of one line of CSV (RFC 4180), and says whether it is one.
func (t traced) eachOfCSV(f func(field traced)) (ok bool) {
	for i := 0; ; {
		if i == len(t.text) || t.text[i] != '"' {
			end := len(t.text)
			if n := bytes.IndexByte(t.text[i:], ','); n >= 0 {
				end = i + n
			}
			if bytes.IndexByte(t.text[i:end], '"') >= 0 {
				return false
			}
			f(t.slice(i, end))
			i = end
		} else {
			var field traced
			if field, i = t.quotedField(i + 1); i < 0 {
				return false
			}
			f(field)
		}
		if i == len(t.text) {
			return true
		}
		i++ // the comma
	}
}

// quotedField reads a field up to its last quote, and says where it ends; -1 if it
// does not, or something else follows than a comma.
func (t traced) quotedField(start int) (field traced, end int) {
	for end = start; ; end += len(`""`) {
		n := bytes.IndexByte(t.text[end:], '"')
		if n < 0 {
			return field, -1
		}
		end += n
		if end+1 == len(t.text) || t.text[end+1] == ',' {
			break
		}
		if t.text[end+1] != '"' {
			return field, -1
		}
	}
	field = traced{make([]byte, 0, end-start), make([]int32, 0, end-start)}
	for i := start; i < end; i++ {
		if t.text[i] == '"' {
			i++
		}
		field.text = append(field.text, t.text[i])
		field.at = append(field.at, t.at[i])
	}
	return field, end + 1
}
