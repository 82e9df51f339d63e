package cli

import "strings"

// shellSafe are the characters that no shell takes for anything but themselves,
// wherever they stand in a word.
const shellSafe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:@%+,"

// shellQuote writes text as one word of a POSIX shell (XCU, section 2.2.2), which
// runs nothing of it. It must not hold a NUL, which no shell can.
func shellQuote(text string) string {
	if text != "" && strings.Trim(text, shellSafe) == "" {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
