package cli

import (
	"encoding/json"
	"fmt"
	"time"
)

// answer prints what was asked for. Standard output holds nothing else.
func (p Program) answer(format string, args ...any) error {
	if _, err := fmt.Fprintf(p.Stdout, format, args...); err != nil {
		return fmt.Errorf("cannot write the answer: %w", err)
	}
	return nil
}

// answerJSON prints v for programs.
func (p Program) answerJSON(v any) error {
	encoder := json.NewEncoder(p.Stdout)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(v); err != nil {
		return fmt.Errorf("cannot write the answer: %w", err)
	}
	return nil
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
