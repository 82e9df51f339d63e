package scan

import (
	"bytes"
	"slices"
	"strings"
)

// CommentSyntax is how a kind of file marks comments: from a mark at the beginning of a word
// to the end of the line, or between two marks.
type CommentSyntax struct {
	Line        []string
	Open, Close string
}

// Comments returns the comments of a file. Marks in quotes do not count, but a quote ends
// with its line, so that an apostrophe does not hide the comments below it.
func Comments(data []byte, syntax CommentSyntax) []Span {
	var comments []Span
	lineEnd, blockEnd := -1, -1 // of what i is in, or before
	for i := 0; i < len(data); i++ {
		if lineEnd < i {
			lineEnd = indexFrom(data, i, "\n")
		}
		isBehind := func(marks string) bool { return i == 0 || strings.IndexByte(marks, data[i-1]) >= 0 }
		hasMark := func(mark string) bool { return bytes.HasPrefix(data[i:], []byte(mark)) }
		switch quote := data[i]; {
		case syntax.Open != "" && hasMark(syntax.Open) && isBehind(" \t\r\n([{,;"):
			inside := i + len(syntax.Open)
			if blockEnd < inside {
				blockEnd = indexFrom(data, inside, syntax.Close)
			}
			if blockEnd < len(data) && (syntax.Open != "/*" || isBlock(data, i, blockEnd < lineEnd)) {
				end := blockEnd + len(syntax.Close)
				comments = append(comments, Span{i, end})
				i = end - 1
			}
		case quote == '"', quote == '\'' && isBehind(" \t\r\n(=:[{,;"): // not an apostrophe
			for i++; i < lineEnd && data[i] != quote; i++ {
				if quote == '"' && data[i] == '\\' && i+1 < lineEnd {
					i++
				}
			}
		case isBehind(" \t\r\n") && slices.ContainsFunc(syntax.Line, hasMark):
			comments = append(comments, Span{i, lineEnd})
			i = lineEnd
		}
	}
	return comments
}

// isBlock reports whether the /* at i begins a comment. Files with commands have patterns
// such as /tmp/*, /*.tmp and /*, so that the mark must be a word, and begin its line or end
// on it.
func isBlock(data []byte, i int, endsOnLine bool) bool {
	before := bytes.TrimRight(data[:i], " \t")
	beginsLine := len(before) == 0 || before[len(before)-1] == '\n'
	return strings.IndexByte(" \t\r\n*", data[i+len("/*")]) >= 0 && (beginsLine || endsOnLine)
}

// indexFrom returns the offset of the first mark from start on, or the end of the file.
func indexFrom(data []byte, start int, mark string) int {
	if i := bytes.Index(data[start:], []byte(mark)); i >= 0 {
		return start + i
	}
	return len(data)
}
