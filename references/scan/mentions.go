package scan

import (
	"bytes"
	"iter"
	"strings"
	"unicode/utf8"

	"docker-credential-cgr/registry"
)

const (
	ByteOrderMark = "\ufeff"
	StandardPort  = ":443" // has no effect in a reference
	MaxShown      = 200    // bytes of an occurrence that are shown: one line may be the whole file
	MaxName       = 800    // bytes: more than a host, a repository (255), a tag (128) and a digest (135) have

	// WordBytes are the bytes of a variable's name and, with dots and dashes, of a host.
	WordBytes = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"
)

// Schemes are prefixes of images in tools that also take other things there.
var Schemes = []string{"docker://", "docker-image://", "oci://"}

// Builders are the keys and functions whose values name images that are built or pushed.
var Builders = map[string]Class{
	"tags": Pushed, "image_templates": Pushed, "name_template": Pushed,
	"output": Pushed, "outputs": Pushed, "cache-to": Pushed, "cache_to": Pushed,
	"docker_build": Built, "custom_build": Built,
}

// IsImageKey reports whether a key or a variable names an image by convention, such as image,
// baseImage, base_image and BASE_IMAGE.
func IsImageKey(name string) bool {
	if !strings.HasSuffix(strings.ToLower(name), "image") {
		return false
	}
	rest := name[:len(name)-len("image")]
	isCamelCase := name[len(rest)] == 'I' && rest != strings.ToUpper(rest)
	return rest == "" || strings.HasSuffix(rest, "_") || strings.HasSuffix(rest, "-") || isCamelCase
}

