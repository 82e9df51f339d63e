package cli

// harden does nothing: Windows writes no core dumps by default.
func harden() {}
