//go:build linux

package main

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// report is all that was measured.
type report struct {
	options options
	command string
	machine []string
	singles []*single
	bursts  []*burst
	images  *images
	skipped []skip
}

func (r *report) single(name string) *single {
	for _, s := range r.singles {
		if s.name == name {
			return s
		}
	}
	return nil
}

// against compares two single processes; "" where one is missing.
func (r *report) against(s *single, name string) string {
	other := r.single(name)
	if s == nil || other == nil || s == other {
		return ""
	}
	return fmt.Sprintf("%.2f", ratio(s.took, other.took))
}

// table is one table of the report.
type table struct {
	title string
	rows  [][]string // the first one heads the columns
}

func (r *report) tables() []table {
	tables := []table{r.budgetTable(), r.singleTable(), r.burstTable(), r.peakTable(), r.imageTable()}
	if len(r.skipped) > 0 {
		skipped := table{"Not measured", [][]string{{"what", "why"}}}
		for _, s := range r.skipped {
			skipped.rows = append(skipped.rows, []string{s.what, s.why})
		}
		tables = append(tables, skipped)
	}
	return tables
}

func (r *report) budgetTable() table {
	t := table{"Budgets", [][]string{{"what", "at most", "measured", "met"}}}
	for _, b := range r.budgets() {
		met := "yes"
		if !b.met {
			met = "NO"
		}
		t.rows = append(t.rows, []string{b.what, b.limit, b.measured, met})
	}
	return t
}

// singleOrder is how the report lists single processes.
var singleOrder = []string{
	getSecretService, getAutoBus, bareKeyring, rivalLibsecret, rivalPass, getKernel, getAutoNoBus, getFile, getForeign, emptyProgram,
}

func (r *report) singleTable() table {
	t := table{"One process, warm", [][]string{{
		"what", "median, ms", "quartiles, ms", "/ empty program", "/ bare look-up", "/ secretservice",
	}}}
	for _, name := range singleOrder {
		if s := r.single(name); s != nil {
			t.rows = append(t.rows, []string{
				s.name, milliseconds(median(s.took)), quartiles(s.took),
				r.against(s, emptyProgram), r.against(s, bareKeyring), r.against(s, rivalLibsecret),
			})
		}
	}
	return t
}

func (r *report) burstTable() table {
	t := table{fmt.Sprintf("%d processes at once", r.options.processes), [][]string{{
		"store", "token", "clock from", "median, ms", "quartiles, ms", "/ warm", "refreshes", "windows", "served",
	}}}
	for _, b := range r.bursts {
		state := string(b.state)
		against := ""
		if b.base != nil {
			state += fmt.Sprintf(" (less the issuer's %s)", issuerDelay)
			against = fmt.Sprintf("%.2f", ratio(b.took, b.base.took))
		}
		t.rows = append(t.rows, []string{
			b.store, state, string(b.clock), milliseconds(median(b.took)), quartiles(b.took), against,
			extremes(b.refreshes), extremes(b.windows), extremes(b.served),
		})
	}
	return t
}

func (r *report) peakTable() table {
	t := table{"Peak memory of one process", [][]string{{"what", "median", "most"}}}
	for _, name := range singleOrder {
		if s := r.single(name); s != nil && len(s.peak) > 0 {
			t.rows = append(t.rows, []string{s.name, megabytes(median(s.peak)), megabytes(quantile(s.peak, 1))})
		}
	}
	return t
}

// text is the report for a terminal.
func (r *report) text() string {
	var b strings.Builder
	for _, t := range r.tables() {
		widths := make([]int, len(t.rows[0]))
		for _, row := range t.rows {
			for i, cell := range row {
				widths[i] = max(widths[i], utf8.RuneCountInString(cell))
			}
		}
		fmt.Fprintf(&b, "\n%s\n\n", t.title)
		for _, row := range t.rows {
			line := ""
			for i, cell := range row {
				line += cell + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+3)
			}
			b.WriteString("  " + strings.TrimRight(line, " ") + "\n")
		}
	}
	return b.String()
}

// markdown is the report as docs/benchmarks.md.
func (r *report) markdown() string {
	var b strings.Builder
	b.WriteString("# Benchmarks\n\n")
	made := "Made"
	if r.options.date != "" {
		made += " on " + r.options.date
	}
	fmt.Fprintf(&b, "%s in `e2e/` by this command (`make bench` runs it too):\n\n    %s\n\nThe machine:\n\n", made, r.command)
	for _, line := range r.machine {
		fmt.Fprintf(&b, "- %s\n", line)
	}
	for _, t := range r.tables() {
		fmt.Fprintf(&b, "\n## %s\n\n", t.title)
		for i, row := range t.rows {
			fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
			if i == 0 {
				fmt.Fprintf(&b, "|%s\n", strings.Repeat(" --- |", len(row)))
			}
		}
	}
	fmt.Fprintf(&b, "\n## How it is measured\n\n%s\n\n%s\n", r.method(), imageMethod())
	return b.String()
}

// method says what the numbers are.
func (r *report) method() string {
	return fmt.Sprintf(`Whole processes, from before they are started until they have exited, by the monotonic clock. The program and the two
small Go programs beside it (one that does nothing, one that looks up the very record that a warm get reads) are built
the same way: without cgo, trimmed and stripped. The secret is the same size everywhere, an access token of the fake platform
for the platform. Everything runs in one session of its own: a private D-Bus with an unlocked gnome-keyring, a home that
is empty at first, an environment of a few variables. Each command is run once and its answer checked; then, in each of
%[1]d rounds, each runs once with its input on a pipe and its output thrown away, in an order that is drawn anew, so that
noise hits all alike. A ratio is one of medians of the same run; the times themselves mean little on another machine. A
burst is %[2]d processes at once, %[3]d rounds, until the last one has exited; every answer is checked. By the first clock
they are started one after the other as fast as the machine can, and the time counts from the first start: that is what
one waits who runs them, and what the budget is about. Starting so many takes long, and the issuer answers meanwhile, so
that what is left of an expired burst after the issuer's time is taken off can be less than a warm one takes. By the
second clock all are started, have read their input and wait for its end, which they are given together; the time counts
from there, and nothing hides behind the start: every process looks its token up twice, once before and once after the
refresh, where a warm one does it once. "Expired" has a refresh token and an access token past its end, at an issuer that
takes %[4]s for a refresh. Peak memory is the kernel's ru_maxrss, of %[5]d runs.`,
		r.options.rounds, r.options.processes, r.options.bursts, issuerDelay, peakRounds)
}
