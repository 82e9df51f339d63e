package dockerconfig

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"docker-credential-cgr/atomicfile"
)

// Docker writes the file between the last look at it and the change, which no
// lock keeps it from.
func TestReplaceOvertaken(t *testing.T) {
	if runtime.GOOS != "linux" && runtime.GOOS != "darwin" {
		t.Skip("this system cannot exchange two files in one step")
	}
	const theirs = `{"auths": {"registry.example": {"auth": "eDp5"}}}`
	add := func(f *File) (bool, error) { return f.Add("a.example", helper, false) }
	remove := func(f *File) (bool, error) { return f.Remove("a.example", helper) }
	write := func(t *testing.T, path string) { must(t, os.WriteFile(path, []byte(`{"auths": {}}`), 0o600)) }
	ours := func(t *testing.T, path string) { // a file that Remove takes away
		f := load(t, path)
		_, err := add(f)
		must(t, err)
		must(t, f.Save())
	}
	tests := []struct {
		name   string
		before func(t *testing.T, path string)
		edit   func(*File) (bool, error)
	}{
		{"C16 a change", write, add},
		{"C16 a new file", func(*testing.T, string) {}, add},
		{"C16 a removal", ours, remove},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "config.json")
			test.before(t, path)
			f := load(t, path)
			_, err := test.edit(f)
			must(t, err)
			temp, err := atomicfile.WriteTemp(filepath.Dir(path), tempPattern(path), f.new.text, nil)
			must(t, err)
			must(t, os.WriteFile(path, []byte(theirs), 0o600))
			if done, err := f.put(temp, false); done || err != nil {
				t.Errorf("got %v (%v), want it to have been overtaken", done, err)
			}
			if got, err := os.ReadFile(path); string(got) != theirs {
				t.Errorf("got %q (%v), want what the other wrote", got, err)
			}
		})
	}
}
