package token

import (
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
		switch {
		case r == utf8.RuneError:
			out.WriteString(`\ufffd`)
		case r == '\n' || r == '\t':
			out.WriteByte(' ')
		case unicode.IsPrint(r): // neither C0, C1 nor the bidi marks, which are Cf
			out.WriteRune(r)
		default:
			out.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
	}
	return strings.TrimSpace(out.String())
}

// blank removes secret from text in the spellings in which a server, a proxy or
// an error of net/http repeats it.
func blank(text, secret string) string {
	if len(secret) < 8 { // too short to be one, and blanking it would eat words
		return text
	}
	for _, spelling := range spellings(secret) {
		text = strings.ReplaceAll(text, spelling, "[secret]")
	}
	return text
}
