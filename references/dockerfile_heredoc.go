package references

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"

	"docker-credential-cgr/platform"
)

// heredoc is what follows an instruction up to a line that is its name.
type heredoc struct {
	name string
	tabs bool // may stand before the name
}

// skipHeredocs passes over the heredocs of an instruction that may have them. Their
// text is a script or a file.
func (d *dockerfile) skipHeredocs(in *instruction, c command) {
	if !bytes.Contains(in.text, []byte("<<")) || isJSON(in.text[c.start:c.end]) {
		return
	}
	for _, h := range d.heredocs(in.text) {
		start := d.next
		if !d.skipTo(h) {
			if indexFold(d.data[start:], d.host) >= 0 {
				d.leave(in.trace(0, len(in.text)), fmt.Sprintf("opens the heredoc %s, which does not end: nothing below is read", platform.Printable(h.name)))
			}
			return
		}
	}
}

// skipTo passes over lines up to the end of a heredoc, and says whether it has one.
func (d *dockerfile) skipTo(h heredoc) bool {
	for d.next < len(d.data) {
		start, end := d.nextLine()
		line := d.data[start:end]
		if h.tabs {
			line = bytes.TrimLeft(line, "\t")
		}
		if string(line) == h.name {
			return true
		}
	}
	return false
}

// isJSON says whether arguments are in the exec form, where << means nothing. BuildKit
// refuses lists of other things than strings.
func isJSON(args []byte) bool {
	args = bytes.TrimLeftFunc(args, unicode.IsSpace)
	return bytes.HasPrefix(args, []byte("[")) && json.Valid(args)
}

// heredocs gives the heredocs that the words of an instruction open. Words are split
// with the backslash for the escape, whatever the file's directive says. Where they
// cannot be split there is none.
func (d *dockerfile) heredocs(text []byte) []heredoc {
	var all []heredoc
	l := lexer{src: traced{text: text}, escape: '\\', rawQuotes: true, rawEscapes: true}
	l.eachWord = func(word string) {
		if h, ok := parseHeredoc(word); ok && d.keep(len(h.name)) {
			all = append(all, h)
		}
	}
	if _, err := l.read(); err != nil {
		return nil
	}
	return all
}

// parseHeredoc reads a word that may be a heredoc's mark: a file descriptor or none,
// << or <<-, and a name, in quotes or not.
func parseHeredoc(word string) (h heredoc, ok bool) {
	after, ok := strings.CutPrefix(strings.TrimLeft(word, "0123456789"), "<<")
	if !ok {
		return h, false
	}
	after, h.tabs = strings.CutPrefix(after, "-")
	after = strings.TrimLeft(after, "\t\f\r ")
	if strings.Contains(after, "<") {
		return h, false
	}
	words := 0
	l := lexer{src: traced{text: []byte(after)}, escape: '\\'}
	l.eachWord = func(word string) {
		words++
		h.name = string([]rune(word)) // what is not in UTF-8 has no line to end it
	}
	if _, err := l.read(); err != nil || words != 1 {
		return h, false
	}
	return h, true
}
