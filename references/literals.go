package references

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"sync"

	"docker-credential-cgr/references/scan"
)

// How far back is looked for what a reference belongs to.
const maxContext = 4096

// Reason a reference that stands for itself is left.
const (
	noTag      = "has no tag: it may be a part of a name that is put together elsewhere"
	notLiteral = "is not the whole of a string"
	usedInPart = "is in a variable that is a part of another name in this file"
)

// buildFlags are options before the name of what is built.
var buildFlags = []string{"--tag", "--destination"}

// runners are words of a command line before the name of an image that is pulled.
var runners = []string{"run", "pull", "create", "from", "FROM", "--from", "--image", "--pull"}

// literal tells what a reference in a configuration file is: it can be pinned where it
// is a whole string, alone or behind docker://.
func (r *reader) literal(m scan.Mention) (class Class, why string, found bool) {
	start := m.Start - len(scan.SchemeBefore(r.Data[:m.Start]))
	if start == 0 || m.End == len(r.Data) || r.Data[start-1] != r.Data[m.End] || r.Data[m.End] != '"' && r.Data[m.End] != '\'' || isChart(r.Data[start:m.Start]) {
		return Ambiguous, notLiteral, false
	}
	after := bytes.TrimLeft(r.Data[m.End+1:min(len(r.Data), m.End+64)], " \t")
	before := r.Data[max(0, start-1-maxContext) : start-1]
	if len(after) > 0 && strings.IndexByte(":+%.", after[0]) >= 0 || bytes.HasSuffix(bytes.TrimRight(before, " \t"), []byte("+")) {
		return Ambiguous, notLiteral, false
	}
	owner := ownerOf(before)
	r.Work += len(before)
	return tell(m, owner, scan.IsImageKey(owner))
}

// tell decides by the name of what has the reference for its value.
func tell(m scan.Mention, owner string, isImage bool) (class Class, why string, found bool) {
	switch {
	case scan.Builders[owner] != 0:
		return scan.Builders[owner], scan.BuiltHere, false
	case slices.Contains(buildFlags, owner):
		return Built, scan.BuiltHere, false
	case m.Image.Tag == "" && m.Image.Digest == "" && !isImage:
		return Ambiguous, noTag, false
	}
	return Ambiguous, "", true
}

// isChart reports whether a scheme also means what is no image.
func isChart(scheme []byte) bool { return string(scheme) == "oci://" }

// ownerOf returns the key or the function whose value, element or argument begins
// behind the text, which ends before the value's quote: key = ", "key": [", f(".
func ownerOf(before []byte) string {
	const blanks = " \t\r\n"
	for {
		before = bytes.TrimRight(before, blanks+",")
		if len(before) == 0 {
			return ""
		}
		last := len(before) - 1
		switch before[last] {
		case '"', '\'': // an element before this one
			open := bytes.LastIndexByte(before[:last], before[last])
			if open < 0 {
				return ""
			}
			before = before[:open]
		case '[':
			before = before[:last]
		case '=', ':', '(':
			before = bytes.TrimRight(bytes.TrimRight(before[:last], ":?+="), blanks+`"'`)
			return string(before[len(bytes.TrimRight(before, scan.WordBytes+"-")):])
		default: // Groovy: image 'x'
			return string(before[len(bytes.TrimRight(before, scan.WordBytes+"-")):])
		}
	}
}

