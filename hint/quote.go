package hint

import (
	"runtime"
	"strings"
)

// shellSafe are the characters that have no meaning of their own in any shell.
const shellSafe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:@%+,"

// Quote returns text, which must not contain NUL, as one word of a POSIX shell (XCU, section
// 2.2.2).
func Quote(text string) string {
	safe := shellSafe
	if runtime.GOOS == "windows" {
		safe += `\` // in paths
	}
	if text != "" && strings.Trim(text, safe) == "" {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
