//go:build linux

package main

import (
	"testing"
	"time"
)

func TestQuantile(t *testing.T) {
	values := []int{40, 10, 30, 20, 50}
	for q, want := range map[float64]float64{0: 10, 0.25: 20, 0.5: 30, 0.6: 34, 1: 50} {
		if got := quantile(values, q); got != want {
			t.Errorf("quantile %v of %v is %v, want %v", q, values, got, want)
		}
	}
	if values[0] != 40 {
		t.Error("the values were sorted in place")
	}
	if got := median([]time.Duration{time.Second}); got != 1e9 {
		t.Errorf("the median of one second is %v", got)
	}
}

func TestExtremes(t *testing.T) {
	if got := extremes([]int{1, 1}); got != "1" {
		t.Errorf("got %q, want 1", got)
	}
	if got := extremes([]int{2, 1, 3}); got != "1 to 3" {
		t.Errorf("got %q, want 1 to 3", got)
	}
}

func TestMilliseconds(t *testing.T) {
	for d, want := range map[time.Duration]string{1234 * time.Microsecond: "1.23", 12345 * time.Microsecond: "12.3"} {
		if got := milliseconds(float64(d)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
