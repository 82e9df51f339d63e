package scan

import (
	"bytes"
	"iter"
	"strings"
	"unicode/utf8"

	"docker-credential-cgr/registry"
)

// What files and references may have, and how much of them is looked at.
const (
	ByteOrderMark = "\ufeff"
	StandardPort  = ":443" // a reference may have it, and means the same
	MaxShown      = 200    // bytes of an occurrence that are shown; one line may be the whole file
	MaxName       = 800    // bytes: no name is longer, with host, repository (255), tag (128), digest (135)
)

// What names of variables are made of, and of hosts beside dots and dashes.
const WordBytes = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"

// Reason an occurrence is left.
const (
	HasVariable = "is made from a variable: only a name written out can be pinned"
	InPieces    = "is written over several lines, or with quotes or escapes inside: only a name in one piece can be pinned"
)

// Schemes are written before an image by tools that take other things there too.
var Schemes = []string{"docker://", "docker-image://", "oci://"}

// A Place is a part of a file.
type Place struct{ Start, End int }

// At returns the place from one byte to before another.
func At(start, end int) Place { return Place{start, end} }

// Index finds a host, whose letters are ASCII, in any letter case; -1 where it is
// not. It looks for the first byte that has no case, which is rare in most files.
func Index(data []byte, host string) int {
	pivot := strings.IndexAny(host, ".:-0123456789")
	if pivot < 0 {
		return bytes.Index(bytes.ToLower(data), []byte(strings.ToLower(host)))
	}
	for from := pivot; from < len(data); {
		i := bytes.IndexByte(data[from:], host[pivot])
		if i < 0 {
			break
		}
		if start := from + i - pivot; hasPrefixFold(data[start:], host) {
			return start
		}
		from += i + 1
	}
	return -1
}

func hasPrefixFold(data []byte, host string) bool {
	return len(data) >= len(host) && strings.EqualFold(string(data[:len(host)]), host)
}

// IsHost reports whether a text is the host, with its standard port or none.
func IsHost(text, host string) bool {
	text = strings.TrimSuffix(text, StandardPort)
	return len(text) == len(host) && strings.EqualFold(text, host)
}

// IsOurs reports whether the first part of a name is the registry's host.
func IsOurs(name, host string) bool {
	first, _, found := strings.Cut(name, "/")
	return found && IsHost(first, host)
}

// Hosts yields the places of the host where a name can begin with it, and where the
// host ends: not in the midst of another host, a path, or a URL.
func Hosts(data []byte, host string) iter.Seq[Place] {
	return func(yield func(Place) bool) {
		for from := 0; ; {
			i := Index(data[from:], host)
			if i < 0 {
				return
			}
			p := Place{from + i, from + i + len(host)}
			from = p.End
			if beginsName(data[:p.Start]) && endsHost(data[p.End:]) && !yield(p) {
				return
			}
		}
	}
}

// beginsName reports whether a name may begin behind the text: not within a word or a
// path, but behind the dash of ${NAME-default}, the escape of a string, and a scheme.
func beginsName(before []byte) bool {
	if len(before) == 0 {
		return true
	}
	switch last := before[len(before)-1]; last {
	case '-':
		name := bytes.TrimRight(bytes.TrimSuffix(before[:len(before)-1], []byte(":")), WordBytes)
		return bytes.HasSuffix(name, []byte("${"))
	case '/':
		return SchemeBefore(bytes.ReplaceAll(before[max(0, len(before)-32):], []byte(`\/`), []byte("/"))) != ""
	case '.', '@':
		return false
	case 'n', 'r', 't':
		return len(before) > 1 && before[len(before)-2] == '\\'
	default:
		return strings.IndexByte(WordBytes, last) < 0
	}
}

// SchemeBefore returns the scheme at the end of a text, or nothing.
func SchemeBefore(text []byte) string {
	for _, scheme := range Schemes {
		if bytes.HasSuffix(text, []byte(scheme)) {
			return scheme
		}
	}
	return ""
}

// endsHost reports whether a host may end before the text, with its standard port or
// none.
func endsHost(after []byte) bool {
	after = bytes.TrimPrefix(after, []byte(StandardPort))
	if port, ok := bytes.CutPrefix(after, []byte(":")); ok {
		return len(port) == 0 || port[0] < '0' || port[0] > '9'
	}
	return len(after) == 0 || !strings.Contains(WordBytes+".-@", string(after[:1]))
}

// Mentioned reports whether the host is somewhere in a text where a name can begin.
func Mentioned(text, host string) bool {
	for range Hosts([]byte(text), host) {
		return true
	}
	return false
}

// A Mention is an occurrence of an image: the host, and what follows it.
type Mention struct {
	Place         // up to the last byte that a name can have
	Shown  int    // the end of what is shown of it
	Reason string // it is no reference; empty if it is one
	Image  registry.Reference
}

