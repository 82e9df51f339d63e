//go:build unix && !linux

package cli

func harden() { limitCore() }
