package references

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// How far back is looked for what a reference belongs to.
const maxContext = 4096

// Why a reference that stands for itself is left.
const (
	noTag      = "has no tag: it may be a part of a name that is put together elsewhere"
	notLiteral = "is not the whole of a string"
	usedInPart = "is in a variable that is a part of another name in this file"
	builtHere  = "is the name of what is built here"
)

// builders are keys, functions and flags before the name of what is built or pushed.
var builders = []string{
	"tags", "image_templates", "name_template", "output", "outputs", "cache-to", "cache_to", "docker_build", "custom_build",
	"-t", "--tag", "--destination", "push", "--push",
}

// runners are words of a command line before the name of an image that is pulled.
var runners = []string{"run", "pull", "create", "from", "FROM", "--from", "--image", "--pull"}

// literal tells what a reference in a configuration file is: it can be pinned where it
// is a whole string, alone or behind docker://.
func (r *results) literal(m mention) (class Class, why string, found bool) {
	start := m.start - len(schemeBefore(r.data[:m.start]))
	if start == 0 || m.end == len(r.data) || r.data[start-1] != r.data[m.end] || r.data[m.end] != '"' && r.data[m.end] != '\'' || isChart(r.data[start:m.start]) {
		return Ambiguous, notLiteral, false
	}
	after := bytes.TrimLeft(r.data[m.end+1:min(len(r.data), m.end+64)], " \t")
	before := r.data[max(0, start-1-maxContext) : start-1]
	if len(after) > 0 && strings.IndexByte(":+%.", after[0]) >= 0 || bytes.HasSuffix(bytes.TrimRight(before, " \t"), []byte("+")) {
		return Ambiguous, notLiteral, false
	}
	owner := ownerOf(before)
	r.work += len(before)
	return tell(m, owner, isImageKey(owner))
}

// tell decides by the name of what has the reference for its value.
func tell(m mention, owner string, isImage bool) (class Class, why string, found bool) {
	switch {
	case slices.Contains(builders, owner):
		return Built, builtHere, false
	case m.image.Tag == "" && m.image.Digest == "" && !isImage:
		return Ambiguous, noTag, false
	}
	return Ambiguous, "", true
}

// isChart reports whether a scheme also means what is no image.
func isChart(scheme []byte) bool { return string(scheme) == "oci://" }

// isImageKey reports whether a key or a variable of this name holds an image, as tools
// name them: image, baseImage, base_image, BASE_IMAGE.
func isImageKey(name string) bool {
	lower := strings.ToLower(name)
	if !strings.HasSuffix(lower, "image") {
		return false
	}
	rest := name[:len(name)-len("image")]
	return rest == "" || strings.ContainsAny(rest[len(rest)-1:], "_-") || name[len(rest)] == 'I' && rest != strings.ToUpper(rest)
}

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
			return string(before[len(bytes.TrimRight(before, wordBytes+"-")):])
		default: // Groovy: image 'x'
			return string(before[len(bytes.TrimRight(before, wordBytes+"-")):])
		}
	}
}

// word tells what a reference on a command line is. It can be pinned where it is the
// value of a variable or an option, or what a command pulls.
func (r *results) word(m mention, within place) (class Class, why string, found bool) {
	start, end := m.start-len(schemeBefore(r.data[:m.start])), m.end
	start = max(start, within.start)
	quoted := start > within.start && end < within.end && (r.data[start-1] == '"' || r.data[start-1] == '\'') && r.data[start-1] == r.data[end]
	if quoted {
		start, end = start-1, end+1
	}
	if end < within.end && strings.IndexByte(" \t\r\n\"'`;|&)<>\\", r.data[end]) < 0 || isChart(r.data[start:m.start]) {
		return Ambiguous, notLiteral, false
	}
	line := commandBefore(r.data[max(within.start, start-maxContext):start])
	r.work += len(line)
	words := strings.Fields(line)
	if name, ok := assigned(line); ok {
		switch u := r.uses()[name]; {
		case u.push:
			return Built, builtHere, false
		case u.part:
			return Ambiguous, usedInPart, false
		}
		return tell(m, name, isImageKey(strings.TrimLeft(name, "-")) || name == "--from")
	}
	if line != "" && strings.IndexByte(" \t\n\"'`(", line[len(line)-1]) < 0 {
		return Ambiguous, notLiteral, false
	}
	if n := len(words); n > 0 && (slices.Contains(builders, words[n-1]) || slices.Contains(words, "push") || slices.Contains(words, "SAVE")) {
		return Built, builtHere, false
	}
	if slices.ContainsFunc(words, func(w string) bool { return slices.Contains(runners, w) }) {
		return Ambiguous, "", true
	}
	return Ambiguous, notKnown, false
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
	match := assignment().FindStringSubmatch(line[max(0, len(line)-maxShown):])
	if match == nil {
		return "", false
	}
	return match[1], true
}

// use is what a file does with a variable beside giving it to a command.
type use struct{ part, push bool }

// uses returns what the file does with its variables: it has them as a part of a longer
// name, or pushes what they name.
func (r *results) uses() map[string]use {
	if r.variables != nil {
		return r.variables
	}
	r.variables = map[string]use{}
	for from := 0; ; {
		i := bytes.IndexByte(r.data[from:], '$')
		if i < 0 {
			return r.variables
		}
		dollar := from + i
		from = dollar + 1
		name := bytes.TrimLeft(r.data[from:min(len(r.data), from+maxShown)], "{(")
		name, after := name[:len(name)-len(bytes.TrimLeft(name, wordBytes))], bytes.TrimLeft(name, wordBytes)
		after = bytes.TrimLeft(after, "})")
		command := commandBefore(bytes.TrimRight(r.data[max(0, dollar-maxShown):dollar], `"'`))
		words := strings.Fields(command)
		r.work += len(command) + len(name)
		u := r.variables[string(name)]
		u.part = u.part || len(after) > 0 && strings.IndexByte(":/@-.", after[0]) >= 0 || command != "" && strings.HasSuffix(command, "/")
		u.push = u.push || len(words) > 0 && slices.Contains(builders, words[len(words)-1]) || slices.Contains(words, "push")
		r.variables[string(name)] = u
	}
}
