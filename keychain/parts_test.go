package keychain

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

const partsLimit = 120 // a part has 93 bytes of the value

// long returns a value of n parts.
func long(n int, fill string) string { return strings.Repeat(fill, 93*n) }

func TestPartsLayout(t *testing.T) {
	m := newMemory(partsLimit)
	p := split(m, partsLimit)
	if err := p.set("n", long(3, "a"), time.Time{}); err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(maps.Keys(m.values)); !slices.Equal(got, []string{"n", "n part a0", "n part a1", "n part a2"}) {
		t.Errorf("got entries %q, want a head and three parts", got)
	}
	for name, value := range m.values {
		if len(value) > partsLimit {
			t.Errorf("I41 entry %q: got %d bytes, want %d at most", name, len(value), partsLimit)
		}
	}
	if err := p.set("n", long(2, "b"), time.Time{}); err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(maps.Keys(m.values)); !slices.Equal(got, []string{"n", "n part b0", "n part b1"}) {
		t.Errorf("got entries %q, want those of the new value only", got)
	}
	if err := p.set("n", "short", time.Time{}); err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(maps.Keys(m.values)); !slices.Equal(got, []string{"n"}) {
		t.Errorf("got entries %q, want one", got)
	}
	if _, isParts := newMemoryParts(0).(splitStore); isParts {
		t.Error("a store without a limit: got it split, want the store itself")
	}
}

// Parts that are missing, changed or of another value are never joined.
func TestPartsNeverJoinedWrongly(t *testing.T) {
	first, second := long(3, "a"), long(3, "b")
	foreign := newMemory(partsLimit) // another generation of the same slot
	if err := split(foreign, partsLimit).set("n", second, time.Time{}); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name  string
		spoil func(values map[string]string)
	}{
		{"I40 first part missing", func(v map[string]string) { delete(v, "n part a0") }},
		{"I40 last part missing", func(v map[string]string) { delete(v, "n part a2") }},
		{"I40 all parts missing", func(v map[string]string) {
			for i := range 3 {
				delete(v, partName("n", "a", i))
			}
		}},
		{"I40 one part of another generation", func(v map[string]string) { v["n part a1"] = foreign.values["n part a1"] }},
		{"I40 all parts of another generation", func(v map[string]string) {
			for i := range 3 {
				v[partName("n", "a", i)] = foreign.values[partName("n", "a", i)]
			}
		}},
		{"I40 head of another generation", func(v map[string]string) { v["n"] = foreign.values["n"] }},
		{"I40 parts swapped", func(v map[string]string) {
			generation := strings.Fields(v["n part a0"])[0]
			v["n part a0"], v["n part a1"] = generation+" "+strings.Repeat("x", 93), v["n part a0"]
		}},
		{"I40 one part cut", func(v map[string]string) { v["n part a1"] = v["n part a1"][:50] }},
		{"I40 one byte changed", func(v map[string]string) { v["n part a2"] = v["n part a2"][:119] + "x" }},
		{"I40 head that counts one less", func(v map[string]string) { v["n"] = strings.Replace(v["n"], " 3 ", " 2 ", 1) }},
		{"I40 head that counts one more", func(v map[string]string) { v["n"] = strings.Replace(v["n"], " 3 ", " 4 ", 1) }},
		{"I40 head that counts 10,000", func(v map[string]string) { v["n"] = strings.Replace(v["n"], " 3 ", " 10000 ", 1) }},
		{"I40 head of the other slot", func(v map[string]string) { v["n"] = strings.Replace(v["n"], " a ", " b ", 1) }},
		{"I38 head cut", func(v map[string]string) { v["n"] = v["n"][:30] }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := newMemory(partsLimit)
			p := split(m, partsLimit)
			if err := p.set("n", first, time.Time{}); err != nil {
				t.Fatal(err)
			}
			before := maps.Clone(m.values)
			test.spoil(m.values)
			if maps.Equal(before, m.values) {
				t.Fatal("nothing was broken")
			}
			wantAbsent(t, p, "n")
			// The next write repairs it.
			if err := p.set("n", second, time.Time{}); err != nil {
				t.Errorf("set: got %v, want no error", err)
			}
			wantValue(t, p, "n", second)
		})
	}
}