// IndexHost returns the offset of a host in any letter case, or -1. It searches for a byte of
// the host that has no case and is rare in most files.
func IndexHost(data []byte, host string) int {
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

func hasPrefixFold(data []byte, prefix string) bool {
	return len(data) >= len(prefix) && strings.EqualFold(string(data[:len(prefix)]), prefix)
}

// IsHost reports whether a text is the host, perhaps with the standard port.
func IsHost(text, host string) bool {
	text = strings.TrimSuffix(text, StandardPort)
	return len(text) == len(host) && strings.EqualFold(text, host) // some other characters fold to ASCII
}

// HasHost reports whether a name begins with the host and a slash.
func HasHost(name, host string) bool {
	first, _, found := strings.Cut(name, "/")
	return found && IsHost(first, host)
}

// Hosts yields the spans of the host that are not a part of another host, a path or a URL.
func Hosts(data []byte, host string) iter.Seq[Span] {
	return func(yield func(Span) bool) {
		for from := 0; ; {
			i := IndexHost(data[from:], host)
			if i < 0 {
				return
			}
			s := Span{from + i, from + i + len(host)}
			from = s.End
			if canBeginName(data[:s.Start]) && canEndHost(data[s.End:]) && !yield(s) {
				return
			}
		}
	}
}

// Mentions reports whether a text has the host where a name can begin.
func Mentions(text, host string) bool {
	for range Hosts([]byte(text), host) {
		return true
	}
	return false
}

// canBeginName reports whether a name can begin behind a text: not in a word or a path, but
// behind the dash of ${NAME-default}, an escape such as \n, or a scheme.
func canBeginName(before []byte) bool {
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

// canEndHost reports whether a host, perhaps with its standard port, can end before a text.
func canEndHost(after []byte) bool {
	after = bytes.TrimPrefix(after, []byte(StandardPort))
	if port, ok := bytes.CutPrefix(after, []byte(":")); ok {
		return len(port) == 0 || port[0] < '0' || port[0] > '9'
	}
	return len(after) == 0 || !strings.Contains(WordBytes+".-@", string(after[:1]))
}

// SchemeBefore returns the scheme at the end of a text, or "".
func SchemeBefore(text []byte) string {
	for _, scheme := range Schemes {
		if bytes.HasSuffix(text, []byte(scheme)) {
			return scheme
		}
	}
	return ""
}

// Mention is a possible reference: the host and what follows it.
type Mention struct {
	Span          // of the reference, or of what is shown
	Reason string // why it is no reference; or empty
	Image  registry.Reference
}

// MentionAt returns the mention that begins with a host. ok is false for a URL, a pattern, or
// a host with nothing but an organization.
func MentionAt(data []byte, registryHost string, host Span) (m Mention, ok bool) {
	end := skipPort(data, host.End)
	if slash := escapedSlash(data[end:]); slash > 0 && canContinueName(data[end+slash:]) {
		return Mention{Span: Span{host.Start, wordEnd(data, host.Start, end)}, Reason: InPieces}, true
	}
	if end == len(data) || data[end] != '/' {
		return m, false
	}
	path := end + 1
	for end < len(data) && end-host.Start <= MaxName && strings.IndexByte(WordBytes+".-/:@", data[end]) >= 0 {
		end++
	}
	isComposed := continuesComposed(data[end:])
	if !isComposed {
		if bytes.IndexByte(data[path:end], '/') < 0 {
			return m, false
		}
		end = path + len(bytes.TrimRight(data[path:end], ".:-@")) // without the end of a sentence
	}
	m.Span = Span{host.Start, end}
	var err error
	m.Image, err = registry.Parse(string(data[m.Start:m.End]), registryHost)
	switch {
	case isComposed:
		m.Reason = HasVariable
		if strings.IndexByte(`"'\`, data[end]) >= 0 {
			m.Reason = InPieces
		}
		m.End = wordEnd(data, m.Start, end)
	case err != nil && end < len(data) && data[end] == '*': // a pattern
		return m, false
	case err != nil:
		m.Reason = err.Error()
	}
	return m, true
}

// RegistryAt returns the host, perhaps with an organization, if that is a whole value, so
// that the rest of a reference may be added elsewhere: the default of a variable, the value
// of a key or a variable, an element of a list or, if isStringValue, a string.
func RegistryAt(data []byte, host Span, isStringValue bool) (s Span, ok bool) {
	end := skipPort(data, host.End)
	if end < len(data) && data[end] == '/' {
		path := data[end+1 : min(len(data), end+MaxName)]
		end += 1 + len(path) - len(bytes.TrimLeft(path, WordBytes+".-"))
	}
	s = Span{host.Start, end}
	before := data[max(0, host.Start-MaxShown):host.Start]
	before = before[:len(before)-len(SchemeBefore(before))]
	after := data[end:min(len(data), end+MaxShown)]
	if bytes.HasPrefix(after, []byte("}")) && (bytes.HasSuffix(before, []byte("-")) || bytes.HasPrefix(after, []byte("}/"))) {
		s.End += len(cutWord(after))
		return s, true
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
		return s, false
	case isQuoted && isStringValue:
		return s, true
	case bytes.HasSuffix(word, []byte("=")):
		word = word[bytes.LastIndexAny(word, " \t\r\n\"'")+1:]
		isOption := bytes.HasPrefix(word, []byte("-")) && bytes.Count(word, []byte("=")) == 1 // such as --docker-server
		return s, !isOption && (len(after) == 0 || strings.IndexByte(" \t\r\n,;})]&|#<\\\"'`", after[0]) >= 0)
	case len(word) < len(before) && (bytes.HasSuffix(word, []byte(":")) || bytes.HasSuffix(word, []byte("-"))):
		return s, len(next) == 0 || strings.IndexByte("\r\n#,}]", next[0]) >= 0
	}
	return s, false
}

// skipPort returns the offset behind the standard port, if that is at end, or end.
func skipPort(data []byte, end int) int {
	return end + len(data[end:]) - len(bytes.TrimPrefix(data[end:], []byte(StandardPort)))
}

// escapedSlash returns the length of an escaped slash, as in JSON, at the beginning of a
// text, or 0.
func escapedSlash(text []byte) int {
	for _, escape := range []string{`\/`, `\u002f`, `\x2f`} {
		if hasPrefixFold(text, escape) {
			return len(escape)
		}
	}
	return 0
}

// canContinueName reports whether a name can continue with a text.
func canContinueName(text []byte) bool {
	return len(text) > 0 && strings.IndexByte(WordBytes+"$<{%", text[0]) >= 0
}

// continuesComposed reports whether a name continues with a variable, a template, quotes or
// an escape.
func continuesComposed(after []byte) bool {
	if len(after) == 0 {
		return false
	}
	switch after[0] {
	case '$', '{', '%':
		return true
	case '"', '\'': // as in Dockerfiles and shells: or"g"/image
		return len(after) > 1 && strings.IndexByte(WordBytes+`"'/`, after[1]) >= 0
	case '<': // <<parameter>>, <%= x %>, <PLACEHOLDER>, but not a closing tag
		return len(after) > 1 && after[1] != '/'
	case '\\': // an escape in the text, not at the end of a line or a string
		return len(after) > 1 && strings.IndexByte("nrt\"'\r\n ", after[1]) < 0
	}
	return false
}

// wordEnd returns the end of the word that continues at end, at most MaxShown behind start.
func wordEnd(data []byte, start, end int) int {
	limit := min(len(data), start+MaxShown)
	if end >= limit {
		return limit
	}
	return end + len(cutWord(data[end:limit]))
}

// cutWord returns a text up to the end of its first word.
func cutWord(text []byte) []byte {
	if i := bytes.IndexAny(text, " \t\r\n,\"'`"); i >= 0 {
		text = text[:i]
	}
	for len(text) > 0 && !utf8.Valid(text) {
		text = text[:len(text)-1]
	}
	return text
}

// IsVariable reports whether a text has a variable: of a shell, Compose, GitHub or Tekton ($),
// of CircleCI (<<), or of a template.
func IsVariable(text string) bool {
	return strings.ContainsRune(text, '$') || strings.Contains(text, "<<") || strings.Contains(text, "{{") || strings.Contains(text, "{%")
}
