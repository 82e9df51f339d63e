package config

import (
	"os"
	"strings"
	"testing"
)

// docs/settings.md has the table of the settings.
func TestDocsHaveTheTable(t *testing.T) {
	const page = "../docs/settings.md"
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	const head = "| setting | variable | values, the default first | meaning |\n| --- | --- | --- | --- |\n"
	before, after, found := strings.Cut(text, head)
	_, rest, ended := strings.Cut(after, "\n\n")
	if !found || !ended {
		t.Fatalf("%s has no table", page)
	}
	var rows strings.Builder
	for _, p := range properties {
		values := []string{quoted(p.standard)}
		for _, value := range p.values {
			if value != p.standard {
				values = append(values, quoted(value))
			}
		}
		if p.doc == "" {
			t.Errorf("%s has no documentation", p.name)
		}
		rows.WriteString("| `" + p.name + "` | `" + Variable(p.name) + "` | " + strings.Join(values, ", ") + " | " + p.doc + " |\n")
	}
	want := before + head + rows.String() + "\n" + rest
	if text != want {
		if os.Getenv("UPDATE_DOCS") != "" {
			if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		t.Errorf("the table in %s is not that of the code; run: UPDATE_DOCS=1 go test ./config", page)
	}
}

func quoted(value string) string {
	if value == "" {
		return "not set"
	}
	return "`" + value + "`"
}
