package dockerconfig

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"docker-credential-cgr/hint"
)

// A file that could be misread is left as it is, and the error has the position.
func TestBrokenFiles(t *testing.T) {
	tests := map[string]string{ // file: line:column: error
		"utf8-bom":             "1:1: invalid JSON",
		"utf16-le":             "1:1: invalid JSON",
		"utf16-be":             "1:1: invalid JSON",
		"utf16-no-mark":        "1:2: invalid JSON",
		"nul-bytes":            "1:1: invalid JSON",
		"trailing-comma":       "4:1: invalid JSON",
		"trailing-comma-array": "4:3: invalid JSON",
		"comment-line":         "2:3: invalid JSON",
		"comment-block":        "2:15: invalid JSON",
		"comment-hash":         "1:1: invalid JSON",
		"single-quotes":        "1:2: invalid JSON",
		"cut-short":            "4:19: invalid JSON",
		"missing-brace":        "2:14: invalid JSON",
		"two-values":           "2:1: invalid JSON",
		"merge-conflict":       "1:1: invalid JSON",
		"yaml":                 "1:1: invalid JSON",
		"toml":                 "1:2: invalid JSON",
		"root-array":           "1:1: the file is not a JSON object",
		"root-null":            "1:1: the file is not a JSON object",
		"root-string":          "1:1: the file is not a JSON object",
		"helpers-list":         "2:18: credHelpers is not an object",
		"helpers-string":       "3:18: credHelpers is not an object",
		"helper-object":        `3:15: the helper of "gcr.io" is not a string`,
		"helper-null":          `1:29: the helper of "cgr.dev" is not a string`,
		"duplicate-root":       `4:3: the key "auths" a second time`,
		"duplicate-helpers":    `3:3: the key "credHelpers" a second time`,
		"duplicate-host":       `4:5: the key "cgr.dev" a second time`,
		"helpers-other-case":   `2:3: some programs take the key "credhelpers" for "credHelpers"`,
		"control-in-string":    "1:14: invalid JSON",
	}
	paths, err := filepath.Glob("testdata/broken/*.json")
	must(t, err)
	if len(paths) != len(tests) {
		t.Errorf("got %d files, want %d, one a test", len(paths), len(tests))
	}
	for name, want := range tests {
		t.Run("I30 "+name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("testdata/broken", name+".json"))
			must(t, err)
			path := writeFile(t, string(text))
			f, err := Load(path)
			if err == nil {
				t.Fatalf("got %+v, want an error", f)
			}
			if got := err.Error(); !strings.HasPrefix(got, path+":"+want) || len(hint.Of(err)) != 1 {
				t.Errorf("got %q, want it to begin with %q, and a hint", got, path+":"+want)
			}
			if strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' }) {
				t.Errorf("got %q, want one line without control characters", err)
			}
			wantText(t, path, string(text))
		})
	}
}

func TestPosition(t *testing.T) {
	text := []byte("{\r\n\t\"ü\": 1\n}")
	tests := []struct{ offset, line, column int }{{0, 1, 1}, {3, 2, 1}, {4, 2, 2}, {10, 2, 7}, {len(text), 3, 2}}
	for _, test := range tests {
		if line, column := position(text, test.offset); line != test.line || column != test.column {
			t.Errorf("offset %d: got %d:%d, want %d:%d", test.offset, line, column, test.line, test.column)
		}
	}
}
