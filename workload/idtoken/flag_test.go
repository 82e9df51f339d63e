package idtoken

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFromFlag(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	write(t, "token", jwt+"\n")
	write(t, jwt[:40], "a file whose name looks like a token") // no dot missing: it is there
	if err := os.Mkdir("folder", 0o700); err != nil {
		t.Fatal(err)
	}
	there := func(name string) string {
		path, err := filepath.Abs(name)
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	long := strings.Repeat("x", 300)

	for _, test := range []struct {
		name, arg   string
		token, path string
		exposed     bool
		err         string
	}{
		{name: "standard input", arg: "-", token: "from-stdin"},
		{name: "a file beside", arg: "token", token: jwt, path: there("token")},
		{name: "a file by ./", arg: "./token", token: jwt, path: there("token")},
		{name: "a file by its whole path", arg: there("token"), token: jwt, path: there("token")},
		{name: "a file that is named like a token", arg: jwt[:40], token: "a file whose name looks like a token", path: there(jwt[:40])},
		{name: "I21 a value", arg: jwt, token: jwt, exposed: true},
		{name: "I21 a value with its line end", arg: jwt + "\n", token: jwt, exposed: true},
		{name: "a short value in three parts", arg: "a.b.c", token: "a.b.c", exposed: true},
		{name: "an opaque value", arg: long, token: long, exposed: true},
		{name: "an opaque value with slashes", arg: long + "/+/" + long, token: long + "/+/" + long, exposed: true},

		{name: "empty", arg: "", err: "is empty"},
		{name: "a folder", arg: "folder", err: "it is not a regular file"},
		{name: "a device", arg: os.DevNull, err: "it is not a regular file"},
		{name: "no such file by its whole path", arg: there("other"), err: "no ID token from the file " + there("other") + ": "},
		{name: "no such file by ./", arg: "./other", err: "no ID token from the file ./other: "},
		{name: "a home that no shell filled in", arg: "~/token", err: "no ID token from the file ~/token: "},
		{name: "a Windows path", arg: `C:\token.jwt`, err: `no ID token from the file C:\token.jwt: `},
		{name: "a folder that is not there", arg: "run/token", err: "nor the name of a file"},
		{name: "a file in a file", arg: "token/token", err: "nor the name of a file"},
		{name: "a short word", arg: "tokn", err: "nor the name of a file"},
		{name: "a short name with a dot", arg: "token.jwt", err: "nor the name of a file"},
		{name: "a long rooted one", arg: "/" + long + jwt, err: "nor the name of a file"},
		{name: "a variable that no shell replaced", arg: "$ID_TOKEN", err: "nor the name of a file"},
		{name: "I49 a value with a line break", arg: jwt + "\n" + jwt, err: "control character"},
		{name: "I49 a value with NUL", arg: jwt + "\x00", err: "control character"},
		{name: "I49 200 KB", arg: strings.Repeat(jwt, 2000), err: "over 64 KiB"},
	} {
		t.Run(test.name, func(t *testing.T) {
			source, err := FromFlag(test.arg, strings.NewReader("from-stdin\n"))
			if test.err != "" {
				wants(t, "", err, "", test.err)
				if source.Token != nil {
					t.Error("Token: got one beside an error, want none")
				}
				return
			}
			if err != nil {
				t.Fatalf("got error %v, want none", err)
			}
			token, err := source.Token(t.Context())
			wants(t, token, err, test.token, "")
			if source.Path != test.path {
				t.Errorf("Path: got %q, want %q", source.Path, test.path)
			}
			if source.Exposed != test.exposed {
				t.Errorf("Exposed: got %v, want %v", source.Exposed, test.exposed)
			}
		})
	}
}

// FuzzMistyped: an argument that names nothing is either taken as a token, or is an
// error that quotes it only if it begins as a path does.
func FuzzMistyped(f *testing.F) {
	for _, seed := range []string{"", jwt, "$A", "${A", "/a", "a/b", `C:\a`, "~", "a.b.c", "\x1b[2J", "./\x1b]8;;"} {
		f.Add(seed)
	}
	missing := &fs.PathError{Op: "stat", Path: "path", Err: errors.New("no such file")}
	f.Fuzz(func(t *testing.T, arg string) {
		err := mistyped(arg, missing)
		if err == nil {
			if len(arg) < minToken && strings.Count(arg, ".") != 2 || beginsAsPath(arg) {
				t.Errorf("%q: got none, want an error", arg)
			}
			return
		}
		wantsPlain(t, err)
		if !beginsAsPath(arg) && err.Error() != mistyped("x", missing).Error() {
			t.Errorf("%q: got %q, want nothing quoted", arg, err)
		}
	})
}
