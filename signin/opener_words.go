package signin

import (
	"errors"
	"os/exec"
	"runtime"
	"strings"
)

// browserCommand returns the command that an entry of $BROWSER means. An entry that
// names a program as it is, such as a path with blanks, is that program; any other is
// split into words as a shell splits it, but never run by one. %s stands for the
// address, which comes last where there is none.
func browserCommand(entry, target string) ([]string, error) {
	entry = strings.TrimSpace(entry)
	if entry == "" {
		return nil, nil
	}
	if _, err := exec.LookPath(entry); err == nil {
		return []string{entry, target}, nil
	}
	words, err := splitWords(entry, runtime.GOOS == "windows")
	if err != nil {
		return nil, err
	}
	placed := false
	for i, word := range words {
		if strings.Contains(word, "%s") {
			words[i], placed = strings.ReplaceAll(word, "%s", target), true
		}
	}
	if !placed {
		words = append(words, target)
	}
	return words, nil
}

// splitWords splits text into words as a shell does, with its quotes and backslashes
// (POSIX.1-2024, XCU 2.2). Nothing else in it has a meaning: no variable is replaced,
// no command run. On Windows only double quotes have one: backslashes are in paths, and
// an apostrophe may be in a name.
func splitWords(text string, windows bool) ([]string, error) {
	var words []string
	var word strings.Builder
	inWord := false
	quote := byte(0)            // the one that is open
	escaped := false            // by a backslash
	const inDouble = "$`\"\\\n" // what a backslash escapes between double quotes
	for i := range len(text) {  // bytes: a path need not be UTF-8
		switch c := text[i]; {
		case escaped:
			if quote == '"' && strings.IndexByte(inDouble, c) < 0 {
				word.WriteByte('\\')
			}
			word.WriteByte(c)
			escaped = false
		case c == '\\' && quote != '\'' && !windows:
			escaped, inWord = true, true
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteByte(c)
		case c == '"', c == '\'' && !windows:
			quote, inWord = c, true
		case c == ' ', c == '\t', c == '\n':
			if inWord {
				words = append(words, word.String())
				word.Reset()
			}
			inWord = false
		default:
			word.WriteByte(c)
			inWord = true
		}
	}
	switch {
	case quote != 0:
		return nil, errors.New("a quotation mark in BROWSER is not closed")
	case escaped:
		return nil, errors.New("BROWSER ends with a backslash")
	case inWord:
		words = append(words, word.String())
	}
	return words, nil
}