// Whichever operation of a write fails, the former value or the new one is stored whole,
// and a write without an error has succeeded.
func TestPartsInterruptedWrite(t *testing.T) {
	values := map[string]string{"short": "short", "two parts": long(2, "b"), "three parts": long(3, "c"), "five parts": long(5, "d")}
	for fromName, from := range values {
		for toName, to := range values {
			if toName == fromName {
				to = strings.ToUpper(to)
			}
			t.Run(fmt.Sprintf("I40 %s to %s", fromName, toName), func(t *testing.T) {
				for fail := 0; ; fail++ {
					m := newMemory(partsLimit)
					p := split(m, partsLimit)
					if err := p.set("n", from, time.Time{}); err != nil {
						t.Fatal(err)
					}
					done, failed := 0, false
					m.before = func(do, name string) error {
						done++
						if failed = failed || done == fail+1; failed { // all later ones fail too, as after a kill
							return errors.New("interrupted")
						}
						return nil
					}
					err := p.set("n", to, time.Time{})
					m.before = nil
					got, getErr := p.get("n")
					switch {
					case !failed && fail > 0 && err == nil && got == to:
						return // every operation has failed once
					case !failed:
						t.Fatalf("with no failure: got %.10q, %v, %v, want the new value", got, err, getErr)
					case getErr != nil || got != from && got != to:
						t.Errorf("operation %d was interrupted: got %d bytes, %v, want the former value or the new one whole", fail, len(got), getErr)
					case err == nil && got != to:
						t.Errorf("operation %d was interrupted: got success and the former value", fail)
					}
					if err := p.set("n", "next", time.Time{}); err != nil {
						t.Errorf("operation %d was interrupted: the next write: got %v, want no error", fail, err)
					}
					wantValue(t, p, "n", "next")
				}
			})
		}
	}
}

// The next removal also removes the parts that an interrupted write or removal has left.
func TestPartsDeleteRemovesAll(t *testing.T) {
	broken := errors.New("interrupted")
	empty := func(t *testing.T, m *memory, p store) {
		t.Helper()
		if err := p.delete("n"); err != nil && !errors.Is(err, ErrNotFound) {
			t.Errorf("delete: got %v, want no error", err)
		}
		if len(m.values) != 0 {
			t.Errorf("P8 after delete: got entries %q, want none", slices.Sorted(maps.Keys(m.values)))
		}
	}
	for name, former := range map[string]string{"nothing": "", "a short value": "short", "a split value": long(2, "a")} {
		t.Run("P8 a write over "+name+" was interrupted", func(t *testing.T) {
			m := newMemory(partsLimit)
			p := split(m, partsLimit)
			if former != "" {
				must(t, p.set("n", former, time.Time{}))
			}
			sets := 0
			m.before = func(do, _ string) error {
				if do == "set" {
					sets++
				}
				if sets > 4 {
					return broken
				}
				return nil
			}
			if err := p.set("n", long(5, "b"), time.Time{}); !errors.Is(err, broken) {
				t.Fatalf("got %v from the write that was interrupted", err)
			}
			m.before = nil
			empty(t, m, p)
		})
	}
	for at := range 4 {
		t.Run(fmt.Sprintf("P8 a removal was interrupted at its deletion %d", at), func(t *testing.T) {
			m := newMemory(partsLimit)
			p := split(m, partsLimit)
			must(t, p.set("n", long(3, "a"), time.Time{}))
			deletes := 0
			m.before = func(do, _ string) error {
				if do == "delete" {
					deletes++
				}
				if deletes > at {
					return broken
				}
				return nil
			}
			if err := p.delete("n"); !errors.Is(err, broken) {
				t.Fatalf("got %v from the removal that was interrupted", err)
			}
			m.before = nil
			empty(t, m, p)
		})
	}
}

