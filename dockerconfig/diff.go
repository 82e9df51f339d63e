package dockerconfig

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Diff shows what Save would change, as a unified diff; "" where it is nothing.
// It is for reading, not for patch: strings other than the helpers' names show
// as "***", since they may be secrets, and characters that could drive a
// terminal show escaped.
func (f *File) Diff() string {
	if !f.Changed() {
		return ""
	}
	before, after := f.Path, f.Path
	if !f.old.exists {
		before = "/dev/null"
	}
	if !f.new.exists {
		after = "/dev/null"
	}
	hunk := unified(textLines(f.old.text), textLines(f.new.text))
	return "--- " + before + "\n+++ " + after + "\n" + hunk
}

// line is a line of a file.
type line struct {
	text  string // as it stands there
	shown string // what may be shown of it: two that differ may look alike
}

// textLines gives the lines of a configuration file.
func textLines(text []byte) []line {
	var all []line
	// No string of JSON goes over a line's end, so that masking leaves their number.
	show := lines(shown(text))
	for i, l := range lines(string(text)) {
		all = append(all, line{l, show[i]})
	}
	return all
}

// unified gives one hunk from the first to the last line that differ, with
// three lines around. An edit changes one place, so a search for lines that both
// have in between would find next to nothing.
func unified(a, b []line) string {
	const context = 3
	start, end := 0, 0
	for start < len(a) && start < len(b) && a[start].text == b[start].text {
		start++
	}
	for end < len(a)-start && end < len(b)-start && a[len(a)-1-end].text == b[len(b)-1-end].text {
		end++
	}
	lead, trail := min(start, context), min(end, context)
	from := start - lead
	var out strings.Builder
	fmt.Fprintf(&out, "@@ -%s +%s @@\n", span(from, len(a)-end+trail), span(from, len(b)-end+trail))
	write := func(sign string, lines []line) {
		for _, l := range lines {
			out.WriteString(sign + l.shown)
			if !strings.HasSuffix(l.shown, "\n") {
				out.WriteString("\n\\ No newline at end of file\n")
			}
		}
	}
	write(" ", a[from:start])
	write("-", a[start:len(a)-end])
	write("+", b[start:len(b)-end])
	write(" ", a[len(a)-end:len(a)-end+trail])
	return out.String()
}

// span writes lines from (counted from 0) to end as a hunk's head does.
func span(from, end int) string {
	if from == end {
		return fmt.Sprintf("%d,0", from)
	}
	return fmt.Sprintf("%d,%d", from+1, end-from)
}

func lines(text string) []string {
	return slices.Collect(strings.Lines(text))
}

// shown makes a configuration file safe to show.
func shown(text []byte) string {
	return printable(masked(text))
}

// masked blanks every string outside of credHelpers and credsStore that is no
// key. Not only auths holds secrets: HttpHeaders and proxies do, and keys that we
// do not know may.
func masked(text []byte) []byte {
	d, err := parse(text)
	if err != nil || d.root == nil {
		return text // parse saw it before: it is empty
	}
	var out bytes.Buffer
	done := 0
	for _, m := range d.root.members {
		if m.name == helpersKey || m.name == "credsStore" {
			continue
		}
		for at := m.value; at < m.valueEnd; {
			if text[at] != '"' {
				at++
				continue
			}
			end := skipString(text, at)
			if next := skipBlanks(text, end); end == m.valueEnd || text[next] != ':' {
				out.Write(text[done:at])
				out.WriteString(`"***"`)
				done = end
			}
			at = end
		}
	}
	out.Write(text[done:])
	return out.Bytes()
}

// printable escapes what is no printable character, line ends and tabs apart.
func printable(text []byte) string {
	var out strings.Builder
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		switch {
		case bytes.HasPrefix(text, []byte("\r\n")), r == '\n', r == '\t', unicode.IsPrint(r) && (r != utf8.RuneError || n > 1):
			out.WriteRune(r)
		case n == 1 && r == utf8.RuneError:
			fmt.Fprintf(&out, `\x%02x`, text[0])
		default:
			out.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
		text = text[n:]
	}
	return out.String()
}
