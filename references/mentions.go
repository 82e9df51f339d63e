package references

import (
	"bytes"
	"iter"
	"strings"
	"unicode/utf8"

	"docker-credential-cgr/registry"
)

const (
	byteOrderMark = "\ufeff"
	standardPort  = ":443" // a reference may have it, and means the same
	maxShown      = 200    // bytes of an occurrence that are shown; one line may be the whole file
)

// What names of variables are made of, and of hosts beside dots and dashes.
const wordBytes = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"

// Why an occurrence is left.
const (
	hasVariable  = "is made from a variable: only a name written out can be pinned"
	notKnown     = "is not in a place that is known to name an image"
	unknownFiles = "is in a kind of file that is not understood"
)

// schemes are written before an image by tools that take other things there too.
var schemes = []string{"docker://", "docker-image://", "oci://"}

// A place is a part of a file.
type place struct{ start, end int }

// Names reports whether a file has the host in it, in any letter case.
func Names(data []byte, host string) bool {
	return indexFold(data, strings.TrimSuffix(host, standardPort)) >= 0
}

// indexFold finds a host, whose letters are ASCII, in any letter case; -1 where it is
// not. It looks for the first byte that has no case, which is rare in most files.
func indexFold(data []byte, host string) int {
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

func isHost(text, host string) bool {
	text = strings.TrimSuffix(text, standardPort)
	return len(text) == len(host) && strings.EqualFold(text, host)
}

// isOurs reports whether the first part of a name is the registry's host.
func isOurs(name, host string) bool {
	first, _, found := strings.Cut(name, "/")
	return found && isHost(first, host)
}

// hosts yields the places of the host where a name can begin with it, and where the
// host ends: not in the midst of another host, a path, or a URL.
func hosts(data []byte, host string) iter.Seq[place] {
	return func(yield func(place) bool) {
		for from := 0; ; {
			i := indexFold(data[from:], host)
			if i < 0 {
				return
			}
			p := place{from + i, from + i + len(host)}
			from = p.end
			if beginsName(data[:p.start]) && endsHost(data[p.end:]) && !yield(p) {
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
		name := bytes.TrimRight(bytes.TrimSuffix(before[:len(before)-1], []byte(":")), wordBytes)
		return bytes.HasSuffix(name, []byte("${"))
	case '/':
		return schemeBefore(before) != ""
	case '.', '@':
		return false
	case 'n', 'r', 't':
		return len(before) > 1 && before[len(before)-2] == '\\'
	default:
		return strings.IndexByte(wordBytes, last) < 0
	}
}

// schemeBefore returns the scheme at the end of a text, or nothing.
func schemeBefore(text []byte) string {
	for _, scheme := range schemes {
		if bytes.HasSuffix(text, []byte(scheme)) {
			return scheme
		}
	}
	return ""
}

// endsHost reports whether a host may end before the text, with its standard port or
// none.
func endsHost(after []byte) bool {
	after = bytes.TrimPrefix(after, []byte(standardPort))
	if port, ok := bytes.CutPrefix(after, []byte(":")); ok {
		return len(port) == 0 || port[0] < '0' || port[0] > '9'
	}
	return len(after) == 0 || !strings.Contains(wordBytes+".-@", string(after[:1]))
}

// mentioned reports whether the host is somewhere in a text where a name can begin.
func mentioned(text, host string) bool {
	for range hosts([]byte(text), host) {
		return true
	}
	return false
}

// A mention is an occurrence of an image: the host, and what follows it.
type mention struct {
	place        // up to the last byte that a name can have
	shown int    // the end of what is shown of it
	why   string // it is no reference; empty if it is one
	image registry.Reference
}

// mentionAt returns what stands behind the host there; ok says that it may be an image:
// it has more than an organization.
func mentionAt(data []byte, host string, at place) (m mention, ok bool) {
	end := at.end + len(data[at.end:]) - len(bytes.TrimPrefix(data[at.end:], []byte(standardPort)))
	if end == len(data) || data[end] != '/' {
		return m, false
	}
	path := end + 1
	for end < len(data) && end-at.start <= maxValue && strings.IndexByte(wordBytes+".-/:@", data[end]) >= 0 {
		end++
	}
	m = mention{place: place{at.start, end}}
	goesOn := continues(data[end:])
	if !goesOn && bytes.IndexByte(data[path:end], '/') < 0 {
		return m, false
	}
	if !goesOn { // the end of a sentence is no part of a name
		m.end = path + len(bytes.TrimRight(data[path:end], ".:-@"))
	}
	m.shown = m.end
	var err error
	switch m.image, err = registry.Parse(string(data[m.start:m.end]), host); {
	case goesOn:
		m.why = hasVariable
		if c := data[end]; c == '"' || c == '\'' || c == '\\' {
			m.why = inPieces
		}
		rest := data[m.end:min(len(data), m.start+maxShown)]
		if i := bytes.IndexAny(rest, " \t\r\n,\"'`"); i >= 0 {
			rest = rest[:i]
		}
		for len(rest) > 0 && !utf8.Valid(rest) {
			rest = rest[:len(rest)-1]
		}
		m.shown += len(rest)
	case err != nil && end < len(data) && data[end] == '*': // a pattern is no image
		return m, false
	case err != nil:
		m.why = err.Error()
	}
	m.shown = min(m.shown, m.start+maxShown)
	return m, true
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
		return len(after) > 1 && strings.IndexByte(wordBytes+`"'/`, after[1]) >= 0
	case '<': // <<parameter>>, <%= x %>, <PLACEHOLDER>, but no tag that ends
		return len(after) > 1 && after[1] != '/'
	case '\\': // of more text, not of a line or a string that ends
		return len(after) > 1 && strings.IndexByte("nrt\"'\r\n ", after[1]) < 0
	}
	return false
}

// isVariable reports whether something is put into a text before it is used: by a
// shell, Compose, GitHub, Tekton ($), CircleCI (<<), or a template.
func isVariable(text string) bool {
	return strings.ContainsRune(text, '$') || strings.Contains(text, "<<") || strings.Contains(text, "{{") || strings.Contains(text, "{%")
}

// readText notes every occurrence that no reader has noted yet. Where a reader failed,
// unread says why. It reports whether the host stands anywhere but in comments.
func (r *results) readText(kind Kind, scripts func(int) (place, bool), unread error) (outside bool) {
	noted := make([]place, 0, len(r.found)+len(r.left))
	for _, f := range r.found {
		noted = append(noted, place{f.name, max(f.name+1, f.End)})
	}
	for _, l := range r.left {
		noted = append(noted, place{l.start, l.end})
	}
	seen := newPlaces(noted)
	comments := commentReader{data: r.data, syntax: kind.comments()}
	end := 0
	for at := range hosts(r.data, r.host) {
		if seen.hold(at.start) || at.start < end {
			continue
		}
		comment := comments.at(at.start)
		outside = outside || !comment
		m, ok := mentionAt(r.data, r.host, at)
		if !ok {
			continue
		}
		end = m.shown
		r.work += end - m.start
		class, why, found := Ambiguous, notKnown, false
		within, script := place{0, len(r.data)}, kind == Script
		if scripts != nil {
			if within, script = scripts(m.start); !script {
				within = place{0, len(r.data)}
			}
		}
		switch {
		case comment:
			class, why = Comment, "is in a comment"
		case m.why != "":
			why = m.why
		case unread != nil:
			why = unread.Error()
		case script:
			class, why, found = r.word(m, within)
		case kind == Literals:
			class, why, found = r.literal(m)
		case kind < Dockerfile:
			why = unknownFiles
		}
		if found || m.image.Digest != "" && class == Ambiguous && m.why == "" && unread == nil {
			r.found = append(r.found, Found{Start: m.start, End: m.end, Text: string(r.data[m.start:m.end]), Image: m.image, name: m.start, Fixed: !found})
			continue
		}
		r.left = append(r.left, Left{Text: string(r.data[m.start:m.shown]), Why: why, Class: class, Image: m.image, start: m.start, end: m.shown})
	}
	return outside
}
