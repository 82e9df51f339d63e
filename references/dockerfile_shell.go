package references

import (
	"errors"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// No name is longer: host, repository (255), tag (128), digest (135). Doubling ARGs end.
	maxValue = 800
	maxNames = 8 // of variables that a name depends on are told
	// How deep ${A:-${B:-…}} may go, so that it does not fill the stack.
	maxDepth = 100
	// What peek gives at the end.
	endOfText rune = -1
)

var (
	errEnds         = errors.New("ends within quotes or a variable")
	errSubstitution = errors.New("is no substitution")
	errDepth        = errors.New("is nested too deep")
)

// lexer reads quotes, escapes and variables as BuildKit's shell lexer does. With args
// it gives the value that a word has; without, variables stay as they are written.
type lexer struct {
	src    traced
	escape rune
	args   map[string]value

	rawQuotes  bool // quotes stay
	rawEscapes bool // escape characters stay

	pos    int
	depth  int
	names  []string // of the variables that are asked for, as many as are told
	unused []word   // within ${…} in src, that others win over

	word     []byte // that is being read, with all that may be split still in it
	eachWord func(string)
}

// read gives the value of all that is there. A byte order mark is no part of it.
func (l *lexer) read() (value, error) {
	if _, ok := l.src.cutPrefix(byteOrderMark); ok {
		l.pos = len(byteOrderMark)
	}
	v, err := l.readTo(endOfText)
	l.endWord()
	return v, err
}

// readTo reads up to the character, and over it.
func (l *lexer) readTo(stop rune) (v value, err error) {
	l.depth++
	defer func() { l.depth-- }()
	if l.depth > maxDepth {
		return v, errDepth
	}
	// BuildKit reads what is nested into the same buffer, and so forgets a word's
	// beginning: a<<${X:-Y} is the word ${X:-Y}.
	l.word = l.word[:0]
	for {
		r, n := l.peek()
		if r == stop {
			l.pos += n
			return v, nil
		}
		before := len(v.text)
		splits := false
		switch r {
		case endOfText:
			return v, errEnds
		case '$':
			err = l.dollar(&v)
			splits = true
		case '\'':
			err = l.singleQuotes(&v)
		case '"':
			err = l.doubleQuotes(&v)
		case '<':
			l.put(&v, l.heredocMark())
		case l.escape:
			l.put(&v, l.take(n, l.rawEscapes))
			_, n = l.peek()
			l.put(&v, l.take(n, true))
		default:
			l.put(&v, l.take(n, true))
			splits = true
		}
		if err != nil {
			return v, err
		}
		l.gather(v.text[before:], splits)
	}
}

// peek gives the next character and its length in bytes.
func (l *lexer) peek() (rune, int) {
	if l.pos >= len(l.src.text) {
		return endOfText, 0
	}
	return utf8.DecodeRune(l.src.text[l.pos:])
}

func (l *lexer) next() rune {
	r, n := l.peek()
	l.pos += n
	return r
}

// take goes on by some bytes, and gives them if they stay.
func (l *lexer) take(n int, stay bool) (t traced) {
	if stay {
		t = l.src.slice(l.pos, l.pos+n)
	}
	l.pos += n
	return t
}

// put adds a text of the word itself to its value.
func (l *lexer) put(v *value, t traced) {
	if len(t.text) == 0 {
		return
	}
	v.mixed = v.mixed || v.variable
	v.literal = true
	l.add(v, t)
}

// putValue adds what a variable comes to, be it nothing.
func (l *lexer) putValue(v *value, x value) {
	v.mixed = v.mixed || v.variable || v.literal || x.mixed
	v.unsure = v.unsure || x.unsure
	v.variable = true
	if l.add(v, x.traced) {
		v.defaults = append(v.defaults, x.defaults...)
	}
}

// add says whether the value has room for the text.
func (l *lexer) add(v *value, t traced) bool {
	if l.args != nil && len(v.text)+len(t.text) > maxValue {
		v.unsure = true
		return false
	}
	v.traced.add(t)
	return true
}

func (l *lexer) singleQuotes(v *value) error {
	l.put(v, l.take(1, l.rawQuotes))
	for {
		switch r, n := l.peek(); r {
		case endOfText:
			return errEnds
		case '\'':
			l.put(v, l.take(n, l.rawQuotes))
			return nil
		default:
			l.put(v, l.take(n, true))
		}
	}
}

// doubleQuotes reads what is between two of them. Only a quote, a dollar and the escape
// character can be escaped there, and it stays before anything else.
func (l *lexer) doubleQuotes(v *value) error {
	l.put(v, l.take(1, l.rawQuotes))
	for {
		r, n := l.peek()
		switch r {
		case endOfText:
			return errEnds
		case '"':
			l.put(v, l.take(n, l.rawQuotes))
			return nil
		case '$':
			if err := l.dollar(v); err != nil {
				return err
			}
		case l.escape:
			escape := l.take(n, true)
			if l.rawEscapes {
				l.put(v, escape)
			}
			switch r, n := l.peek(); r {
			case endOfText:
			case '"', '$', l.escape:
				l.put(v, l.take(n, true))
			default:
				l.put(v, escape)
			}
		default:
			l.put(v, l.take(n, true))
		}
	}
}

// heredocMark reads < or << with the blanks after it, which do not end the word.
func (l *lexer) heredocMark() traced {
	start := l.pos
	l.pos++
	if r, _ := l.peek(); r == '<' {
		l.pos++
		for r, _ := l.peek(); r == '\t' || r == '\r' || r == ' '; r, _ = l.peek() {
			l.pos++
		}
	}
	return l.src.slice(start, l.pos)
}

