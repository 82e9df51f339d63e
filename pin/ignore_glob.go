package pin

import "strings"

// glob is the pattern of a .gitignore line, ready to be matched: the language of
// gitignore(5), byte for byte as git reads it.
type glob []token

// token matches a part of a path.
type token struct {
	kind tokenKind
	char byte     // of a literal
	set  *byteSet // of a choice
}

type tokenKind byte

const (
	literal tokenKind = iota // this byte
	choice                   // one byte of a set
	star                     // "*": bytes other than "/", or none
	folders                  // "**/": whole parts of a path with their "/", or none
	rest                     // "**" at the end: all there is
)

// compile reads a pattern; not ok is one that matches nothing, such as "[a" or `a\`.
// With fold, it matches any letter case, in a path that is given in lower case.
func compile(text string, fold bool) (g glob, ok bool) {
	for i := 0; i < len(text); {
		switch c := text[i]; c {
		case '*':
			tokens, n := compileStars(text[i:], i == 0 || text[i-1] == '/')
			g = append(g, tokens...)
			i += n
		case '?':
			g = append(g, token{kind: choice, set: new(byteSet).finished(true, false)})
			i++
		case '[':
			set, n := compileSet(text[i:], fold)
			if set == nil {
				return nil, false
			}
			g = append(g, token{kind: choice, set: set})
			i += n
		case '\\':
			if i++; i == len(text) {
				return nil, false
			}
			fallthrough
		default:
			c = text[i]
			if fold {
				c = lower(c)
			}
			g = append(g, token{char: c})
			i++
		}
	}
	return g, true
}

// compileStars reads the stars with which text begins, and what belongs to them. Two
// or more are one, but where they are a whole part of the path.
func compileStars(text string, startsPart bool) ([]token, int) {
	after := strings.TrimLeft(text, "*")
	n := len(text) - len(after)
	switch whole := startsPart && n > 1; {
	case whole && after == "":
		return []token{{kind: rest}}, n
	case whole && after[0] == '/':
		return []token{{kind: folders}}, n + 1
	case whole && strings.HasPrefix(after, `\/`): // for git, one part at least
		return []token{{kind: star}, {char: '/'}, {kind: folders}}, n + 2
	}
	return []token{{kind: star}}, n
}

// match says whether the pattern matches all of a path, in time of the product of their
// lengths: of the stars, the last one alone is tried again, and where it ends, the
// last "**/". What stands before is as good as any other way to get there.
func (g glob) match(path string) bool {
	i, at := 0, 0
	lastStar, starAt := -1, 0
	lastFolders, foldersAt := -1, 0
	for i < len(g) || at < len(path) {
		if i < len(g) {
			switch t := g[i]; {
			case t.kind == rest:
				return true
			case t.kind == star:
				lastStar, starAt = i, at
				i++
				continue
			case t.kind == folders:
				lastFolders, foldersAt, lastStar = i, at, -1
				i++
				continue
			case at < len(path) && t.takes(path[at]):
				i++
				at++
				continue
			}
		}
		if lastStar >= 0 && starAt < len(path) && path[starAt] != '/' {
			starAt++
			i, at = lastStar+1, starAt
			continue
		}
		part := strings.IndexByte(path[foldersAt:], '/') + 1
		if lastFolders < 0 || part == 0 {
			return false
		}
		foldersAt += part
		i, at, lastStar = lastFolders+1, foldersAt, -1
	}
	return true
}

func (t token) takes(c byte) bool {
	if t.kind == choice {
		return t.set[c]
	}
	return t.char == c
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

type byteSet [256]bool

// compileSet reads the set with which text begins, such as "[a-z]", and gives its
// length; nil where it has no end or a class that is not known.
func compileSet(text string, fold bool) (*byteSet, int) {
	set := new(byteSet)
	i := 1
	negated := strings.HasPrefix(text[i:], "!") || strings.HasPrefix(text[i:], "^")
	if negated {
		i++
	}
	for first := i; i < len(text); {
		if text[i] == ']' && i > first {
			return set.finished(negated, fold), i + 1
		}
		if name, ok := className(text[i:]); ok {
			pairs := class(name)
			if pairs == "" {
				return nil, 0
			}
			for ; pairs != ""; pairs = pairs[2:] {
				set.add(pairs[0], pairs[1])
			}
			i += len("[:") + len(name) + len(":]")
			continue
		}
		from, n := setByte(text[i:])
		i += n
		set.add(from, from) // also where it begins a range that is none, such as z-a
		if after := text[i:]; len(after) > 1 && after[0] == '-' && after[1] != ']' {
			to, n := setByte(after[1:])
			i += 1 + n
			set.add(from, to)
		}
	}
	return nil, 0
}

// className gives the name in "[:name:]", if text begins with that.
func className(text string) (name string, ok bool) {
	text, ok = strings.CutPrefix(text, "[:")
	if !ok {
		return "", false
	}
	name, _, _ = strings.Cut(text, "]")
	return strings.CutSuffix(name, ":")
}

// class gives the ranges of a class of bytes, two bytes each; "" for one that is not
// known. git's space has neither the vertical tab nor the form feed.
func class(name string) string {
	switch name {
	case "alnum":
		return "09AZaz"
	case "alpha":
		return "AZaz"
	case "blank":
		return "\t\t  "
	case "cntrl":
		return "\x00\x1f\x7f\x7f"
	case "digit":
		return "09"
	case "graph":
		return "!~"
	case "lower":
		return "az"
	case "print":
		return " ~"
	case "punct":
		return "!/:@[`{~"
	case "space":
		return "\t\n\r\r  "
	case "upper":
		return "AZ"
	case "xdigit":
		return "09AFaf"
	}
	return ""
}

// setByte gives the byte with which text begins, and how much of text that is.
func setByte(text string) (c byte, n int) {
	if text[0] == '\\' && len(text) > 1 {
		return text[1], 2
	}
	return text[0], 1
}

func (s *byteSet) add(from, to byte) {
	for c := int(from); c <= int(to); c++ {
		s[c] = true
	}
}

// finished gives s as it was meant: with both letter cases, negated, and without "/",
// which no set matches.
func (s *byteSet) finished(negated, fold bool) *byteSet {
	for c := byte('A'); fold && c <= 'Z'; c++ {
		s[lower(c)] = s[lower(c)] || s[c]
	}
	for c := range s {
		s[c] = s[c] != negated
	}
	s['/'] = false
	return s
}
