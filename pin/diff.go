package pin

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

// around is how many lines a diff shows before and after a change.
const around = 3

// Diff shows what Write would change, as a unified diff that `git apply` and `patch -p1`
// take; "" where that is nothing. The lines are the files' own, whatever is in them.
func (s *Set) Diff() string {
	var out strings.Builder
	for _, f := range s.files {
		if after, changed := f.changed(); changed {
			fmt.Fprintf(&out, "--- %s\n+++ %s\n", diffPath("a", f.path), diffPath("b", f.path))
			writeHunks(&out, lines(f.text), lines(after))
		}
	}
	return out.String()
}

// diffPath is a file's name in the head of a diff, quoted where it has to be.
func diffPath(side, path string) string {
	path = strings.TrimPrefix(filepath.ToSlash(path), "./")
	if !filepath.IsAbs(path) && !strings.HasPrefix(path, "../") {
		path = side + "/" + path
	}
	if strings.ContainsAny(path, "\"\\\x7f") || strings.ContainsFunc(path, func(r rune) bool { return r < ' ' }) {
		return quoted(path)
	}
	if strings.Contains(path, " ") {
		return path + "\t" // where the name ends: patch takes a blank for that otherwise
	}
	return path
}

// quoted writes a name as git does, and patch reads it.
func quoted(name string) string {
	out := []byte{'"'}
	for _, b := range []byte(name) {
		switch {
		case b == '"' || b == '\\':
			out = append(out, '\\', b)
		case b < ' ' || b >= 0x7f:
			out = fmt.Appendf(out, "\\%03o", b)
		default:
			out = append(out, b)
		}
	}
	return string(append(out, '"'))
}

func lines(text []byte) []string {
	var all []string
	for line := range strings.Lines(string(text)) {
		all = append(all, line)
	}
	return all
}

// writeHunks writes the lines that differ with those around them. A reference is part
// of one line and stays so: both have as many lines.
func writeHunks(out *strings.Builder, before, after []string) {
	for at := 0; at < len(before); {
		if before[at] == after[at] {
			at++
			continue
		}
		start, end := max(0, at-around), at+1 // the hunk, without what comes behind it
		for next := end; next < len(before) && next <= end+2*around; next++ {
			if before[next] != after[next] {
				end = next + 1
			}
		}
		at = end
		writeHunk(out, before, after, start, min(len(before), end+around))
	}
}

func writeHunk(out *strings.Builder, before, after []string, start, end int) {
	span := strconv.Itoa(start + 1)
	if end-start != 1 {
		span += "," + strconv.Itoa(end-start)
	}
	fmt.Fprintf(out, "@@ -%s +%s @@\n", span, span)
	for at := start; at < end; {
		run := at
		for run < end && before[run] != after[run] {
			run++
		}
		if run == at {
			writeLines(out, " ", before[at:at+1])
			at++
			continue
		}
		writeLines(out, "-", before[at:run])
		writeLines(out, "+", after[at:run])
		at = run
	}
}

func writeLines(out *strings.Builder, sign string, lines []string) {
	for _, line := range lines {
		out.WriteString(sign + line)
		if !strings.HasSuffix(line, "\n") {
			out.WriteString("\n\\ No newline at end of file\n")
		}
	}
}
