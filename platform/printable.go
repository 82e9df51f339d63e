package platform

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxPrintable is how many runes of a foreign text are shown.
const maxPrintable = 300

// Printable makes a text that a server sent safe to show: one line, control and
// direction characters escaped, so that it can neither drive the terminal nor
// pass for words of ours; at most 300 runes; secrets blanked, which the text may
// echo as they are or percent-encoded.
func Printable(text string, secrets ...string) string {
	for _, secret := range secrets {
		text = blank(text, secret)
	}
	var out strings.Builder
	n := 0
	for _, r := range text {
		if n++; n > maxPrintable {
			out.WriteString("…")
			break
		}
		if r == '\n' || r == '\t' {
			r = ' '
		}
		writeRune(&out, r)
	}
	return inLog(strings.TrimSpace(out.String()))
}

// inLog breaks what the log of a CI job takes for commands: :: at the beginning of a
// line, and ##[ or ##vso[ anywhere (actions/runner, ActionCommand.cs; Azure Pipelines).
func inLog(text string) string {
	if strings.HasPrefix(text, "::") {
		text = `:\` + text[1:]
	}
	for strings.Contains(text, "##") { // ### is two of them
		text = strings.ReplaceAll(text, "##", `#\#`)
	}
	return text
}

// PrintableLines makes a text of several lines safe to show, whose lines and
// indentation matter: control and direction characters are escaped but for line ends
// and tabs, and what the log of a CI job takes for commands is broken.
func PrintableLines(text string) string {
	var out strings.Builder
	for line := range strings.Lines(strings.ReplaceAll(text, "\r\n", "\n")) {
		var clean strings.Builder
		for _, r := range line {
			if r == '\n' || r == '\t' {
				clean.WriteByte(byte(r))
				continue
			}
			writeRune(&clean, r)
		}
		shown := strings.TrimLeft(clean.String(), " \t")
		out.WriteString(clean.String()[:clean.Len()-len(shown)] + inLog(shown))
	}
	return out.String()
}

// writeRune writes a character, or its escape where it could drive a terminal.
func writeRune(out *strings.Builder, r rune) {
	switch {
	case r == utf8.RuneError:
		out.WriteString(`\ufffd`)
	case unicode.IsPrint(r): // neither C0, C1 nor the bidi marks, which are Cf
		out.WriteRune(r)
	default:
		out.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
	}
}

// blank removes secret from text, in every spelling in which a server, a proxy or
// an error of net/http repeats it: in another letter case, percent-encoded, or
// escaped as in JSON, each character for itself.
func blank(text, secret string) string {
	if len(secret) < 8 { // too short to be one, and blanking it would eat words
		return text
	}
	var out strings.Builder
	for text != "" {
		if n := spelled(text, secret); n > 0 {
			out.WriteString("[secret]")
			text = text[n:]
			continue
		}
		out.WriteByte(text[0])
		text = text[1:]
	}
	return out.String()
}

// spelled gives the length of secret's spelling at the start of text, or 0.
func spelled(text, secret string) int {
	rest := text
	for i := range len(secret) {
		n := spelledByte(rest, secret[i])
		if n == 0 {
			return 0
		}
		rest = rest[n:]
	}
	return len(text) - len(rest)
}

func spelledByte(text string, b byte) int {
	for _, spelling := range [...]string{
		string(rune(b)),
		fmt.Sprintf("%%%02x", b),
		fmt.Sprintf(`\u%04x`, b),
		`\` + string(rune(b)),
	} {
		if len(text) >= len(spelling) && strings.EqualFold(text[:len(spelling)], spelling) {
			return len(spelling)
		}
	}
	return 0
}
