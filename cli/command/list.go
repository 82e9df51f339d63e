package command

import (
	"os"

	"golang.org/x/term"

	"docker-credential-cgr/cli/table"
	"docker-credential-cgr/platform"
)

// NoValue is the cell of a table without a value.
const NoValue = table.NoValue

// List is how the items of a list are printed.
type List[T any] struct {
	Header []string
	Row    func(T) []string // the cells of an item
	ID     func(T) string

	// RedColumn has red cells in the rows of the items for which IsRed reports true, at a
	// terminal that shows colors.
	RedColumn string
	IsRed     func(T) bool
}

// PrintList prints items in the format of --output: table, json, csv or id.
func PrintList[T any](a *App, items []T, list List[T]) error {
	switch a.Output {
	case "json":
		return a.PrintItems(append([]T{}, items...))
	case "id":
		ids := make([]string, len(items))
		for i, item := range items {
			ids[i] = list.ID(item)
		}
		return a.PrintIDs(ids...)
	}
	rows := [][]string{list.Header}
	for _, item := range items {
		row := list.Row(item)
		for i, cell := range row {
			row[i] = platform.Printable(cell)
		}
		rows = append(rows, row)
	}
	if a.Output == "csv" {
		return a.Print("%s", table.CSV(rows))
	}
	width, _, err := term.GetSize(int(a.Stdout.Fd()))
	if err != nil { // not a terminal
		width = 0
	}
	return a.Print("%s", table.Text(rows, width, func(row int, column string) bool {
		return row > 0 && column == list.RedColumn && list.IsRed(items[row-1]) && a.HasColors()
	}))
}

// HasColors reports whether standard output may be in color (https://no-color.org).
func (a *App) HasColors() bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(a.Stdout.Fd()))
}
