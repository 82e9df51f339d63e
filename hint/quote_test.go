package hint

import (
	"os/exec"
	"strings"
	"testing"
)

func TestQuote(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("there is no sh here")
	}
	for _, text := range []string{
		"", "a", "a b", "it's", "''", `\`, `a\'b`, "$(exit 7)", "`exit 7`", "a;exit 7", "a\nexit 7\n", "!x", "~", "*", "#x", "a=b", "-n",
		"\x1b[31m", "\xff", "${HOME}", "a&b|c>d", "ümlaut",
	} {
		t.Run("I75 "+text, func(t *testing.T) {
			out, err := exec.Command("sh", "-c", "set -eu; X="+POSIX.Quote(text)+"; printf '%s.' "+POSIX.Quote(text)+` "$X"`).Output()
			if want := text + "." + text + "."; err != nil || string(out) != want {
				t.Errorf("the shell reads %s as %q, %v, want %q", POSIX.Quote(text), out, err, want)
			}
		})
	}
	if got := Quote("89fe/01-_.:"); strings.Contains(got, "'") {
		t.Errorf("got %s, want no quotes where none are needed", got)
	}
}
