package dockerfile

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// errHeredoc ends the reading of a file: what follows may be an instruction or text.
var errHeredoc = errors.New("opens a heredoc whose end is not clear: nothing below is read")

var (
	heredocMark = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^[0-9]*<<(-?)(?:([A-Za-z0-9_.-]+)|"([A-Za-z0-9_. -]+)"|'([A-Za-z0-9_. -]+)')$`)
	})
	// plainVariable matches variables of a shell that BuildKit also understands, without blanks
	// or quotes inside.
	plainVariable = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(
			`\$\{[A-Za-z0-9_]+(?:(?::?[-+?]|##?|%%?)[A-Za-z0-9_./:*@-]*|//?[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]*)?\}`)
	})
)

// skipHeredocs skips the heredocs of an instruction, which are lines up to one with their
// name. BuildKit splits words with a backslash here, whatever the escape character is.
func (p *parser) skipHeredocs(in instruction, c command) error {
	text := p.joined(in.Span)
	if !strings.Contains(text, "<<") || c.isClear && isJSON(p.joined(c.args)) {
		return nil
	}
	text = plainVariable().ReplaceAllString(text, "x")
	isUnclear := !c.isClear || strings.Contains(text, "${") || !utf8.ValidString(text)
	isOpen := false // after << alone, the next word is the name
	for _, word := range words['\\']().FindAllString(text, -1) {
		if isOpen {
			word = "<<" + word
			isOpen = false
		}
		mark := strings.TrimLeft(word, "0123456789")
		switch {
		case mark == "<<":
			isOpen = true
		case !strings.HasPrefix(mark, "<<"), strings.HasPrefix(mark, "<<<"):
			isUnclear = isUnclear || strings.HasSuffix(word, "<<") // the next word may matter
		default:
			m := heredocMark().FindStringSubmatch(word)
			if m == nil || isUnclear || !p.skipTo(m[2]+m[3]+m[4], m[1] != "") {
				return errHeredoc
			}
		}
	}
	if isOpen || isUnclear {
		return errHeredoc
	}
	return nil
}

// skipTo skips lines up to the one that is the name of a heredoc, perhaps with tabs before it,
// and reports whether there is one.
func (p *parser) skipTo(name string, hasTabs bool) bool {
	for p.next < len(p.Data) {
		line := p.joined(p.nextLine())
		if hasTabs {
			line = strings.TrimLeft(line, "\t")
		}
		if line == name {
			return true
		}
	}
	return false
}

// isJSON reports whether arguments are in the exec form, in which << has no meaning. BuildKit
// refuses lists of anything but strings.
func isJSON(args string) bool {
	args = strings.TrimLeftFunc(args, unicode.IsSpace)
	return strings.HasPrefix(args, "[") && json.Valid([]byte(args))
}
