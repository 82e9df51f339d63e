package cli

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// A table fits the terminal: columns that hold nothing go, and the widest ones are
// shortened, ids to the part that tells one from another.
func TestFitTable(t *testing.T) {
	id := "89fe8d4ef086da7ca570fb69a3f02392e3fc389c/0123456789abcdef"
	rows := [][]string{
		{"NAME", "DESCRIPTION", "ORGANIZATION", "CREATED", "DAYS LEFT", "LAST SEEN", "SAVED", "ID"},
		{"mirror", "", "example.com", "2026-11-01", "29", "2026-11-28", none, id},
		{"a name that somebody made much too long for any table", "", "example.com", "2026-11-01", "-1", none, none, id[:41] + "fedcba9876543210"},
	}
	for _, width := range []int{60, 72, 80, 120} {
		fitted := fitTable(rows, width)
		if got := tableWidth(columnWidths(fitted)); got > width && width >= 72 {
			t.Errorf("%d columns: got %d", width, got)
		}
		if len(fitted[0]) != 6 {
			t.Errorf("%d columns: got the header %q, want it without DESCRIPTION and SAVED", width, fitted[0])
		}
		for i, row := range fitted[1:] {
			if row[2] != "2026-11-01" {
				t.Errorf("%d columns: got the date %q, want it whole", width, row[2])
			}
			if last := row[len(row)-1]; !strings.HasSuffix(last, rows[i+1][7][40:]) {
				t.Errorf("%d columns: got the id %q, want its last part whole", width, last)
			}
		}
	}
	whole := fitTable(rows, 500)
	if len(whole[0]) != 8 || whole[2][0] != rows[2][0] {
		t.Errorf("500 columns: got %q, want the table as it is", whole)
	}
	if got := fitTable([][]string{{"NAME", "ID"}}, 3); len(got) != 1 || len(got[0]) != 2 {
		t.Errorf("no rows: got %q, want the header", got)
	}
}

func FuzzShorten(f *testing.F) {
	f.Add("sha256:0123", 5, true)
	f.Add("é…", 1, false)
	f.Fuzz(func(t *testing.T, text string, width int, fromLeft bool) {
		if width < 1 || width > 1000 {
			return
		}
		if got := shorten(text, width, fromLeft); utf8.RuneCountInString(got) > max(width, 1) {
			t.Errorf("%q to %d: got %q", text, width, got)
		}
	})
}
