//go:build linux

package main

import (
	"strings"
	"testing"
	"time"
)

// inBudget returns a report that just meets every budget.
func inBudget() *report {
	singles := func(took map[string]time.Duration) (all []*single) {
		for name, d := range took {
			all = append(all, &single{name: name, took: []time.Duration{d}, peak: []int{peakLimit}})
		}
		return all
	}
	r := &report{options: options{rounds: 1, bursts: 1, processes: 100}, command: "go run ./bench", singles: singles(map[string]time.Duration{
		getSecretService: 42, rivalLibsecret: 100, bareKeyring: 36, getKernel: 22, getFile: 22, getForeign: 20, emptyProgram: 10,
	})}
	for _, store := range []string{secretService, kernelKeyring, fileStore} {
		base := &burst{store: store, state: warm, clock: fromStart, took: []time.Duration{10}, served: []int{100}, refreshes: []int{0}, windows: []int{0}}
		after := &burst{store: store, state: expired, clock: fromStart, base: base, took: []time.Duration{15}, served: []int{100}, refreshes: []int{1}, windows: []int{0}}
		r.bursts = append(r.bursts, after, base)
	}
	r.bursts = append(r.bursts, &burst{
		store: signedOutStore, state: notSignedIn, clock: fromStart, took: []time.Duration{10}, served: []int{100}, refreshes: []int{1}, windows: []int{1},
	})
	r.images = &images{
		requested: []int{40}, concurrent: []int{8}, idle: []int{0}, pages: []int{3},
		check: &single{name: pinCheck, took: []time.Duration{15}}, grep: &single{name: grepFiles, took: []time.Duration{10}},
	}
	return r
}

func TestBudgets(t *testing.T) {
	if r := inBudget(); !r.met() {
		t.Errorf("a budget is not met:\n%s", r.text())
	}
	for what, exceed := range map[string]func(*report){
		"a slower get":             func(r *report) { r.single(getSecretService).took[0]++ },
		"a slower kernel":          func(r *report) { r.single(getKernel).took[0]++ },
		"a slower file":            func(r *report) { r.single(getFile).took[0]++ },
		"a slower foreign":         func(r *report) { r.single(getForeign).took[0]++ },
		"a faster bare lookup":     func(r *report) { r.single(bareKeyring).took[0] -= 2 },
		"more memory":              func(r *report) { r.single(getFile).peak[0]++ },
		"a slower expired burst":   func(r *report) { r.burstsOf(fileStore, expired)[0].took[0]++ },
		"two refreshes":            func(r *report) { r.burstsOf(kernelKeyring, expired)[0].refreshes[0]++ },
		"two windows":              func(r *report) { r.burstsOf(signedOutStore, notSignedIn)[0].windows[0]++ },
		"no window":                func(r *report) { r.burstsOf(signedOutStore, notSignedIn)[0].windows[0]-- },
		"one not served":           func(r *report) { r.burstsOf(signedOutStore, notSignedIn)[0].served[0]-- },
		"no bursts":                func(r *report) { r.bursts = nil },
		"an image requested twice": func(r *report) { r.images.requested[0]++ },
		"nine at once":             func(r *report) { r.images.concurrent[0]++ },
		"seven at once":            func(r *report) { r.images.concurrent[0]-- },
		"a request for nothing":    func(r *report) { r.images.idle[0]++ },
		"a page too many":          func(r *report) { r.images.pages[0]++ },
		"a slower walk":            func(r *report) { r.images.check.took[0]++ },
		"no grep":                  func(r *report) { r.images.grep = nil },
		"no other helper":          func(r *report) { r.single(rivalLibsecret).name = "" },
	} {
		r := inBudget()
		exceed(r)
		missed := 0
		for _, b := range r.budgets() {
			if !b.met {
				missed++
			}
		}
		if r.met() || missed == 0 {
			t.Errorf("%s: every budget is met:\n%s", what, r.text())
		}
		if missed > 1 && what != "no bursts" {
			t.Errorf("%s: %d budgets are not met, want 1", what, missed)
		}
	}
}

func TestMarkdown(t *testing.T) {
	r := inBudget()
	r.skipped = []skip{{rivalPass, "pass is not installed"}}
	text := r.markdown()
	for _, want := range []string{
		"\n    go run ./bench\n", "| what | limit | measured | met |\n| --- | --- | --- | --- |\n",
		"| " + rivalPass + " | pass is not installed |", "## How it is measured", "NO",
	} {
		if found := strings.Contains(text, want); found != (want != "NO") {
			t.Errorf("%q: found %v in\n%s", want, found, text)
		}
	}
}