// word tells what a reference on a command line is. It can be pinned where it is the
// value of a variable or an option, or what a command pulls.
func (r *reader) word(m scan.Mention, within scan.Place) (class Class, why string, found bool) {
	start, end := m.Start-len(scan.SchemeBefore(r.Data[:m.Start])), m.End
	start = max(start, within.Start)
	quoted := start > within.Start && end < within.End && (r.Data[start-1] == '"' || r.Data[start-1] == '\'') && r.Data[start-1] == r.Data[end]
	if quoted {
		start, end = start-1, end+1
	}
	if end < within.End && strings.IndexByte(" \t\r\n\"'`;|&)<>\\", r.Data[end]) < 0 || isChart(r.Data[start:m.Start]) {
		return Ambiguous, notLiteral, false
	}
	line := commandBefore(r.Data[max(within.Start, start-maxContext):start])
	r.Work += len(line)
	words := strings.Fields(line)
	if name, ok := assigned(line); ok {
		switch u := r.uses()[name]; {
		case u.built != 0:
			return u.built, scan.BuiltHere, false
		case u.part:
			return Ambiguous, usedInPart, false
		}
		// A variable may be used in another file, where a tag comes behind it.
		option := strings.TrimLeft(name, "-")
		return tell(m, name, option != name && (scan.IsImageKey(option) || option == "from"))
	}
	if line != "" && strings.IndexByte(" \t\n\"'`(", line[len(line)-1]) < 0 {
		return Ambiguous, notLiteral, false
	}
	if class := builds(words); class != 0 {
		return class, scan.BuiltHere, false
	}
	if slices.ContainsFunc(words, func(w string) bool { return slices.Contains(runners, w) }) {
		return Ambiguous, "", true
	}
	return Ambiguous, notKnown, false
}

// builds returns Built or Pushed where the next word behind those of a command is the
// name of what is built or pushed, else 0. A -t alone may be that of docker run.
func builds(words []string) Class {
	switch last := words[max(0, len(words)-1):]; {
	case len(last) == 0:
		return 0
	case slices.Contains(words, "SAVE"), slices.Contains(buildFlags, last[0]), last[0] == "-t" && slices.Contains(words, "build"):
		return Built
	case slices.Contains(words, "push"):
		return Pushed
	}
	return 0
}

// commandBefore returns the part of a command line that stands before its end: from the
// beginning of the line, which may be continued, or the last command.
func commandBefore(text []byte) string {
	closed := 0 // parentheses
	for i := len(text) - 1; i >= 0; i-- {
		switch text[i] {
		case ')':
			closed++
		case '\n':
			if !bytes.HasSuffix(bytes.TrimRight(text[:i], "\r"), []byte(`\`)) {
				return string(text[i+1:])
			}
		case ';', '|', '&', '`':
			return string(text[i+1:])
		case '(':
			if closed--; closed < 0 && i > 0 && text[i-1] == '$' {
				return string(text[i+1:])
			}
		}
	}
	return string(text)
}

var assignment = sync.OnceValue(func() *regexp.Regexp {
	// NAME=, NAME ?= as make has it, --option=; in quotes after it or not.
	return regexp.MustCompile(`(?:^|[\s"'])(-{0,2}[A-Za-z_][A-Za-z0-9_-]*)(?:=|[ \t]*(?:[:?+]|::)?=[ \t]*)["']?$`)
})

// assigned returns the variable or the option whose value begins behind the text.
func assigned(line string) (name string, ok bool) {
	match := assignment().FindStringSubmatch(line[max(0, len(line)-scan.MaxShown):])
	if match == nil {
		return "", false
	}
	return match[1], true
}

// use is what a file does with a variable beside giving it to a command.
type use struct {
	part  bool
	built Class // Built or Pushed, else 0
}

// uses returns what the file does with its variables: it has them as a part of a longer
// name, or builds or pushes what they name.
func (r *reader) uses() map[string]use {
	if r.variables != nil {
		return r.variables
	}
	r.variables = map[string]use{}
	for from := 0; ; {
		i := bytes.IndexByte(r.Data[from:], '$')
		if i < 0 {
			return r.variables
		}
		dollar := from + i
		from = dollar + 1
		name := bytes.TrimLeft(r.Data[from:min(len(r.Data), from+scan.MaxShown)], "{(")
		name, after := name[:len(name)-len(bytes.TrimLeft(name, scan.WordBytes))], bytes.TrimLeft(name, scan.WordBytes)
		after = bytes.TrimLeft(after, "})")
		command := commandBefore(bytes.TrimRight(r.Data[max(0, dollar-scan.MaxShown):dollar], `"'`))
		words := strings.Fields(command)
		r.Work += len(command) + len(name)
		u := r.variables[string(name)]
		u.part = u.part || len(after) > 0 && strings.IndexByte(":/@-.", after[0]) >= 0 || command != "" && strings.HasSuffix(command, "/")
		u.built = max(u.built, builds(words))
		r.variables[string(name)] = u
	}
}
