package command

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"

	"docker-credential-cgr/platform"
)

// Print prints the result of a command. Standard output has nothing else.
func (a *App) Print(format string, args ...any) error {
	if _, err := fmt.Fprintf(a.Stdout, format, args...); err != nil {
		return fmt.Errorf("cannot write the answer: %w", err)
	}
	return nil
}

// PrintJSON prints v as JSON. It escapes what the log of a CI job would take for a command,
// because strings in v may come from others.
func (a *App) PrintJSON(v any) error {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(v); err != nil {
		return err
	}
	return a.Print("%s", strings.ReplaceAll(escapeJSON(b.String()), "##", `#\u0023`))
}

// PrintItems prints a list as JSON: an object with items, as in chainctl. items is a slice
// that is not nil.
func (a *App) PrintItems(items any) error {
	return a.PrintJSON(struct {
		Items any `json:"items"`
	}{items})
}

// PrintIDs prints one ID a line.
func (a *App) PrintIDs(ids ...string) error {
	var b strings.Builder
	for _, id := range ids {
		fmt.Fprintln(&b, platform.Printable(id))
	}
	return a.Print("%s", b.String())
}

// escapeJSON escapes the characters of a JSON text that could control a terminal. They can
// only be in its strings (RFC 8259, section 7).
func escapeJSON(text string) string {
	var b strings.Builder
	for _, r := range text {
		if r == '\n' || unicode.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
	}
	return b.String()
}

// TimeFormat is the format of a time in texts.
const TimeFormat = "2006-01-02 15:04"

// Day returns the date of t for a table.
func Day(t time.Time) string {
	if t.IsZero() {
		return NoValue
	}
	return t.Local().Format(time.DateOnly)
}

// Until returns " until" and a time, or nothing for the zero time.
func Until(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " until " + t.Local().Format(TimeFormat)
}

// JSONTime returns t for JSON, or nil for the zero time.
func JSONTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Second)
	return &t
}

// Now returns the time without Go's monotonic reading, which stands still while a laptop
// sleeps.
func Now() time.Time { return time.Now().Round(0) }

// TimeLeft returns the time until the end of something.
func TimeLeft(d time.Duration) string {
	switch {
	case d <= 0:
		return "expired"
	case d < time.Hour:
		return fmt.Sprintf("%d min left", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h left", int(d.Hours()))
	}
	return fmt.Sprintf("%d days left", int(d.Hours()/24))
}