// MentionAt returns what stands behind the host there; ok says that it may be an image:
// it has more than an organization.
func MentionAt(data []byte, host string, at Place) (m Mention, ok bool) {
	end := at.End + len(data[at.End:]) - len(bytes.TrimPrefix(data[at.End:], []byte(StandardPort)))
	if slash := escapedSlash(data[end:]); slash > 0 && !isEnd(data[end+slash:]) {
		m = Mention{Place: Place{at.Start, end}, Reason: InPieces}
		m.Shown = shownEnd(data, m.Start, end)
		return m, true
	}
	if end == len(data) || data[end] != '/' {
		return m, false
	}
	path := end + 1
	for end < len(data) && end-at.Start <= MaxName && strings.IndexByte(WordBytes+".-/:@", data[end]) >= 0 {
		end++
	}
	m = Mention{Place: Place{at.Start, end}}
	goesOn := continues(data[end:])
	if !goesOn && bytes.IndexByte(data[path:end], '/') < 0 {
		return m, false
	}
	if !goesOn { // the end of a sentence is no part of a name
		m.End = path + len(bytes.TrimRight(data[path:end], ".:-@"))
	}
	m.Shown = m.End
	var err error
	switch m.Image, err = registry.Parse(string(data[m.Start:m.End]), host); {
	case goesOn:
		m.Reason = HasVariable
		if c := data[end]; c == '"' || c == '\'' || c == '\\' {
			m.Reason = InPieces
		}
		m.Shown = shownEnd(data, m.Start, m.End)
	case err != nil && end < len(data) && data[end] == '*': // a pattern is no image
		return m, false
	case err != nil:
		m.Reason = err.Error()
	}
	m.Shown = min(m.Shown, m.Start+MaxShown)
	return m, true
}

// PartAt returns the host there, perhaps with an organization behind it, where that is the
// whole of a value, so that the rest of a name may come behind it elsewhere: the default of
// a variable, what a key or a variable is, an element of a list or, if quotes say that it
// is a value, a string.
func PartAt(data []byte, at Place, quotes bool) (part Place, ok bool) {
	end := at.End + len(data[at.End:]) - len(bytes.TrimPrefix(data[at.End:], []byte(StandardPort)))
	if end < len(data) && data[end] == '/' {
		path := data[end+1 : min(len(data), end+MaxName)]
		end += 1 + len(path) - len(bytes.TrimLeft(path, WordBytes+".-"))
	}
	part = Place{at.Start, end}
	before := data[max(0, at.Start-MaxShown):at.Start]
	before = before[:len(before)-len(SchemeBefore(before))]
	after := data[end:min(len(data), end+MaxShown)]
	if bytes.HasPrefix(after, []byte("}")) && (bytes.HasSuffix(before, []byte("-")) || bytes.HasPrefix(after, []byte("}/"))) {
		part.End += len(restOfWord(after))
		return part, true
	}
	isQuoted := len(before) > 0 && len(after) > 0 && before[len(before)-1] == after[0] && strings.IndexByte("\"'`", after[0]) >= 0
	if isQuoted {
		before, after = before[:len(before)-1], after[1:]
	}
	word := bytes.TrimRight(before, " \t")
	next := bytes.TrimLeft(after, " \t")
	isKey := isQuoted && (bytes.HasPrefix(next, []byte(":")) || bytes.HasPrefix(next, []byte("=")) || bytes.HasSuffix(before, []byte(".")))
	switch {
	case isKey:
		return part, false
	case isQuoted && quotes:
		return part, true
	case bytes.HasSuffix(word, []byte("=")):
		word = word[bytes.LastIndexAny(word, " \t\r\n\"'")+1:]
		isOption := bytes.HasPrefix(word, []byte("-")) && bytes.Count(word, []byte("=")) == 1 // of a program, such as --docker-server
		return part, !isOption && (len(after) == 0 || strings.IndexByte(" \t\r\n,;})]&|#<\\\"'`", after[0]) >= 0)
	case len(word) < len(before) && (bytes.HasSuffix(word, []byte(":")) || bytes.HasSuffix(word, []byte("-"))):
		return part, len(next) == 0 || strings.IndexByte("\r\n#,}]", next[0]) >= 0
	}
	return part, false
}

// escapedSlash returns the length of the escape of a slash at the beginning of a text, as
// JSON has it, or 0.
func escapedSlash(text []byte) int {
	for _, escape := range []string{`\/`, `\u002f`, `\x2f`} {
		if hasPrefixFold(text, escape) {
			return len(escape)
		}
	}
	return 0
}

// isEnd reports whether no name goes on with the text.
func isEnd(after []byte) bool {
	return len(after) == 0 || strings.IndexByte(WordBytes+"$<{%", after[0]) < 0
}

// shownEnd returns the end of what is shown of a mention: the end of the word that goes on
// behind end, at most MaxShown bytes behind start.
func shownEnd(data []byte, start, end int) int {
	limit := min(len(data), start+MaxShown)
	if end >= limit {
		return limit
	}
	return end + len(restOfWord(data[end:limit]))
}

// restOfWord returns the part of a text that belongs to the word in it that began before.
func restOfWord(text []byte) []byte {
	if i := bytes.IndexAny(text, " \t\r\n,\"'`"); i >= 0 {
		text = text[:i]
	}
	for len(text) > 0 && !utf8.Valid(text) {
		text = text[:len(text)-1]
	}
	return text
}

// continues reports whether a name goes on behind its written part, with a variable or
// in a template.
func continues(after []byte) bool {
	if len(after) == 0 {
		return false
	}
	switch after[0] {
	case '$', '{', '%':
		return true
	case '"', '\'': // as in Dockerfiles and shells: or"g"/image
		return len(after) > 1 && strings.IndexByte(WordBytes+`"'/`, after[1]) >= 0
	case '<': // <<parameter>>, <%= x %>, <PLACEHOLDER>, but no tag that ends
		return len(after) > 1 && after[1] != '/'
	case '\\': // of more text, not of a line or a string that ends
		return len(after) > 1 && strings.IndexByte("nrt\"'\r\n ", after[1]) < 0
	}
	return false
}

// IsVariable reports whether something is put into a text before it is used: by a
// shell, Compose, GitHub, Tekton ($), CircleCI (<<), or a template.
func IsVariable(text string) bool {
	return strings.ContainsRune(text, '$') || strings.Contains(text, "<<") || strings.Contains(text, "{{") || strings.Contains(text, "{%")
}
