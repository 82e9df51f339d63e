//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// describeMachine returns what the figures depend on: hardware and software versions.
func describeMachine() []string {
	lines := []string{
		fmt.Sprintf("%s, %d cores, %s", processor(), runtime.NumCPU(), runtime.GOARCH),
		"Linux " + firstLine("/proc/sys/kernel/osrelease"),
		strings.Replace(runtime.Version(), "go", "Go ", 1),
	}
	for _, name := range []string{"gnome-keyring", "dbus", "golang-docker-credential-helpers", "pass", "gnupg"} {
		// Without dpkg, the report has no versions.
		if out, err := exec.Command("dpkg-query", "-W", "-f", "${Version}", name).Output(); err == nil && len(out) > 0 {
			lines = append(lines, name+" "+string(out))
		}
	}
	load, _, _ := strings.Cut(firstLine("/proc/loadavg"), " ")
	return append(lines, "load at the start: "+load)
}

// processor returns the model of the first processor.
func processor() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}

func firstLine(path string) string {
	text, _ := os.ReadFile(path)
	line, _, _ := strings.Cut(string(text), "\n")
	return line
}
