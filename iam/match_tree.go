package iam

import (
	"regexp/syntax"
	"slices"
	"strings"
)

const (
	maxExamples = 32           // of one expression: each alternative doubles them
	maxExample  = 2 * maxClaim // bytes
)

// examples gives texts that an expression fits, with fill in each place where that
// leaves several characters open. Some may be missing, and where it asks for more than
// its order of characters (as \b does) some may not fit.
func examples(re *syntax.Regexp, fill string) []string {
	switch re.Op {
	case syntax.OpNoMatch:
		return nil
	case syntax.OpLiteral:
		return []string{string(re.Rune)}
	case syntax.OpCharClass:
		return oneOf(re)
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return []string{"x"}
	case syntax.OpCapture:
		return examples(re.Sub[0], fill)
	case syntax.OpStar, syntax.OpPlus, syntax.OpQuest, syntax.OpRepeat:
		return repeated(re, fill)
	case syntax.OpAlternate:
		var all []string
		for _, sub := range re.Sub {
			all = first(append(all, examples(sub, fill)...))
		}
		return all
	case syntax.OpConcat:
		all := []string{""}
		for _, sub := range re.Sub {
			all = joined(all, examples(sub, fill))
		}
		return all
	}
	return []string{""} // anchors, and what fits nothing at all
}

func repeated(re *syntax.Regexp, fill string) []string {
	least, most := re.Min, re.Max
	switch re.Op {
	case syntax.OpStar:
		least, most = 0, -1
	case syntax.OpPlus:
		least, most = 1, -1
	case syntax.OpQuest:
		least, most = 0, 1
	}
	if n := len([]rune(fill)); n >= least && (most < 0 || n <= most) && takes(re.Sub[0], fill) {
		return []string{fill}
	}
	if most == 0 {
		return []string{""}
	}
	var all []string
	for _, once := range examples(re.Sub[0], fill) {
		if n := max(least, 1); n*len(once) <= maxExample {
			all = append(all, strings.Repeat(once, n))
		}
	}
	if least == 0 {
		all = append(all, "")
	}
	return first(all)
}

// takes says whether each character of text fits an expression for one character.
func takes(re *syntax.Regexp, text string) bool {
	switch re.Op {
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return true
	case syntax.OpCapture:
		return takes(re.Sub[0], text)
	case syntax.OpCharClass:
		return !strings.ContainsFunc(text, func(r rune) bool { return !inClass(re, r) })
	}
	return false
}

func inClass(re *syntax.Regexp, r rune) bool {
	for pair := range slices.Chunk(re.Rune, 2) {
		if pair[0] <= r && r <= pair[1] {
			return true
		}
	}
	return false
}

// oneOf gives a character of a class, a plain one where there is one, or nothing for a
// class that is empty.
func oneOf(class *syntax.Regexp) []string {
	if len(class.Rune) == 0 {
		return nil
	}
	for _, r := range "x1-" {
		if inClass(class, r) {
			return []string{string(r)}
		}
	}
	return []string{string(class.Rune[0])}
}

// joined gives each of heads followed by each of tails.
func joined(heads, tails []string) []string {
	var all []string
	for _, head := range heads {
		for _, tail := range tails {
			if len(all) < maxExamples && len(head)+len(tail) <= maxExample {
				all = append(all, head+tail)
			}
		}
	}
	return all
}

func first(texts []string) []string { return texts[:min(maxExamples, len(texts))] }

// anchored says whether whatever fits an expression begins, or ends, where its text
// does: op is syntax.OpBeginText or syntax.OpEndText.
func anchored(re *syntax.Regexp, op syntax.Op) bool {
	switch re.Op {
	case op:
		return true
	case syntax.OpCapture:
		return anchored(re.Sub[0], op)
	case syntax.OpConcat:
		if op == syntax.OpBeginText {
			return anchored(re.Sub[0], op)
		}
		return anchored(re.Sub[len(re.Sub)-1], op)
	case syntax.OpAlternate:
		return !slices.ContainsFunc(re.Sub, func(sub *syntax.Regexp) bool { return !anchored(sub, op) })
	}
	return false
}

// repeatedLetter finds a single letter, or another literal character, with a * behind.
func repeatedLetter(re *syntax.Regexp) (rune, bool) {
	if re.Op == syntax.OpStar && re.Sub[0].Op == syntax.OpLiteral && len(re.Sub[0].Rune) == 1 {
		return re.Sub[0].Rune[0], true
	}
	for _, sub := range re.Sub {
		if r, ok := repeatedLetter(sub); ok {
			return r, true
		}
	}
	return 0, false
}

// anyCharacter says whether an expression has a . that is not repeated.
func anyCharacter(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return true
	case syntax.OpStar, syntax.OpPlus, syntax.OpRepeat:
		return false
	}
	return slices.ContainsFunc(re.Sub, anyCharacter)
}
