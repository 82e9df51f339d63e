package pin

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"docker-credential-cgr/hint"
)

func TestWalkSkips(t *testing.T) {
	big := strings.Repeat("#", maxSize)
	const wide = "c\x00g\x00r\x00.\x00d\x00e\x00v\x00/\x00"
	root := tree(t, map[string]string{
		"fits.yaml":    big[len(host):] + host,
		"big.yaml":     big[3:] + host + big, // at the end of what is read at once
		"big.txt":      big + host,
		"bigger.txt":   big + "none",
		"big":          "\x00" + big + host,
		"binary.yaml":  host + "\x00",
		"binary":       host + "\x00",
		"other.yaml":   "x\x00y",
		"late.yaml":    host + strings.Repeat(" ", binaryHead) + "\x00",
		"two.sh":       strings.Repeat("# text\n", binaryHead) + wide,
		"two.js":       strings.Repeat("# text\n", binaryHead) + "\x00",
		"utf16.txt":    "\xff\xfe" + wide,
		"utf16be.yaml": "\xfe\xff\x00c\x00g\x00r\x00.\x00d\x00e\x00v",
		"utf16no.yaml": "\xff\xfea\x00",
	})
	got, err := Walk(t.Context(), []string{root}, nil, host)
	if err != nil {
		t.Fatal(err)
	}
	same(t, pathsOf(t, root, got.Files), "fits.yaml")
	const reason = " is binary, or not in UTF-8"
	same(t, said(t, root, got.Skipped),
		"big.txt is over 10 MB",
		"big.yaml is over 10 MB",
		"binary.yaml"+reason,
		"late.yaml"+reason,
		"two.sh"+reason,
		"utf16.txt"+reason,
		"utf16be.yaml"+reason)

	t.Run("P24 what was named is always said", func(t *testing.T) {
		got, err := Walk(t.Context(), at(root, "binary", "other.yaml"), nil, host)
		if err != nil || len(got.Skipped) != 2 {
			t.Errorf("got %v and error %v, want two skipped", got, err)
		}
	})
}

// A big file is read in pieces into one buffer.
func TestWalkOfABigFileKeepsNothing(t *testing.T) {
	root := tree(t, map[string]string{"big.json": strings.Repeat("x", 2*maxSize)})
	before := testing.AllocsPerRun(1, func() {
		if _, err := Walk(t.Context(), []string{root}, nil, host); err != nil {
			t.Fatal(err)
		}
	})
	if before > 500 {
		t.Errorf("got %v allocations for a file in which nothing is ours, want few", before)
	}
}

func said(t *testing.T, root string, skipped []Skipped) []string {
	t.Helper()
	var all []string
	for _, s := range skipped {
		rel, err := filepath.Rel(root, s.Path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, filepath.ToSlash(rel)+" "+s.Reason)
	}
	return all
}

func TestWalkSaysAllThatCannotBeRead(t *testing.T) {
	if os.Geteuid() <= 0 {
		t.Skip("the system lets this user read everything")
	}
	root := tree(t, map[string]string{
		"Dockerfile": image, "a/Dockerfile": image, "b/Dockerfile": image, "c/x": image, "c/Dockerfile": image,
	})
	for _, path := range []string{"a/Dockerfile", "b", "c/x"} {
		path := filepath.Join(root, filepath.FromSlash(path))
		if err := os.Chmod(path, 0); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Chmod(path, 0o755) })
	}
	got, err := Walk(t.Context(), []string{root}, nil, host)
	same(t, pathsOf(t, root, got.Files), "Dockerfile", "c/Dockerfile")
	if !errors.Is(err, fs.ErrPermission) {
		t.Fatalf("got %v, want that they may not be read", err)
	}
	lines := strings.Split(err.Error(), "\n")
	if len(hint.Of(err)) != 1 {
		t.Errorf("got the hints %v, want one", hint.Of(err))
	}
	for i, line := range lines {
		lines[i] = filepath.ToSlash(strings.Replace(line, root+string(filepath.Separator), "", 1))
	}
	same(t, lines,
		"cannot read b: permission denied",
		"cannot read a/Dockerfile: permission denied",
		"cannot read c/x: permission denied")
}

func TestWalkIgnoresRemovedFile(t *testing.T) {
	gone := filepath.Join(t.TempDir(), "gone")
	for _, isArgument := range []bool{false, true} {
		w := walker{ctx: t.Context()}
		c := candidate{File: File{Path: "gone"}, real: gone, isArgument: isArgument}
		w.readAll([]*candidate{&c}, host)
		if c.Text != nil || c.skipReason != "" || (c.err != nil) != isArgument {
			t.Errorf("argument %t: got %+v, want an error only for an argument", isArgument, c)
		}
	}
}
