package scan

import (
	"cmp"
	"slices"
)

// Span is a part of a file: the bytes from Start to before End.
type Span struct{ Start, End int }

// Spans answers which bytes of a file are in one of several spans. Callers ask in the order
// of the file.
type Spans struct {
	all  []Span
	next int
	end  int // the greatest End before next
}

// NewSpans returns spans, which may overlap and be in any order.
func NewSpans(all []Span) *Spans {
	slices.SortFunc(all, func(a, b Span) int { return cmp.Compare(a.Start, b.Start) })
	return &Spans{all: all}
}

// Contain reports whether a span contains the byte at offset, which must not be less than in
// the call before.
func (s *Spans) Contain(offset int) bool {
	for ; s.next < len(s.all) && s.all[s.next].Start <= offset; s.next++ {
		s.end = max(s.end, s.all[s.next].End)
	}
	return offset < s.end
}

// Shift returns the span so many bytes further on.
func (s Span) Shift(by int) Span { return Span{s.Start + by, s.End + by} }