// dollar reads a variable, and puts what it comes to.
func (l *lexer) dollar(v *value) error {
	start := l.pos
	l.pos++
	if r, _ := l.peek(); r == '{' {
		l.pos++
		return l.braces(v, start)
	}
	switch name := l.name(); {
	case name == "" || l.args == nil:
		l.put(v, l.src.slice(start, l.pos))
	default:
		l.putValue(v, l.ask(name))
	}
	return nil
}

// ask gives the value of a variable, and remembers that it was asked for.
func (l *lexer) ask(name string) value {
	if len(l.names) < maxNames && !slices.Contains(l.names, name) {
		l.names = append(l.names, name)
	}
	return l.args[name]
}

// name reads the name of a variable: one character that is special in a shell, digits,
// or letters, digits and _.
func (l *lexer) name() string {
	start := l.pos
	r, n := l.peek()
	if strings.ContainsRune("@*#?-$!", r) {
		l.pos += n
		return string(r)
	}
	digits := unicode.IsDigit(r)
	for ; unicode.IsDigit(r) || !digits && (unicode.IsLetter(r) || r == '_'); r, n = l.peek() {
		l.pos += n
	}
	return string(l.src.text[start:l.pos])
}

// braces reads a variable after ${, which began at start.
func (l *lexer) braces(v *value, start int) error {
	if r, _ := l.peek(); r == endOfText || strings.ContainsRune("{}:", r) {
		return errSubstitution
	}
	name := l.name()
	operator := l.next()
	colon := operator == ':'
	if colon {
		operator = l.next()
	}
	pattern := operator == '#' || operator == '%'
	switch {
	case operator == '}' && !colon:
		if l.args == nil {
			l.put(v, l.src.slice(start, l.pos))
			return nil
		}
		l.putValue(v, l.ask(name))
		return nil
	case operator == '/' && !colon:
		return l.replacement(v, name, start)
	case !colon && !strings.ContainsRune("+-?#%", operator), colon && pattern:
		return errSubstitution
	}
	wordStart, unused := l.pos, len(l.unused)
	inner, err := l.nested('}', pattern)
	if err != nil {
		return err
	}
	if l.args == nil {
		l.put(v, l.src.slice(start, wordStart))
		l.put(v, inner.traced)
		l.put(v, l.src.slice(l.pos-1, l.pos))
		return nil
	}
	used, err := l.substitute(v, name, operator, colon, inner)
	if !used {
		l.unused = append(l.unused[:unused], word{wordStart, l.pos - 1})
	}
	return err
}

// replacement reads ${NAME/pattern/text}. What it comes to is not worked out.
func (l *lexer) replacement(v *value, name string, start int) error {
	patternStart := l.pos
	if r, _ := l.peek(); r == '/' {
		l.pos++
	}
	pattern, err := l.nested('/', true)
	if err != nil {
		return err
	}
	slash := l.src.slice(l.pos-1, l.pos)
	text, err := l.nested('}', true)
	if err != nil {
		return err
	}
	if l.args == nil {
		l.put(v, l.src.slice(start, patternStart))
		l.put(v, pattern.traced)
		l.put(v, slash)
		l.put(v, text.traced)
		l.put(v, l.src.slice(l.pos-1, l.pos))
		return nil
	}
	l.putValue(v, l.ask(name))
	l.putValue(v, text)
	v.unsure = true
	return nil
}

// nested reads a word within ${…}.
func (l *lexer) nested(stop rune, rawEscapes bool) (value, error) {
	defer func(before bool) { l.rawEscapes = before }(l.rawEscapes)
	l.rawEscapes = rawEscapes
	word, err := l.readTo(stop)
	l.word = l.word[:0]
	return word, err
}

// substitute puts what ${NAME:-word} and its like come to (POSIX, XCU section 2.6.2;
// there is no = in a Dockerfile). Where that hangs on what is not known, all that it
// may be made of is put. It says whether the word counts.
func (l *lexer) substitute(v *value, name string, operator rune, colon bool, word value) (used bool, err error) {
	has := l.ask(name)
	_, set := l.args[name]
	null := !set || colon && len(has.text) == 0
	switch operator {
	case '-', '+':
		switch {
		case has.unsure:
			l.putValue(v, has)
			l.putValue(v, word)
		case null == (operator == '-'):
			l.putValue(v, word)
		case operator == '-':
			l.putValue(v, has)
			return false, nil
		default:
			l.putValue(v, value{})
			return false, nil
		}
	case '?':
		if null && !has.unsure {
			return true, errSubstitution
		}
		l.putValue(v, has)
	case '#', '%':
		l.putValue(v, has)
		v.unsure = true
	default:
		return true, errSubstitution
	}
	return true, nil
}

// gather adds to the word that is read. Space ends it where it can be split.
func (l *lexer) gather(text []byte, splits bool) {
	if l.args != nil || l.depth > 1 {
		return
	}
	if !splits {
		l.word = append(l.word, text...)
		return
	}
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		if unicode.IsSpace(r) {
			l.endWord()
		} else {
			l.word = append(l.word, text[:n]...)
		}
		text = text[n:]
	}
}

func (l *lexer) endWord() {
	if len(l.word) > 0 {
		l.eachWord(string(l.word))
		l.word = l.word[:0]
	}
}
