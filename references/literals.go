package references

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"sync"

	"docker-credential-cgr/references/scan"
)

// maxContext is how many bytes before a reference are searched for what it belongs to.
const maxContext = 4096

// Reasons why a reference is not pinned.
const (
	noTag      = "has no tag: it may be a part of a name that is composed elsewhere"
	notLiteral = "is not a whole string"
	usedInPart = "is in a variable that is a part of another name in this file"
)

// buildFlags are options whose value names an image that is built.
var buildFlags = []string{"--tag", "--destination"}

// pullWords are the words of a command whose argument is an image to pull.
var pullWords = []string{"run", "pull", "create", "from", "FROM", "--from", "--image", "--pull"}

// classifyString returns the class of a reference in a configuration file, and why it cannot
// be pinned, or "". It can be pinned if it is a whole string, alone or behind docker://.
func (f *finder) classifyString(m scan.Mention) (Class, string) {
	start := m.Start - len(scan.SchemeBefore(f.Data[:m.Start]))
	if start == 0 || !isQuoted(f.Data, start, m.End) || isChart(f.Data[start:m.Start]) {
		return Ambiguous, notLiteral
	}
	after := bytes.TrimLeft(f.Data[m.End+1:min(len(f.Data), m.End+64)], " \t")
	before := f.Data[max(0, start-1-maxContext) : start-1]
	isKey := len(after) > 0 && strings.IndexByte(":+%.", after[0]) >= 0 // or joined to something
	if isKey || bytes.HasSuffix(bytes.TrimRight(before, " \t"), []byte("+")) {
		return Ambiguous, notLiteral
	}
	owner := ownerOf(before)
	return classifyValue(m, owner, scan.IsImageKey(owner))
}

// isQuoted reports whether quotes of one kind are right before start and at end.
func isQuoted(data []byte, start, end int) bool {
	return end < len(data) && data[start-1] == data[end] && (data[end] == '"' || data[end] == '\'')
}

// isChart reports whether a scheme is also that of charts.
func isChart(scheme []byte) bool { return string(scheme) == "oci://" }

// classifyValue classifies the value of a key, a variable or an option with this name.
func classifyValue(m scan.Mention, owner string, isImage bool) (Class, string) {
	switch {
	case scan.Builders[owner] != 0:
		return scan.Builders[owner], scan.BuiltHere
	case slices.Contains(buildFlags, owner):
		return Built, scan.BuiltHere
	case m.Image.Tag == "" && m.Image.Digest == "" && !isImage:
		return Ambiguous, noTag
	}
	return Pinnable, ""
}

// ownerOf returns the key or function that a string belongs to as value, element or argument.
// before is the text before its quote, such as: key = ["x", or "key": or f(.
func ownerOf(before []byte) string {
	const blanks = " \t\r\n"
	for {
		before = bytes.TrimRight(before, blanks+",")
		if len(before) == 0 {
			return ""
		}
		last := len(before) - 1
		switch before[last] {
		case '"', '\'': // an earlier element
			open := bytes.LastIndexByte(before[:last], before[last])
			if open < 0 {
				return ""
			}
			before = before[:open]
			continue
		case '[':
			before = before[:last]
			continue
		case '=', ':', '(':
			before = bytes.TrimRight(bytes.TrimRight(before[:last], ":?+="), blanks+`"'`)
		} // without any of them, as in Groovy: image 'x'
		return string(before[len(bytes.TrimRight(before, scan.WordBytes+"-")):])
	}
}

