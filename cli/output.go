package cli

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
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
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(v); err != nil {
		return err
	}
	return p.answer("%s", strings.ReplaceAll(escapeJSON(b.String()), "##", `#\u0023`))
}

// answerItems prints a list for programs: an object whose items it holds, as chainctl
// has it. items is a slice that is not nil.
func (p Program) answerItems(items any) error {
	return p.answerJSON(struct {
		Items any `json:"items"`
	}{items})
}

// escapeJSON writes the characters of a JSON text that could drive a terminal, which
// can stand in its strings alone, as escapes (RFC 8259, section 7).
func escapeJSON(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\n' || unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			for _, unit := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(&b, `\u%04x`, unit)
			}
		}
	}
	return b.String()
}

// day is a moment for a table: its date, or a dash.
func day(t time.Time) string {
	if t.IsZero() {
		return none
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
const dayAndTime = "2006-01-02 15:04"

// until says when something ends, for people.
func until(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " until " + t.Local().Format(dayAndTime)
}
