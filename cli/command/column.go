package command

// Column prints a list with one column, in the formats of PrintList. Its items are printed
// when they arrive, except as JSON.
type Column[T any] struct {
	Count int // of the items so far

	app    *App
	header string
	cell   func(T) string
	items  []T // for JSON
}

// NewColumn returns the list of items that cell returns the text of.
func NewColumn[T any](a *App, header string, cell func(T) string) *Column[T] {
	return &Column[T]{app: a, header: header, cell: cell, items: []T{}}
}

// Print prints items.
func (c *Column[T]) Print(items ...T) error {
	if c.app.Output == "json" {
		c.Count, c.items = c.Count+len(items), append(c.items, items...)
		return nil
	}
	lines := make([]string, 0, len(items)+1)
	if c.Count == 0 && len(items) > 0 && c.app.Output != "id" {
		lines = append(lines, c.header)
	}
	for _, item := range items {
		lines = append(lines, c.cell(item))
	}
	c.Count += len(items)
	return c.app.PrintIDs(lines...)
}

// Close prints what is left: all items as JSON, or the header of an empty list.
func (c *Column[T]) Close() error {
	switch {
	case c.app.Output == "json":
		return c.app.PrintItems(c.items)
	case c.Count == 0 && c.app.Output != "id":
		return c.app.PrintIDs(c.header)
	}
	return nil
}