// A reader whose value is replaced in the meantime gets the former value or the new one.
func TestPartsReadDuringWrite(t *testing.T) {
	former, now := long(3, "a"), long(3, "b")
	for at := range 4 { // before the head is read, and before each part is
		m := newMemory(partsLimit)
		p := split(m, partsLimit)
		if err := p.set("n", former, time.Time{}); err != nil {
			t.Fatal(err)
		}
		reads, writes := 0, 0
		m.before = func(do, _ string) error {
			if do == "get" && reads == at && writes == 0 {
				writes++
				return p.set("n", now, time.Time{})
			}
			if writes == 0 {
				reads++
			}
			return nil
		}
		got, err := p.get("n")
		if writes != 1 {
			t.Fatalf("read %d: got %d writes, want 1", at, writes)
		}
		if err != nil || got != former && got != now {
			t.Errorf("C10 replaced before read %d: got %d bytes, %v, want the former value or the new one", at, len(got), err)
		}
	}
}

func TestPartsTooBig(t *testing.T) {
	p := newMemoryParts(partsLimit)
	if err := p.set("n", "former", time.Time{}); err != nil {
		t.Fatal(err)
	}
	if err := p.set("n", long(maxParts+1, "x"), time.Time{}); err == nil {
		t.Error("I41 more than maxParts: got no error, want one")
	}
	wantValue(t, p, "n", "former")
	if err := p.set("n", long(maxParts, "x"), time.Time{}); err != nil {
		t.Errorf("I41 maxParts: got %v, want no error", err)
	}
	wantValue(t, p, "n", long(maxParts, "x"))
}

// A failure is not the same as an empty store.
func TestPartsReturnsFailures(t *testing.T) {
	broken := errors.New("locked")
	for name := range map[string]int{"n": 0, "n part a1": 0} {
		m := newMemory(partsLimit)
		p := split(m, partsLimit)
		if err := p.set("n", long(3, "a"), time.Time{}); err != nil {
			t.Fatal(err)
		}
		m.before = func(_, asked string) error {
			if asked == name {
				return broken
			}
			return nil
		}
		if _, err := p.get("n"); !errors.Is(err, broken) {
			t.Errorf("P9 get with %q locked: got %v, want the error of the store", name, err)
		}
		if err := p.delete("n"); !errors.Is(err, broken) {
			t.Errorf("P9 delete with %q locked: got %v, want the error of the store", name, err)
		}
	}
}

// A parsed head, written again, is the same text.
func FuzzParseHead(f *testing.F) {
	seeds := []string{
		head{slot: "a", generation: "G", count: 3, sum: sum("x")}.String(), head{slot: "b", generation: "G", count: maxParts, sum: ""}.String(),
		"parts/1 a G 0 s", "parts/1 c G 1 s", "parts/1 a G 01 s", "parts/1 a G +1 s", "parts/1 a  1 s", "parts/1 a G 65 s", "parts/2 a G 1 s", "",
	}
	accepted := 0
	for _, seed := range seeds {
		if _, ok := parseHead(seed); ok {
			accepted++
		}
		f.Add(seed)
	}
	if accepted == 0 {
		f.Fatal("no seed is accepted")
	}
	f.Fuzz(func(t *testing.T, value string) {
		h, ok := parseHead(value)
		if !ok {
			return
		}
		if h.String() != value {
			t.Errorf("parseHead(%q): got %#v, which writes as %q", value, h, h)
		}
		if h.count < 1 || h.count > maxParts || h.slot != "a" && h.slot != "b" || h.generation == "" || strings.Contains(h.generation, " ") {
			t.Errorf("parseHead(%q): got %#v, want 1 to %d parts, a slot and a generation", value, h, maxParts)
		}
	})
}
