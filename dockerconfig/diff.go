package dockerconfig

import (
	"bytes"
	"strings"
	"unicode"

	"github.com/aymanbagabas/go-udiff"
)

// Diff returns what Save would change as a unified diff, or "" if nothing changes. It is
// for reading, not for patch: strings other than the helpers' names are shown as "***",
// since they may be secrets, and control characters are replaced. A change of such strings
// alone does not show.
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
	return udiff.Unified(before, after, shown(f.old.text), shown(f.new.text))
}

// shown returns the text of a configuration file without secrets.
func shown(text []byte) string {
	return printable(masked(text))
}

// masked replaces every string value outside of credHelpers and credsStore. Not only auths
// has secrets: HttpHeaders and proxies do, and unknown keys may.
func masked(text []byte) []byte {
	d, err := parse(text)
	if err != nil || d.root == nil {
		return text // it is empty: Load has parsed it
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

// printable replaces characters that are not printable, except line ends and tabs.
func printable(text []byte) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, strings.ReplaceAll(string(text), "\r\n", "\n"))
}
