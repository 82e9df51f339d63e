package hint

import "strings"

// shellSafe are the characters that have no meaning of their own in any shell.
const shellSafe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:@%+,"

// Quote returns text, which must not contain NUL, as one word of the shell of this system.
func Quote(text string) string { return SystemShell().Quote(text) }

// Quote returns text, which must not contain NUL, as one word of a command. What cmd cannot
// quote is "…" there: the user has to fill it in.
func (s Shell) Quote(text string) string {
	if s == POSIX {
		return quotePOSIX(text)
	}
	// "@", "," and "%" have a meaning in PowerShell or cmd, "\" is in paths.
	if text != "" && strings.Trim(text, strings.NewReplacer("@", "", ",", "", "%", "").Replace(shellSafe)+`\`) == "" {
		return text
	}
	if s == Cmd {
		if !isQuotableByCmd(text) || strings.HasSuffix(text, `\`) { // that would escape the quote
			return `"…"`
		}
		return `"` + text + `"`
	}
	return "'" + powerShellQuotes.Replace(text) + "'"
}

// quotePOSIX returns text as one word of a POSIX shell (XCU, section 2.2.2).
func quotePOSIX(text string) string {
	if text != "" && strings.Trim(text, shellSafe) == "" {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
