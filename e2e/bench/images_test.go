//go:build linux

package main

import (
	"os"
	"path/filepath"
	"testing"

	"docker-credential-cgr/e2e/program"
)

// TestImages measures the commands for images once and checks how many requests they
// send. The times depend on the machine, so they are left to the benchmark.
func TestImages(t *testing.T) {
	dir := t.TempDir()
	p := &fixture{dir: dir, bin: dir, environ: map[string]string{
		"HOME": filepath.Join(dir, "home"), "PATH": os.Getenv("PATH"),
		"GORACE": "atexit_sleep_ms=0", "GOCOVERDIR": os.Getenv("GOCOVERDIR"),
	}}
	if _, err := program.Build(dir); err != nil {
		t.Fatal(err)
	}
	measured, err := p.measureImages(t.Context(), 1)
	for _, platform := range p.platforms {
		t.Cleanup(func() { _ = platform.Close() })
	}
	if err != nil {
		t.Fatal(err)
	}
	r := &report{images: measured}
	for _, b := range r.imageBudgets() {
		if !b.met && b.what != pinCheck+", against "+grepFiles {
			t.Errorf("%s: got %s, want %s", b.what, b.measured, b.limit)
		}
	}
	if measured.check.took == nil || measured.grep != nil && measured.grep.took == nil {
		t.Error("times are missing")
	}
}
