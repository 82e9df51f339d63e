package hint

import (
	"fmt"
	"runtime"
	"strings"
)

// Shell is a shell for which commands are written.
type Shell string

// The shells.
const (
	POSIX      Shell = "sh"
	PowerShell Shell = "powershell"
	Cmd        Shell = "cmd"
)

// SystemShell returns the shell in which users of this system paste commands.
func SystemShell() Shell {
	if runtime.GOOS == "windows" {
		return PowerShell
	}
	return POSIX
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
		if strings.Trim(value, strings.ReplaceAll(shellSafe, "%", "")+"=") != "" {
			return "", fmt.Errorf("the value of %s has characters that cmd cannot quote", name)
		}
		return `set "` + name + "=" + value + `"`, nil
	}
	return "export " + name + "=" + quotePOSIX(value), nil
}

// Unset returns the command that unsets environment variables.
func (s Shell) Unset(names ...string) string {
	if s == PowerShell {
		return "Remove-Item Env:" + strings.Join(names, ", Env:")
	}
	return "unset " + strings.Join(names, " ")
}

// Set returns the hint to set an environment variable.
func Set(name, value string) Hint {
	command, _ := SystemShell().Set(name, value) // an error is that of cmd
	return Hint{Text: command}
}

// Unset returns the hint to unset environment variables.
func Unset(names ...string) Hint { return Hint{Text: SystemShell().Unset(names...)} }