// classifyWord returns the class of a reference in a script, and why it cannot be pinned, or
// "". It can be pinned if it is the value of a variable or an option, or what a command pulls.
func (f *finder) classifyWord(m scan.Mention, script scan.Span) (Class, string) {
	start, end := max(script.Start, m.Start-len(scan.SchemeBefore(f.Data[:m.Start]))), m.End
	scheme := f.Data[start:m.Start]
	if start > script.Start && end < script.End && isQuoted(f.Data, start, end) {
		start, end = start-1, end+1
	}
	if end < script.End && strings.IndexByte(" \t\r\n\"'`;|&)<>\\", f.Data[end]) < 0 || isChart(scheme) {
		return Ambiguous, notLiteral
	}
	command := lastCommand(f.Data[max(script.Start, start-maxContext):start])
	if match := assignment().FindStringSubmatch(command[max(0, len(command)-scan.MaxShown):]); match != nil {
		name := match[1]
		switch use := f.variableUses()[name]; {
		case use.class != 0:
			return use.class, scan.BuiltHere
		case use.inPart:
			return Ambiguous, usedInPart
		}
		// Without a tag, another file may use a variable and add the tag, but not an option.
		option := strings.TrimLeft(name, "-")
		return classifyValue(m, name, option != name && (scan.IsImageKey(option) || option == "from"))
	}
	if command != "" && strings.IndexByte(" \t\n\"'`(", command[len(command)-1]) < 0 {
		return Ambiguous, notLiteral
	}
	words := strings.Fields(command)
	if class := classOfArgument(words); class != 0 {
		return class, scan.BuiltHere
	}
	if slices.ContainsFunc(words, func(word string) bool { return slices.Contains(pullWords, word) }) {
		return Pinnable, ""
	}
	return Ambiguous, notKnown
}

// assignment matches the end of NAME=, of NAME ?= in a makefile, and of --option=, perhaps
// with a quote.
var assignment = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?:^|[\s"'])(-{0,2}[A-Za-z_][A-Za-z0-9_-]*)(?:=|[ \t]*(?:[:?+]|::)?=[ \t]*)["']?$`)
})

// classOfArgument returns Built or Pushed if the word behind these words of a command names
// an image that is built or pushed, or 0. -t alone may be docker run's.
func classOfArgument(words []string) Class {
	if len(words) == 0 {
		return 0
	}
	last := words[len(words)-1]
	isTag := slices.Contains(buildFlags, last) || last == "-t" && slices.Contains(words, "build")
	switch {
	case isTag, slices.Contains(words, "SAVE"):
		return Built
	case slices.Contains(words, "push"):
		return Pushed
	}
	return 0
}

// lastCommand returns the last command of a script, from the beginning of its line, which may
// be continued, or from the end of the command before it.
func lastCommand(script []byte) string {
	closed := 0 // parentheses
	for i := len(script) - 1; i >= 0; i-- {
		switch script[i] {
		case ')':
			closed++
		case '\n':
			if !bytes.HasSuffix(bytes.TrimRight(script[:i], "\r"), []byte(`\`)) {
				return string(script[i+1:])
			}
		case ';', '|', '&', '`':
			return string(script[i+1:])
		case '(':
			if closed--; closed < 0 && i > 0 && script[i-1] == '$' {
				return string(script[i+1:])
			}
		}
	}
	return string(script)
}

// variableUse is what a file does with a variable besides giving it to a command.
type variableUse struct {
	inPart bool  // it is a part of a longer name
	class  Class // Built or Pushed if it names such an image, or 0
}

var usedVariable = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`\$[{(]*([A-Za-z0-9_]*)[})]*`)
})

// variableUses returns what the file does with its variables.
func (f *finder) variableUses() map[string]variableUse {
	if f.variables != nil {
		return f.variables
	}
	f.variables = map[string]variableUse{}
	for _, m := range usedVariable().FindAllSubmatchIndex(f.Data, -1) {
		start, end, name := m[0], m[1], string(f.Data[m[2]:m[3]])
		command := lastCommand(bytes.TrimRight(f.Data[max(0, start-scan.MaxShown):start], `"'`))
		isFollowed := end < len(f.Data) && strings.IndexByte(":/@-.", f.Data[end]) >= 0
		use := f.variables[name]
		use.inPart = use.inPart || isFollowed || strings.HasSuffix(command, "/")
		use.class = max(use.class, classOfArgument(strings.Fields(command)))
		f.variables[name] = use
	}
	return f.variables
}
