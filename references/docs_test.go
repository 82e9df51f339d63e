package references

import (
	"os"
	"strings"
	"testing"
)

// docs/pinning.md has the table by which files are read.
func TestDocsHaveTheTable(t *testing.T) {
	const page = "../docs/pinning.md"
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	const head = "| files | what is read | what is written |\n| --- | --- | --- |\n"
	before, after, found := strings.Cut(text, head)
	_, rest, ended := strings.Cut(after, "\n\n")
	if !found || !ended {
		t.Fatalf("%s has no table", page)
	}
	var rows strings.Builder
	for _, rule := range Rules {
		files := strings.Fields(rule.Files)
		for i, pattern := range files {
			files[i] = "`" + pattern + "`"
		}
		written := rule.Written
		if written == "" {
			written = "nothing; it is listed"
		}
		rows.WriteString("| " + strings.Join(files, " ") + " | " + rule.Read + " | " + written + " |\n")
	}
	want := before + head + rows.String() + "\n" + rest
	if text != want {
		if os.Getenv("UPDATE_DOCS") != "" {
			if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		t.Errorf("the table in %s is not that of the code; run: UPDATE_DOCS=1 go test ./references", page)
	}
}
