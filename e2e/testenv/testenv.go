// Package testenv has what the fixtures of the end-to-end tests and the benchmark share.
package testenv

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Timeout is how long tests wait for a condition or a process. It is long, because the
// machine may be slow and busy.
const Timeout = 90 * time.Second

// Environ is the environment of a program. A variable with an empty value is not set.
type Environ map[string]string

// NewEnviron returns the environment of a user with a home directory below dir. The programs
// in bin come first in PATH. Secrets go to the file store, and the browser is visit in bin.
func NewEnviron(dir, bin string) Environ {
	return Environ{
		"HOME":   filepath.Join(dir, "home"),
		"TMPDIR": filepath.Join(dir, "tmp"),
		"PATH":   bin + string(os.PathListSeparator) + os.Getenv("PATH"),
		"LANG":   "C.UTF-8",
		// Otherwise programs with the race detector wait a second before they exit.
		"GORACE":              "atexit_sleep_ms=0",
		"CHAINGUARD_KEYCHAIN": "file",
		"BROWSER":             filepath.Join(bin, "visit"),
		"WINDOWS":             filepath.Join(dir, "windows"),
	}
}

// Set sets variables, each given as NAME=VALUE.
func (e Environ) Set(settings ...string) {
	for _, setting := range settings {
		name, value, _ := strings.Cut(setting, "=")
		e[name] = value
	}
}

// With returns a copy with additional variables, each given as NAME=VALUE.
func (e Environ) With(settings ...string) Environ {
	changed := maps.Clone(e)
	changed.Set(settings...)
	return changed
}

// List returns the variables as exec.Cmd takes them. The result is not nil, because a
// command with a nil environment gets that of its parent.
func (e Environ) List() []string {
	list := []string{}
	for _, name := range slices.Sorted(maps.Keys(e)) {
		if value := e[name]; value != "" {
			list = append(list, name+"="+value)
		}
	}
	return list
}

// Windows returns the addresses that browser windows were opened with (see package fakebrowser).
func (e Environ) Windows() []string {
	text, _ := os.ReadFile(e["WINDOWS"]) // the first window creates the file
	return strings.Fields(string(text))
}

// Await waits until a condition is true and fails the test after Timeout.
func Await(t testing.TB, what string, isTrue func() bool) {
	t.Helper()
	for end := time.Now().Add(Timeout); !isTrue(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("timeout while waiting until %s", what)
		}
	}
}
