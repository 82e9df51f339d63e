package toolconfig

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func TestGoAuthValue(t *testing.T) {
	const command = "docker-credential-cgr headers -o go"
	for _, test := range []struct{ value, with, without string }{
		{"netrc", command + ";netrc", "netrc"},
		{"", command, ""},
		{"off", command, "off"},
		{command + ";netrc", command + ";netrc", "netrc"},
		{"git /src; " + command + " ;netrc", command + ";git /src;netrc", "git /src;netrc"},
		{command, command, ""},
		{command + " --verbose", command + ";" + command + " --verbose", command + " --verbose"},
	} {
		g := GoAuth{test.value, command}
		if got := g.With(); got != test.with {
			t.Errorf("%q with the command: got %q, want %q", test.value, got, test.with)
		}
		if got := g.Without(); got != test.without {
			t.Errorf("%q without the command: got %q, want %q", test.value, got, test.without)
		}
	}
}

func TestLink(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("links need a right there")
	}
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	program := filepath.Join(dir, "program")
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o700); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	for _, exists := range []bool{false, true} { // the second time there is nothing to do
		l, err := FindLinkInPath("keyring", program)
		if err != nil || l.Exists != exists || l.Path != filepath.Join(dir, "keyring") {
			t.Fatalf("got %+v, %v, want it beside the program, exists %t", l, err, exists)
		}
		if err := l.Make(); err != nil {
			t.Fatal(err)
		}
	}
	l, err := FindLinkInPath("keyring", program)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Remove(); err != nil {
		t.Fatal(err)
	}
	for name, make := range map[string]func(path string) error{
		"another program":       func(path string) error { return os.WriteFile(path, []byte("#!/bin/sh\n"), 0o700) }, //nolint:gosec // a program
		"no program":            func(path string) error { return os.WriteFile(path, []byte("x"), 0o600) },
		"a link to nothing":     func(path string) error { return os.Symlink("/nonexistent", path) },
		"a link to another":     func(path string) error { return os.Symlink("/bin/sh", path) },
		"a copy of the program": func(path string) error { return os.Link(program, path) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, "keyring")
			if err := make(path); err != nil {
				t.Fatal(err)
			}
			defer os.Remove(path)
			var other *OtherProgramError
			if l, err := FindLinkInPath("keyring", program); !errors.As(err, &other) || other.Path != path {
				t.Errorf("got %+v, %v, want an *OtherProgramError", l, err)
			}
		})
	}
}

func FuzzGoAuth(f *testing.F) {
	f.Add("netrc")
	f.Add("git /src; docker-credential-cgr headers -o go ;netrc")
	f.Fuzz(func(t *testing.T, value string) {
		g := GoAuth{value, "docker-credential-cgr headers -o go"}
		with := GoAuth{g.With(), g.Command}
		if with.With() != with.Value {
			t.Errorf("%q is not stable: %q, then %q", value, with.Value, with.With())
		}
		if rest := (GoAuth{with.Without(), g.Command}); rest.Without() != rest.Value {
			t.Errorf("%q is not removed at once: %q, then %q", value, rest.Value, rest.Without())
		}
	})
}
