package cli

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"docker-credential-cgr/platform"
)

// answer prints what was asked for. Standard output holds nothing else.
func (p Program) answer(format string, args ...any) error {
	if _, err := fmt.Fprintf(p.Stdout, format, args...); err != nil {
		return fmt.Errorf("cannot write the answer: %w", err)
	}
	return nil
}

// answerJSON prints v for programs. Strings in it may come from others: what the log of
// a CI job would take for a command is escaped.
func (p Program) answerJSON(v any) error {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(v)
	if err == nil {
		_, err = p.Stdout.Write(bytes.ReplaceAll(out.Bytes(), []byte("##"), []byte(`#\u0023`)))
	}
	if err != nil {
		return fmt.Errorf("cannot write the answer: %w", err)
	}
	return nil
}

// table prints rows below their header for people, aligned, or as CSV for programs
// (RFC 4180), by --output. Its cells may come from others.
func (a *app) table(header []string, rows [][]string) error {
	var b strings.Builder
	if a.output == "csv" {
		w := csv.NewWriter(&b)
		_ = w.Write(header) // a strings.Builder takes everything
		for _, row := range rows {
			for i, cell := range row {
				row[i] = harmless(platform.Printable(cell))
			}
			_ = w.Write(row)
		}
		w.Flush()
		return a.answer("%s", b.String())
	}
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{header}, rows...) {
		for i, cell := range row {
			row[i] = platform.Printable(cell)
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	_ = w.Flush()
	return a.answer("%s", b.String())
}

// harmless keeps a spreadsheet from taking a cell for a formula (OWASP, CSV
// injection).
func harmless(cell string) string {
	if cell == "-" { // nothing, in a table
		return ""
	}
	if cell != "" && strings.ContainsRune("=+-@", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}

// ids prints one id a line, for scripts.
func (a *app) ids(ids []string) error {
	var b strings.Builder
	for _, id := range ids {
		b.WriteString(platform.Printable(id) + "\n")
	}
	return a.answer("%s", b.String())
}

// day is a moment for a table: its date, or a dash.
func day(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format(time.DateOnly)
}

// moment is t for JSON, which leaves a time that is not known out.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Second)
	return &t
}

// dayAndTime is how people are told when something ends.
const dayAndTime = "2 January 2006 15:04"

// until says when something ends, for people.
func until(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " until " + t.Local().Format(dayAndTime)
}
