//go:build linux

package main

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// report holds the results of a run.
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

// against returns the ratio of s to another single process, or "" if one is missing.
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
	rows  [][]string // the first one is the header
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
	t := table{"Budgets", [][]string{{"what", "limit", "measured", "met"}}}
	for _, b := range r.budgets() {
		met := "yes"
		if !b.met {
			met = "NO"
		}
		t.rows = append(t.rows, []string{b.what, b.limit, b.measured, met})
	}
	return t
}

// singleOrder is the order of single processes in the report.
var singleOrder = []string{
	getSecretService, getAutoBus, bareKeyring, rivalLibsecret, rivalPass, getKernel, getAutoNoBus, getFile, getForeign, emptyProgram,
}

func (r *report) singleTable() table {
	t := table{"One process, warm", [][]string{{
		"what", "median, ms", "quartiles, ms", "/ empty program", "/ bare lookup", "/ secretservice",
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
			state += fmt.Sprintf(" (minus the issuer's %s)", issuerDelay)
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

// text returns the report for a terminal.
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

// markdown returns the report for docs/benchmarks.md.
func (r *report) markdown() string {
	var b strings.Builder
	b.WriteString("# Benchmarks\n\n")
	on := ""
	if r.options.date != "" {
		on = " on " + r.options.date
	}
	fmt.Fprintf(&b, "Measured%s in `e2e/` with this command (`make bench` runs it too):\n\n    %s\n\nThe machine:\n\n", on, r.command)
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

// method explains the figures about get.
func (r *report) method() string {
	return fmt.Sprintf(`Whole processes are measured, from before the start until the exit, by the monotonic clock. The program and two small Go programs (one
that does nothing, and one that looks up the same record as a `+"`get`"+` with a valid token) are built in the same way: without cgo, trimmed
and stripped. The secret has the same size everywhere: an access token of the fake platform. Everything runs in a session of its own: a
private D-Bus with an unlocked gnome-keyring, a home that is empty at first, and an environment of a few variables. Each command runs
once, and its answer is checked. Then each runs once in each of %[1]d rounds, with its input on a pipe and its output discarded, in a new
random order, so that noise affects all of them alike. A ratio compares medians of the same run; the times themselves mean little on
another machine.

A burst is %[2]d processes at once, %[3]d rounds, until the last one has exited; every answer is checked. With the clock "first start", the
processes are started one after the other as fast as the machine can, and the time counts from the first start: this is what a user
waits for, and what the limits apply to. Starting that many processes takes long, and the issuer responds in the meantime, so an
expired burst without the issuer's time can be shorter than one with a valid token. With the clock "release of all", all processes have
started, have read their input and wait for its end, which all get at the same time; the time counts from there. Then every process
looks up its token twice, before and after the refresh, and once if the token is valid. "Expired" means a refresh token and an expired
access token, with an issuer that takes %[4]s for a refresh; "warm" means a valid token. Peak memory is the kernel's ru_maxrss, of %[5]d
runs.`,
		r.options.rounds, r.options.processes, r.options.bursts, issuerDelay, peakRounds)
}
