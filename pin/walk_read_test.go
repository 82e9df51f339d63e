package pin

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"docker-credential-cgr/references"
)

func TestWalkSkips(t *testing.T) {
	big := strings.Repeat("#", maxSize)
	root := tree(t, map[string]string{
		"fits.yaml":     big[len(host):] + host,
		"big.yaml":      big + "\n",
		"binary.yaml":   host + "\x00",
		"other.yaml":    "x\x00y",
		"late.yaml":     host + strings.Repeat(" ", binaryHead) + "\x00",
		"utf16.yaml":    "\xff\xfec\x00g\x00r\x00.\x00d\x00e\x00v\x00",
		"utf16be.yaml":  "\xfe\xff\x00c\x00g\x00r\x00.\x00d\x00e\x00v",
		"utf16no.yaml":  "\xff\xfea\x00",
		"Dockerfile.md": image,
	})
	files, skipped, err := Walk(t.Context(), []string{root}, nil, host)
	if err != nil {
		t.Fatal(err)
	}
	same(t, pathsOf(t, root, files), "fits.yaml", "late.yaml")
	same(t, said(t, root, skipped),
		"big.yaml is over 10 MB, too big for what people write",
		"binary.yaml is binary",
		"utf16.yaml is UTF-16; save it as UTF-8",
		"utf16be.yaml is UTF-16; save it as UTF-8")

	t.Run("P24 what was named is always said", func(t *testing.T) {
		_, skipped, err := Walk(t.Context(), append([]string{root}, at(root, "other.yaml", "utf16no.yaml")...), nil, host)
		if err != nil || len(skipped) != 6 {
			t.Errorf("got %v and error %v, want six skipped", skipped, err)
		}
	})
}

func said(t *testing.T, root string, skipped []Skipped) []string {
	t.Helper()
	var all []string
	for _, s := range skipped {
		rel, err := filepath.Rel(root, s.Path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, filepath.ToSlash(rel)+" "+s.Why)
	}
	return all
}

func TestWalkSaysAllThatCannotBeRead(t *testing.T) {
	if os.Geteuid() <= 0 {
		t.Skip("the system lets this user read everything")
	}
	root := tree(t, map[string]string{
		"Dockerfile": image, "a/Dockerfile": image, "b/Dockerfile": image, "c/.gitignore": "x", "c/Dockerfile": image,
		"ignored/Dockerfile": image, ".gitignore": "ignored/\n",
	})
	for _, path := range []string{"a/Dockerfile", "b", "c/.gitignore", "ignored"} {
		path := filepath.Join(root, filepath.FromSlash(path))
		if err := os.Chmod(path, 0); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Chmod(path, 0o755) })
	}
	files, _, err := Walk(t.Context(), []string{root}, nil, host)
	same(t, pathsOf(t, root, files), "Dockerfile", "c/Dockerfile")
	if !errors.Is(err, fs.ErrPermission) {
		t.Fatalf("got %v, want that they may not be read", err)
	}
	lines := strings.Split(err.Error(), "\n")
	const hint = "; list it in .gitignore, or run this as somebody who may read it"
	for i, line := range lines {
		lines[i] = filepath.ToSlash(strings.Replace(line, root+string(filepath.Separator), "", 1))
	}
	same(t, lines,
		"cannot read b: permission denied"+hint,
		"cannot read c/.gitignore: permission denied",
		"cannot read a/Dockerfile: permission denied"+hint)
}

func TestReadPlainRefusesWhatIsNotThatFile(t *testing.T) {
	root := tree(t, map[string]string{"a": "a", "b": "b", "dir/": "", "link": "-> a"})
	path := filepath.Join(root, "a")
	if text, err := readPlain(path, os.Lstat); string(text) != "a" || err != nil {
		t.Errorf("got %q and error %v, want a", text, err)
	}
	if text, err := readPlain(filepath.Join(root, "link"), os.Stat); string(text) != "a" || err != nil {
		t.Errorf("a link, with os.Stat: got %q and error %v, want a", text, err)
	}
	for _, name := range []string{"dir", "link"} {
		if _, err := readPlain(filepath.Join(root, name), os.Lstat); err != errNotPlain {
			t.Errorf("%s: got %v, want %v", name, err, errNotPlain)
		}
	}
	_, err := readPlain(path, func(string) (fs.FileInfo, error) { return os.Lstat(filepath.Join(root, "b")) })
	if err != errReplaced {
		t.Errorf("a file that another one has taken the place of: got %v, want %v", err, errReplaced)
	}
}

func TestReadFileThatIsGone(t *testing.T) {
	gone := filepath.Join(t.TempDir(), "gone")
	for _, named := range []bool{false, true} {
		c := candidate{File: File{Path: "gone", Kind: references.YAML}, real: gone, named: named}
		c.read([]byte(host))
		if c.Text != nil || c.why != "" || (c.err != nil) != named {
			t.Errorf("named %t: got %+v, want an error only for what was named", named, c)
		}
	}
}

func TestBeginsAsDockerfile(t *testing.T) {
	for text, want := range map[string]bool{
		"FROM a":             true,
		"from a as b\nRUN c": true,
		"\ufeff# escape=`\r\n\r\n  FROM a `\r\n AS b": true,
		"FROM --platform=$BUILDPLATFORM a AS b":       true,
		"FROM a \\\n":                                 true,
		"ARG A=b\nFROM $A":                            true,
		"ARG":                                         false,
		"FROM":                                        false,
		"FROM --platform=x":                           false,
		"from os import path":                         false,
		"From: a@example.org":                         false,
		"RUN a\nFROM b":                               false,
		"# FROM a":                                    false,
		"":                                            false,
		"{}":                                          false,
	} {
		if got := beginsAsDockerfile(text); got != want {
			t.Errorf("%q: got %t, want %t", text, got, want)
		}
	}
}

func TestNotText(t *testing.T) {
	for text, want := range map[string]string{
		"":                     "",
		"FROM a\n":             "",
		"\xff":                 "",
		"a\x00":                "is binary",
		"\xff\xfea\x00":        "is UTF-16; save it as UTF-8",
		"\xfe\xff\x00a":        "is UTF-16; save it as UTF-8",
		"\xef\xbb\xbfFROM a\n": "",
	} {
		if got := notText([]byte(text)); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
