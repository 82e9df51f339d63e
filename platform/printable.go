package platform

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// maxPrintable is how many runes of a foreign text are shown.
const maxPrintable = 300

// Printable makes a text that a server sent safe to show: one line, control and
// direction characters escaped, so that it can neither drive the terminal nor
// pass for words of ours; at most 300 runes. Of a text from a server that was sent
// secrets they are blanked, and so is all that looks like a piece of a token.
func Printable(text string, secrets ...string) string {
	for _, secret := range secrets {
		text = blank(text, secret)
	}
	if len(secrets) > 0 {
		text = cutTokens(text)
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

// tokenRun are the characters of base64, base64url and percent-encoding, as many as no
// word has. It is compiled when a server's text is first shown, not at each start.
var tokenRun = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`[A-Za-z0-9_+=%-]{24,}`) })

// cutTokens removes what looks like a piece of a token from the words of a server that
// was sent one, which may repeat a part of it in a spelling of its own.
func cutTokens(text string) string {
	return tokenRun().ReplaceAllStringFunc(text, func(run string) string {
		if looksRandom(run) {
			return "[cut]"
		}
		return run
	})
}

// escapes are those of percent-encoding (RFC 3986, section 2.1).
var escapes = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`%[0-9A-Fa-f]{2}`) })

// looksRandom reports whether a run holds upper case, lower case and digits, as pieces
// of tokens do, and ids, digests and names of images do not. What an address escapes,
// such as the colon of a scope, is neither.
func looksRandom(run string) bool {
	run = escapes().ReplaceAllString(run, "")
	return strings.ContainsAny(run, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") &&
		strings.ContainsAny(run, "abcdefghijklmnopqrstuvwxyz") && strings.ContainsAny(run, "0123456789")
}

// PrintableLines makes a text of several lines safe to show, whose lines and
// indentation matter: control and direction characters are escaped but for line ends
// and tabs, and what the log of a CI job takes for commands is broken. A carriage return
// ends a line too, as it does for a CI runner.
func PrintableLines(text string) string {
	var out strings.Builder
	for line := range strings.Lines(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)) {
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
