//go:build linux

package main

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// quantile returns the q-quantile of the values, interpolated linearly.
func quantile[T ~int | ~int64](values []T, q float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	at := q * float64(len(sorted)-1)
	i := int(at)
	low, high := float64(sorted[i]), float64(sorted[min(i+1, len(sorted)-1)])
	return low + (high-low)*(at-float64(i))
}

func median[T ~int | ~int64](values []T) float64 { return quantile(values, 0.5) }

// ratio returns the ratio of the medians of two series.
func ratio(a, b []time.Duration) float64 { return median(a) / median(b) }

// extremes returns the range of counts: "1 to 3", or "1" if all are equal.
func extremes[T cmp.Ordered](counts []T) string {
	low, high := slices.Min(counts), slices.Max(counts)
	if low == high {
		return fmt.Sprint(low)
	}
	return fmt.Sprintf("%v to %v", low, high)
}

func milliseconds(nanoseconds float64) string {
	ms := nanoseconds / float64(time.Millisecond)
	if ms < 10 {
		return fmt.Sprintf("%.2f", ms)
	}
	return fmt.Sprintf("%.1f", ms)
}

func quartiles(took []time.Duration) string {
	return milliseconds(quantile(took, 0.25)) + " – " + milliseconds(quantile(took, 0.75))
}

func megabytes(kib float64) string { return fmt.Sprintf("%.1f MB", kib*1024/1e6) }
