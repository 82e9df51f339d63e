//go:build !linux && !darwin

package cli

// parentArgs returns nil: this system does not tell them easily.
func parentArgs() []string { return nil }
