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

// maxPrintable is how many runes of a server's text are shown.
const maxPrintable = 300

// Printable makes a server's text safe to show: one line of at most 300 runes, with
// control and direction characters escaped, so that it cannot control the terminal or look
// like a message of this program. For a server that was sent secrets, it redacts these and
// everything that looks like a part of a token.
func Printable(text string, secrets ...string) string {
	for _, secret := range secrets {
		text = redact(text, secret)
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
	return escapeCommands(strings.TrimSpace(out.String()))
}

// escapeCommands escapes what the log of a CI job takes for commands: :: at the beginning
// of a line, and ##[ or ##vso[ anywhere (actions/runner, ActionCommand.cs; Azure Pipelines).
func escapeCommands(text string) string {
	if strings.HasPrefix(text, "::") {
		text = `:\` + text[1:]
	}
	for strings.Contains(text, "##") { // ### is two of them
		text = strings.ReplaceAll(text, "##", `#\#`)
	}
	return text
}

// tokenRun matches characters of base64, base64url and percent-encoding, more than a word
// has. It is compiled when a server's text is first shown, not at each start.
var tokenRun = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`[A-Za-z0-9_+=%-]{24,}`) })

// cutTokens removes what looks like a part of a token from the text of a server that was
// sent one, and may repeat a part of it in another encoding.
func cutTokens(text string) string {
	return tokenRun().ReplaceAllStringFunc(text, func(run string) string {
		if looksRandom(run) {
			return "[cut]"
		}
		return run
	})
}

// escapes matches percent-encoded bytes (RFC 3986, section 2.1).
var escapes = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`%[0-9A-Fa-f]{2}`) })

// looksRandom reports whether run has upper case, lower case and digits, as parts of
// tokens do, and IDs, digests and names of images do not. Percent-encoded bytes, such as
// the colon of a scope, do not count.
func looksRandom(run string) bool {
	run = escapes().ReplaceAllString(run, "")
	return strings.ContainsAny(run, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") &&
		strings.ContainsAny(run, "abcdefghijklmnopqrstuvwxyz") && strings.ContainsAny(run, "0123456789")
}

// PrintableLines makes a text of several lines safe to show, and keeps its lines and its
// indentation: it escapes control and direction characters other than line ends and tabs,
// and what the log of a CI job takes for commands. A carriage return ends a line too, as it
// does for a CI runner.
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
		out.WriteString(clean.String()[:clean.Len()-len(shown)] + escapeCommands(shown))
	}
	return out.String()
}

// writeRune writes a character, or its escape if it could control a terminal.
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

// redact removes secret from text, in every form in which a server, a proxy or an error of
// net/http may repeat it: each character in another letter case, percent-encoded, or
// escaped as in JSON.
func redact(text, secret string) string {
	if len(secret) < 8 { // too short for a secret: redacting it could remove words
		return text
	}
	var out strings.Builder
	for text != "" {
		if n := encodedLength(text, secret); n > 0 {
			out.WriteString("[secret]")
			text = text[n:]
			continue
		}
		out.WriteByte(text[0])
		text = text[1:]
	}
	return out.String()
}

// encodedLength returns the length of secret in any form at the start of text, or 0.
func encodedLength(text, secret string) int {
	rest := text
	for i := range len(secret) {
		n := encodedByteLength(rest, secret[i])
		if n == 0 {
			return 0
		}
		rest = rest[n:]
	}
	return len(text) - len(rest)
}

func encodedByteLength(text string, b byte) int {
	for _, form := range [...]string{
		string(rune(b)),
		fmt.Sprintf("%%%02x", b),
		fmt.Sprintf(`\u%04x`, b),
		`\` + string(rune(b)),
	} {
		if len(text) >= len(form) && strings.EqualFold(text[:len(form)], form) {
			return len(form)
		}
	}
	return 0
}
