//go:build linux

package main

import (
	"fmt"
	"slices"
)

// budget is a limit and what was measured. A budget that was not measured is not met.
type budget struct {
	what, limit, measured string
	met                   bool
}

// met reports whether every budget is met.
func (r *report) met() bool {
	return !slices.ContainsFunc(r.budgets(), func(b budget) bool { return !b.met })
}

func (r *report) budgets() []budget {
	all := []budget{
		r.singleBudget(getSecretService, rivalLibsecret, 0.42),
		r.singleBudget(getSecretService, bareKeyring, 1.20),
		r.singleBudget(getKernel, emptyProgram, 2.2),
		r.singleBudget(getFile, emptyProgram, 2.2),
		r.singleBudget(getForeign, emptyProgram, 2.0),
	}
	for _, store := range []string{secretService, kernelKeyring, fileStore} {
		all = append(all, r.expiredBudgets(store)...)
	}
	return slices.Concat(all, r.notSignedInBudgets(), []budget{r.peakBudget()}, r.imageBudgets())
}

func (r *report) singleBudget(name, other string, limit float64) budget {
	b := budget{what: name + ", against " + other, limit: fmt.Sprintf("%.2f", limit), measured: "not measured"}
	s, o := r.single(name), r.single(other)
	if s != nil && o != nil {
		got := ratio(s.took, o.took)
		b.measured, b.met = fmt.Sprintf("%.2f", got), got <= limit
	}
	return b
}

// burstsOf returns the bursts of a store in a state, one for each clock.
func (r *report) burstsOf(store string, state state) (found []*burst) {
	for _, b := range r.bursts {
		if b.store == store && b.state == state {
			found = append(found, b)
		}
	}
	return found
}

// expiredLimit is how much longer a burst with an expired token may take than a warm one.
const expiredLimit = 1.5

func (r *report) expiredBudgets(store string) []budget {
	prefix := fmt.Sprintf("%d at once, expired, %s: ", r.options.processes, store)
	refreshes := budget{what: prefix + "refresh requests", limit: "1", measured: "not measured"}
	wall := budget{
		what:  fmt.Sprintf("%swall time minus the issuer's %s, against warm", prefix, issuerDelay),
		limit: fmt.Sprintf("%.2f", expiredLimit), measured: "not measured",
	}
	var sent []int
	for _, b := range r.burstsOf(store, expired) {
		sent = append(sent, b.refreshes...)
		if b.clock == fromStart {
			got := ratio(b.took, b.base.took)
			wall.measured, wall.met = fmt.Sprintf("%.2f", got), got <= expiredLimit
		}
	}
	if sent != nil {
		refreshes.measured, refreshes.met = extremes(sent), slices.Max(sent) <= 1
	}
	return []budget{refreshes, wall}
}

func (r *report) notSignedInBudgets() []budget {
	processes := r.options.processes
	prefix := fmt.Sprintf("%d at once, not signed in: ", processes)
	windows := budget{what: prefix + "sign-in windows", limit: "1", measured: "not measured"}
	served := budget{what: prefix + "processes served", limit: fmt.Sprintf("all %d", processes), measured: "not measured"}
	var opened, succeeded []int
	for _, b := range r.burstsOf(signedOutStore, notSignedIn) {
		opened, succeeded = append(opened, b.windows...), append(succeeded, b.served...)
	}
	if opened != nil {
		windows.measured, windows.met = extremes(opened), slices.Max(opened) == 1
		served.measured, served.met = extremes(succeeded), slices.Min(succeeded) == processes
	}
	return []budget{windows, served}
}

// peakLimit is 20 MB, in KiB.
const peakLimit = 20_000_000 / 1024

func (r *report) peakBudget() budget {
	b := budget{what: "peak memory of a warm get, the highest of all stores", limit: megabytes(peakLimit), measured: "not measured"}
	most := 0
	for _, name := range []string{getSecretService, getAutoBus, getKernel, getAutoNoBus, getFile} {
		if s := r.single(name); s != nil && len(s.peak) > 0 {
			most = max(most, slices.Max(s.peak))
		}
	}
	if most > 0 {
		b.measured, b.met = megabytes(float64(most)), most <= peakLimit
	}
	return b
}
