package dockerconfig

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/aymanbagabas/go-udiff"
)

// Diff returns what Save would change as a unified diff, or "" if nothing changes. It is
// for reading, not for patch: strings other than the helpers' names are shown as "***",
// since they may be secrets, and control characters are escaped. A change of such strings
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

// printable escapes characters that are not printable, except line ends and tabs.
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
