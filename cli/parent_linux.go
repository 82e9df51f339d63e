package cli

import (
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// parentArgs returns the arguments of the parent process, the first being its name for
// itself, or nil if they cannot be read. They are a hint, never a reason to trust it:
// every process chooses its own.
func parentArgs() []string {
	f, err := os.Open(filepath.Join("/proc", strconv.Itoa(os.Getppid()), "cmdline"))
	if err != nil {
		return nil
	}
	defer f.Close()
	const limit = 64 << 10 // what matters comes first
	text, err := io.ReadAll(io.LimitReader(f, limit))
	if err != nil || len(text) == 0 { // a process of the kernel has none
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00")
}
