package cli

import (
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// parentArgs returns the arguments of the parent process, beginning with its name, or nil if
// they cannot be read. They must not be trusted: a process can change its own.
func parentArgs() []string {
	f, err := os.Open(filepath.Join("/proc", strconv.Itoa(os.Getppid()), "cmdline"))
	if err != nil {
		return nil
	}
	defer f.Close()
	const limit = 64 << 10
	text, err := io.ReadAll(io.LimitReader(f, limit))
	if err != nil || len(text) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00")
}
