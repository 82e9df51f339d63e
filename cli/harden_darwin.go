package cli

func harden() { limitCore() }
