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
		{Cmd, `C:\Program Files (x86)\a & b`, `set "X=C:\Program Files (x86)\a & b"`},
		{Cmd, `a"&calc`, ""},
		{Cmd, "a\nb", ""},
		{Cmd, "a!b!", ""},
		{Cmd, "%PATH%", ""},
	} {
		got, err := test.shell.Set("X", test.value)
		if got != test.want || (err != nil) != (test.want == "") {
			t.Errorf("I75 %s, %q: got %s, %v, want %s", test.shell, test.value, got, err, test.want)
		}
	}
}

func TestShellUnset(t *testing.T) {
	for shell, want := range map[Shell]string{POSIX: "unset A B", PowerShell: "Remove-Item Env:A, Env:B", Cmd: `set "A=" & set "B="`} {
		if got := shell.Unset("A", "B"); got != want {
			t.Errorf("%s: got %s, want %s", shell, got, want)
		}
	}
}

func TestCmdQuote(t *testing.T) {
	for text, want := range map[string]string{
		`C:\a.b`: `C:\a.b`, "a b": `"a b"`, "a&calc": `"a&calc"`, "@a": `"@a"`, "": `""`,
		"%PATH%": `"…"`, `a"b`: `"…"`, `C:\a b\`: `"…"`, "a\nb": `"…"`,
	} {
		if got := Cmd.Quote(text); got != want {
			t.Errorf("I75 %q: got %s, want %s", text, got, want)
		}
	}
}

func TestSystemShell(t *testing.T) {
	const machine = `C:\Program Files\WindowsPowerShell\Modules`
	for _, test := range []struct {
		system string
		env    map[string]string
		want   Shell
	}{
		{"linux", map[string]string{"PROMPT": "$P$G"}, POSIX},
		{"windows", nil, PowerShell},
		{"windows", map[string]string{"PROMPT": "$P$G", "USERPROFILE": `C:\Users\ada`, "PSModulePath": machine}, Cmd},
		{"windows", map[string]string{"PROMPT": "$P$G"}, Cmd},
		{"windows", map[string]string{"USERPROFILE": `C:\Users\ada`, "PSModulePath": `C:\Users\ada\Documents\PowerShell\Modules;` + machine}, PowerShell},
		{"windows", map[string]string{"PROMPT": "$P$G", "USERPROFILE": `C:\Users\ada`, "PSModulePath": `C:\Users\ada\Documents\PowerShell\Modules;` + machine}, PowerShell},
		{"windows", map[string]string{"MSYSTEM": "MINGW64", "PROMPT": "$P$G"}, POSIX},
	} {
		if got := systemShell(test.system, func(name string) string { return test.env[name] }); got != test.want {
			t.Errorf("%s with %v: got %s, want %s", test.system, test.env, got, test.want)
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
