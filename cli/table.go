package cli

import (
	"encoding/csv"
	"fmt"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"

	"docker-credential-cgr/platform"
)

// none stands in a cell that holds nothing.
const none = "-"

// table prints rows below their header for people, aligned and not wider than the
// terminal, or as CSV for programs (RFC 4180), by --output. Its cells may come from
// others.
func (a *app) table(header []string, rows [][]string) error {
	return a.coloredTable(header, rows, "", nil)
}

// coloredTable is table, with the cells of one column in red in the rows for which red
// reports true, where the terminal shows colors.
func (a *app) coloredTable(header []string, rows [][]string, redColumn string, red func(row int) bool) error {
	all := make([][]string, 0, len(rows)+1)
	for _, row := range append([][]string{header}, rows...) {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = platform.Printable(cell)
		}
		all = append(all, cells)
	}
	if a.output == "csv" {
		return a.csv(all)
	}
	if width, _, err := term.GetSize(int(a.Stdout.Fd())); err == nil {
		all = fitTable(all, width)
	}
	widths := columnWidths(all)
	var b strings.Builder
	for i, row := range all {
		for j, cell := range row {
			text := cell
			if j < len(row)-1 {
				text += strings.Repeat(" ", widths[j]-utf8.RuneCountInString(cell)+gapWidth)
			}
			if i > 0 && all[0][j] == redColumn && red != nil && red(i-1) && a.colors() {
				text = "\x1b[31m" + text + "\x1b[0m"
			}
			b.WriteString(text)
		}
		b.WriteByte('\n')
	}
	return a.answer("%s", b.String())
}

func (a *app) csv(rows [][]string) error {
	var b strings.Builder
	w := csv.NewWriter(&b)
	for _, row := range rows {
		for i, cell := range row {
			row[i] = harmless(cell)
		}
		_ = w.Write(row) // a strings.Builder takes everything
	}
	w.Flush()
	return a.answer("%s", b.String())
}

// harmless keeps a spreadsheet from taking a cell for a formula (OWASP, CSV
// injection).
func harmless(cell string) string {
	if cell == none {
		return ""
	}
	if cell != "" && strings.ContainsRune("=+-@", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}

const (
	gapWidth = 2 // columns between two cells
	minWidth = 6 // of a column that is shortened
	// minID is what is left of an id that is shortened: its last part, which tells
	// it from others of the same organization.
	minID = 18
)

// wholeColumns are those whose cells mean nothing when they are cut.
var wholeColumns = []string{"CREATED", "DAYS LEFT", "LAST SEEN", "EXPIRES", "TIME", "AGE", "STOOD", "TYPE", "VERIFIED"}

// spareColumns go where a terminal is too narrow for all columns, the first of them
// first.
var spareColumns = []string{"DESCRIPTION", "SAVED", "CREATED", "LAST SEEN", "ISSUER", "ORGANIZATION", "STOOD", "VERIFIED", "EXPIRES", "ROLES", "AGE", "TYPE", "DAYS LEFT"}

// fitTable returns rows, the first of which is the header, in at most width columns of
// a terminal where that can be: without columns that hold nothing, with the widest
// ones shortened, and where that does not do, without some.
func fitTable(rows [][]string, width int) [][]string {
	if tableWidth(columnWidths(rows)) <= width {
		return rows
	}
	rows = withoutEmpty(rows)
	widths := fitWidths(rows, width)
	for _, spare := range spareColumns {
		if tableWidth(widths) <= width {
			break
		}
		rows = withoutColumns(rows, func(j int) bool { return rows[0][j] == spare })
		widths = fitWidths(rows, width)
	}
	fitted := make([][]string, len(rows))
	for i, row := range rows {
		for j, cell := range row {
			fitted[i] = append(fitted[i], shorten(cell, widths[j], rows[0][j] == "ID"))
		}
	}
	return fitted
}

// fitWidths returns the widths of columns, the widest of which are shortened until the
// table has width or none can be shortened any more.
func fitWidths(rows [][]string, width int) []int {
	widths := columnWidths(rows)
	for tableWidth(widths) > width {
		widest, most := -1, 0
		for i, w := range widths {
			floor := minWidth
			switch {
			case rows[0][i] == "ID":
				floor = minID
			case slices.Contains(wholeColumns, rows[0][i]):
				floor = w
			}
			if w > most && w > floor {
				widest, most = i, w
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
	}
	return widths
}

// withoutEmpty removes the columns that hold nothing in any row.
func withoutEmpty(rows [][]string) [][]string {
	return withoutColumns(rows, func(j int) bool {
		return len(rows) > 1 && !slices.ContainsFunc(rows[1:], func(row []string) bool { return row[j] != "" && row[j] != none })
	})
}

// withoutColumns removes the columns whose numbers unwanted reports true for.
func withoutColumns(rows [][]string, unwanted func(column int) bool) [][]string {
	rest := make([][]string, len(rows))
	for j := range rows[0] {
		if unwanted(j) {
			continue
		}
		for i, row := range rows {
			rest[i] = append(rest[i], row[j])
		}
	}
	return rest
}

func columnWidths(rows [][]string) []int {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	return widths
}

func tableWidth(widths []int) int {
	total := gapWidth * (len(widths) - 1)
	for _, w := range widths {
		total += w
	}
	return total
}

// shorten cuts a text to width characters, at its beginning if fromLeft is set.
func shorten(text string, width int, fromLeft bool) string {
	runes := []rune(text)
	switch {
	case len(runes) <= width:
		return text
	case fromLeft:
		return "…" + string(runes[len(runes)-width+1:])
	}
	return string(runes[:width-1]) + "…"
}

// colors reports whether the answer may be in color (https://no-color.org).
func (p Program) colors() bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(p.Stdout.Fd()))
}

// ids prints one id a line, for scripts.
func (a *app) ids(ids []string) error {
	var b strings.Builder
	for _, id := range ids {
		fmt.Fprintln(&b, platform.Printable(id))
	}
	return a.answer("%s", b.String())
}
