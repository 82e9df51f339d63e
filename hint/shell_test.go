package hint

import "testing"

func TestShellSet(t *testing.T) {
	for _, test := range []struct {
		shell       Shell
		value, want string
	}{
		{POSIX, "a/b", "export X=a/b"},
		{POSIX, "it's", `export X='it'\''s'`},
		{PowerShell, "a/b", "$env:X = 'a/b'"},
		{PowerShell, "it's $(x) ‘y’", "$env:X = 'it''s $(x) ‘‘y’’'"},
		{Cmd, "eyJ.a-b_c=", `set "X=eyJ.a-b_c="`},
		{Cmd, `a"&calc`, ""},
		{Cmd, "%PATH%", ""},
	} {
		got, err := test.shell.Set("X", test.value)
		if got != test.want || (err != nil) != (test.want == "") {
			t.Errorf("I75 %s, %q: got %s, %v, want %s", test.shell, test.value, got, err, test.want)
		}
	}
}

func TestShellUnset(t *testing.T) {
	for shell, want := range map[Shell]string{POSIX: "unset A B", PowerShell: "Remove-Item Env:A, Env:B"} {
		if got := shell.Unset("A", "B"); got != want {
			t.Errorf("%s: got %s, want %s", shell, got, want)
		}
	}
}

func TestPowerShellQuote(t *testing.T) {
	for text, want := range map[string]string{`C:\a.b`: `C:\a.b`, "a b": "'a b'", "it's": "'it''s'", "@a": "'@a'", "": "''"} {
		if got := PowerShell.Quote(text); got != want {
			t.Errorf("I75 %q: got %s, want %s", text, got, want)
		}
	}
}
