package config

import (
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// editor changes one property in a YAML text. It goes by the tree that the text
// gave, so that everything else stays as its author wrote it; the library's own
// encoder would drop blank lines and indent anew.
type editor struct {
	text string
	root *yaml.Node // nil where the text holds comments at most
	path []string   // the property's name, in parts
}

// step is one part of the path that is there.
type step struct{ in, key, value *yaml.Node }

// steps gives the parts of the path that are there.
func (e *editor) steps() []step {
	var steps []step
	at := e.root
	for _, part := range e.path {
		if at == nil || at.Kind != yaml.MappingNode {
			break
		}
		i := 0
		for i < len(at.Content) && at.Content[i].Value != part {
			i += 2
		}
		if i == len(at.Content) {
			break
		}
		steps = append(steps, step{at, at.Content[i], at.Content[i+1]})
		at = at.Content[i+1]
	}
	return steps
}

// line is where a person would look for the property.
func (e *editor) line() int {
	if steps := e.steps(); len(steps) > 0 {
		return steps[len(steps)-1].key.Line
	}
	return 1
}

// change gives the property a value, or takes it out if that is "". It answers
// false where it does not know how; what it did otherwise is for the caller to
// check.
func (e *editor) change(value string) bool {
	steps := e.steps()
	switch {
	case len(steps) < len(e.path):
		return e.insert(steps, scalar(value))
	case value == "":
		return e.remove(steps)
	}
	start, end, ok := e.extent(steps[len(steps)-1].value)
	if !ok {
		return false
	}
	value = scalar(value)
	if start == end && !strings.HasSuffix(e.text[:start], " ") { // "name:" and nothing
		value = " " + value
	}
	e.text = e.text[:start] + value + e.text[end:]
	return true
}

// insert writes the parts of the path that are not there: at the top of the
// section that is, so that a comment above its next line stays with that, or at
// the end of the file.
func (e *editor) insert(steps []step, value string) bool {
	names := e.path[len(steps):]
	at := e.root
	if len(steps) > 0 {
		at = steps[len(steps)-1].value
	}
	switch {
	case at == nil || at == e.root && at.Style&yaml.FlowStyle == 0:
		if e.text != "" && !strings.HasSuffix(e.text, "\n") {
			e.text += e.lineEnd()
		}
		indent := 0
		if at != nil {
			indent = at.Column - 1
		}
		e.text += e.lines(names, value, indent)
		return true
	case at.Kind == yaml.MappingNode && at.Style&yaml.FlowStyle != 0:
		brace, ok := e.offset(at.Line, at.Column)
		if !ok || !strings.HasPrefix(e.text[brace:], "{") {
			return false
		}
		more := ""
		if len(at.Content) > 0 {
			more = ", "
		}
		e.text = e.text[:brace+1] + nested(strings.Join(names, "."), value) + more + e.text[brace+1:]
		return true
	}
	key := steps[len(steps)-1].key
	indent := key.Column + 1 // two more than the key's
	if len(at.Content) > 0 {
		indent = at.Content[0].Column - 1
	}
	below, ok := e.offset(key.Line+1, 1)
	if !ok { // the section's name ends the file
		e.text += e.lineEnd()
		below = len(e.text)
	}
	e.text = e.text[:below] + e.lines(names, value, indent) + e.text[below:]
	return true
}

// remove takes out the property's line, and the names of sections that it leaves
// empty. Where it shares the line, its value becomes the empty one.
func (e *editor) remove(steps []step) bool {
	last := steps[len(steps)-1]
	start, end, ok := e.extent(last.value)
	if !ok {
		return false
	}
	line, rest := e.line(), e.text[end:]
	if i := strings.IndexByte(rest, '\n'); i >= 0 {
		rest = rest[:i]
	}
	rest = strings.TrimSpace(rest)
	if last.in.Style&yaml.FlowStyle != 0 || last.value.Line != line || rest != "" && rest[0] != '#' {
		e.text = e.text[:start] + `""` + e.text[end:]
		return true
	}
	for _, s := range slices.Backward(steps) {
		e.cutLine(s.key.Line) // a section's is above: the line numbers hold
		if len(s.in.Content) > 2 {
			break
		}
	}
	return true
}

func (e *editor) cutLine(line int) {
	start, _ := e.offset(line, 1)
	end, ok := e.offset(line+1, 1)
	if !ok {
		end = len(e.text)
	}
	e.text = e.text[:start] + e.text[end:]
}

// extent is where a value of one line stands in the text.
func (e *editor) extent(n *yaml.Node) (start, end int, ok bool) {
	start, ok = e.offset(n.Line, n.Column)
	if !ok || n.Kind != yaml.ScalarNode || n.Anchor != "" || n.Style&yaml.TaggedStyle != 0 {
		return 0, 0, false
	}
	rest, _, _ := strings.Cut(e.text[start:], "\n")
	switch n.Style {
	case yaml.DoubleQuotedStyle:
		end = closing(rest, '"', '\\')
	case yaml.SingleQuotedStyle:
		end = closing(rest, '\'', '\'')
	case 0:
		return start, start + len(n.Value), strings.HasPrefix(rest, n.Value)
	}
	return start, start + end, end > 0
}

// closing gives the length of the quoted text at the start of rest, or 0. Escape
// takes the character after it with it; where it is the quote itself, the doubled
// one.
func closing(rest string, quote, escape byte) int {
	for i := 1; i < len(rest); i++ {
		switch {
		case rest[i] == escape && escape != quote:
			i++
		case rest[i] == quote && escape == quote && strings.HasPrefix(rest[i+1:], string(quote)):
			i++
		case rest[i] == quote:
			return i + 1
		}
	}
	return 0
}

// offset is where a line and a column, both counted from 1, the latter in
// characters, are in the text.
func (e *editor) offset(line, column int) (int, bool) {
	at := 0
	for range line - 1 {
		i := strings.IndexByte(e.text[at:], '\n')
		if i < 0 {
			return 0, false
		}
		at += i + 1
	}
	for range column - 1 {
		_, size := utf8.DecodeRuneInString(e.text[at:])
		if size == 0 {
			return 0, false
		}
		at += size
	}
	return at, true
}

// lines writes a property below indent spaces, one part a line.
func (e *editor) lines(names []string, value string, indent int) string {
	var b strings.Builder
	for i, name := range names {
		b.WriteString(strings.Repeat(" ", indent+2*i) + name + ":")
		if i == len(names)-1 {
			b.WriteString(" " + value)
		}
		b.WriteString(e.lineEnd())
	}
	return b.String()
}

// lineEnd is the text's own.
func (e *editor) lineEnd() string {
	if i := strings.IndexByte(e.text, '\n'); i > 0 && e.text[i-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}

// scalar writes a value in YAML, in quotes where it would be taken for something
// else. Yes and no need none.
func scalar(value string) string {
	if value == "true" || value == "false" {
		return value
	}
	text, err := yaml.Marshal(value)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(string(text), "\n")
}
