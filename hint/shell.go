package hint

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"unicode"
)

// Shell is a shell for which commands are written.
type Shell string

// The shells.
const (
	POSIX      Shell = "sh"
	PowerShell Shell = "powershell"
	Cmd        Shell = "cmd"
)

// SystemShell returns the shell in which the user of this process pastes commands.
func SystemShell() Shell { return systemShell(runtime.GOOS, os.Getenv) }

// systemShell is SystemShell of a system with an environment. On Windows, Git Bash and MSYS2
// set MSYSTEM. cmd sets PROMPT, which PowerShell inherits if it was started from cmd; but
// PowerShell adds a folder of the user to PSModulePath (about_PSModulePath).
func systemShell(system string, getenv func(string) string) Shell {
	home := getenv("USERPROFILE")
	switch {
	case system != "windows", getenv("MSYSTEM") != "":
		return POSIX
	case getenv("PROMPT") != "" && (home == "" || !strings.Contains(getenv("PSModulePath"), home)):
		return Cmd
	}
	return PowerShell
}

// ParseShell parses the name of a shell; "" is that of this system.
func ParseShell(name string) (Shell, error) {
	switch s := Shell(name); s {
	case "":
		return SystemShell(), nil
	case POSIX, PowerShell, Cmd:
		return s, nil
	}
	return "", fmt.Errorf("%q is not a shell: use sh, powershell or cmd", name)
}

// powerShellQuotes doubles the characters that end a string in single quotes in PowerShell,
// which include typographic quotes (about_Quoting_Rules).
var powerShellQuotes = strings.NewReplacer("'", "''", "\u2018", "\u2018\u2018", "\u2019", "\u2019\u2019", "\u201a", "\u201a\u201a", "\u201b", "\u201b\u201b")

// Set returns the command that sets an environment variable. cmd cannot quote all texts: the
// error says so.
func (s Shell) Set(name, value string) (string, error) {
	switch s {
	case PowerShell:
		return "$env:" + name + " = '" + powerShellQuotes.Replace(value) + "'", nil
	case Cmd:
		if !isQuotableByCmd(value) {
			return "", fmt.Errorf("the value of %s has characters that cmd cannot quote", name)
		}
		return `set "` + name + "=" + value + `"`, nil
	}
	return "export " + name + "=" + quotePOSIX(value), nil
}

// isQuotableByCmd reports whether text means itself in double quotes: cmd expands variables
// there too.
func isQuotableByCmd(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return strings.ContainsRune(`"%!^`, r) || !unicode.IsPrint(r) })
}

// Unset returns the command that unsets environment variables.
func (s Shell) Unset(names ...string) string {
	switch s {
	case PowerShell:
		return "Remove-Item Env:" + strings.Join(names, ", Env:")
	case Cmd:
		return `set "` + strings.Join(names, `=" & set "`) + `="`
	}
	return "unset " + strings.Join(names, " ")
}

// Set returns the hint to set an environment variable.
func Set(name, value string) Hint {
	command, err := SystemShell().Set(name, value)
	if err != nil { // cmd cannot quote it
		return Text("set %s to %s", name, value)
	}
	return Hint{Text: command}
}

// Unset returns the hint to unset environment variables.
func Unset(names ...string) Hint { return Hint{Text: SystemShell().Unset(names...)} }
