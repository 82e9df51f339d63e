// Package table lays out tables for terminals, and writes them as CSV.
package table

import (
	"encoding/csv"
	"slices"
	"strings"
	"unicode/utf8"
)

// NoValue is the cell of a table without a value.
const NoValue = "-"

// Text returns rows, the first of which is the header, as aligned columns: not wider than width
// characters, unless that is 0. Cells for which isRed reports true are red.
func Text(rows [][]string, width int, isRed func(row int, column string) bool) string {
	if width > 0 {
		rows = fit(rows, width)
	}
	widths := columnWidths(rows)
	var b strings.Builder
	for i, row := range rows {
		for j, cell := range row {
			text := cell
			if j < len(row)-1 {
				text += strings.Repeat(" ", widths[j]-utf8.RuneCountInString(cell)+gapWidth)
			}
			if isRed(i, rows[0][j]) {
				text = "\x1b[31m" + text + "\x1b[0m"
			}
			b.WriteString(text)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// CSV returns rows as CSV (RFC 4180).
func CSV(rows [][]string) string {
	var b strings.Builder
	w := csv.NewWriter(&b)
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = escapeFormula(cell)
		}
		_ = w.Write(cells) // a strings.Builder does not fail
	}
	w.Flush()
	return b.String()
}

// escapeFormula prevents a spreadsheet from evaluating a cell as a formula (OWASP, CSV
// injection).
func escapeFormula(cell string) string {
	if cell == NoValue {
		return ""
	}
	if cell != "" && strings.ContainsRune("=+-@", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}

const (
	gapWidth = 2 // columns between two cells
	minWidth = 6 // of a shortened column
	// minID is the width of a shortened ID: its last part, which differs between the IDs of
	// an organization.
	minID = 18
)

// wholeColumns are the columns that are not shortened.
var wholeColumns = []string{"CREATED", "DAYS LEFT", "LAST SEEN", "EXPIRES", "TIME", "AGE", "STOOD", "TYPE", "VERIFIED"}

// spareColumns are the columns that are left out on a narrow terminal, in this order.
var spareColumns = []string{
	"DESCRIPTION", "SAVED", "CREATED", "LAST SEEN", "ISSUER", "ORGANIZATION", "STOOD", "VERIFIED", "EXPIRES",
	"ROLES", "AGE", "TYPE", "DAYS LEFT",
}

// fit makes a table at most width characters wide if possible. It removes the columns
// without values, then spareColumns until the rest can be shortened enough, and shortens the
// widest ones.
func fit(rows [][]string, width int) [][]string {
	if tableWidth(columnWidths(rows)) <= width {
		return rows
	}
	rows = withoutColumns(rows, func(j int) bool {
		return len(rows) > 1 && !slices.ContainsFunc(rows[1:], func(row []string) bool { return row[j] != "" && row[j] != NoValue })
	})
	for _, spare := range spareColumns {
		if tableWidth(leastWidths(rows)) <= width {
			break
		}
		rows = withoutColumns(rows, func(j int) bool { return rows[0][j] == spare })
	}
	widths, least := columnWidths(rows), leastWidths(rows)
	for tableWidth(widths) > width && !slices.Equal(widths, least) {
		widest := -1
		for j, w := range widths {
			if w > least[j] && (widest < 0 || w > widths[widest]) {
				widest = j
			}
		}
		widths[widest]--
	}
	for i, row := range rows {
		for j, cell := range row {
			rows[i][j] = shorten(cell, widths[j], rows[0][j] == "ID")
		}
	}
	return rows
}

// leastWidths returns the widths of the columns when all are shortened as far as they can be.
func leastWidths(rows [][]string) []int {
	widths := columnWidths(rows)
	for j, column := range rows[0] {
		switch {
		case column == "ID":
			widths[j] = min(widths[j], minID)
		case !slices.Contains(wholeColumns, column):
			widths[j] = min(widths[j], minWidth)
		}
	}
	return widths
}

// withoutColumns removes the columns for whose index unwanted reports true.
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

// shorten shortens a text to width characters, at its start if fromLeft is set.
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
