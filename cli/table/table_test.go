package table

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// A table that is too wide loses the columns without values, and the widest columns are
// shortened. IDs keep their last part.
func TestFitTable(t *testing.T) {
	id := "89fe8d4ef086da7ca570fb69a3f02392e3fc389c/0123456789abcdef"
	rows := [][]string{
		{"NAME", "DESCRIPTION", "ORGANIZATION", "CREATED", "DAYS LEFT", "LAST SEEN", "SAVED", "ID"},
		{"mirror", "", "example.com", "2026-11-01", "29", "2026-11-28", NoValue, id},
		{"a name that is much too long for any table of this width", "", "example.com", "2026-11-01", "-1", NoValue, NoValue, id[:41] + "fedcba9876543210"},
	}
	for _, width := range []int{72, 80, 120} {
		fitted := fit(rows, width)
		if got := tableWidth(columnWidths(fitted)); got > width {
			t.Errorf("%d columns: got %d", width, got)
		}
		if len(fitted[0]) != 6 {
			t.Errorf("%d columns: got the header %q, want it without DESCRIPTION and SAVED", width, fitted[0])
		}
		for i, row := range fitted[1:] {
			if row[2] != "2026-11-01" {
				t.Errorf("%d columns: got the date %q, want all of it", width, row[2])
			}
			if last := row[len(row)-1]; !strings.HasSuffix(last, rows[i+1][7][40:]) {
				t.Errorf("%d columns: got the id %q, want all of its last part", width, last)
			}
		}
	}
	whole := fit(rows, 500)
	if len(whole[0]) != 8 || whole[2][0] != rows[2][0] {
		t.Errorf("500 columns: got %q, want the table as it is", whole)
	}
	if got := fit([][]string{{"NAME", "ID"}}, 3); len(got) != 1 || len(got[0]) != 2 {
		t.Errorf("no rows: got %q, want the header", got)
	}
}

// On a terminal that is too narrow for all columns, the least important ones are left out.
func TestFitTableToNarrowTerminal(t *testing.T) {
	id := "89fe8d4ef086da7ca570fb69a3f02392e3fc389c/0123456789abcdef"
	for name, test := range map[string]struct {
		header string
		row    []string
		want   string // the header at 40 columns
	}{
		"pull-token list": {
			"NAME,DESCRIPTION,ORGANIZATION,CREATED,DAYS LEFT,LAST SEEN,SAVED,ID",
			[]string{"mirror-of-the-registry", "for the mirror", "example.com", "2026-11-01", "29", "2026-11-28", "keychain, docker-config", id},
			"NAME,DAYS LEFT,ID",
		},
		"identities list": {
			"ID,NAME,TYPE,DESCRIPTION,ROLES,ISSUER,EXPIRES",
			[]string{id, "workflow", "service_principal", "for the mirror", "example.com: registry.pull", "https://token.actions.githubusercontent.com", "2026-11-01 (expired)"},
			"ID,NAME",
		},
		"organizations list": {"ID,NAME,DESCRIPTION,VERIFIED", []string{id[:40], "example.com", "an organization", "true"}, "ID,NAME,VERIFIED"},
		"images history": {
			"TIME,AGE,STOOD,DIGEST", []string{"2026-11-01T12:00:00Z", "12 days", "until now", "sha256:" + strings.Repeat("0", 64)},
			"TIME,AGE,DIGEST",
		},
	} {
		t.Run(name, func(t *testing.T) {
			rows := [][]string{strings.Split(test.header, ","), test.row}
			for width := 40; width < 160; width++ {
				fitted := fit(rows, width)
				if got := tableWidth(columnWidths(fitted)); got > width {
					t.Errorf("%d columns: got %d of %q", width, got, fitted)
				}
				for j, column := range fitted[0] {
					if !slices.Contains(wholeColumns, column) {
						continue
					}
					if whole := test.row[slices.Index(rows[0], column)]; fitted[1][j] != whole {
						t.Errorf("%d columns: got %s %q, want %q or no such column", width, column, fitted[1][j], whole)
					}
				}
			}
			if got := strings.Join(fit(rows, 40)[0], ","); got != test.want {
				t.Errorf("40 columns: got %s, want %s", got, test.want)
			}
		})
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
