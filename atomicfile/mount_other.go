//go:build !linux

package atomicfile

// isMounted would say whether the file at path is a mount point, which only a
// folder can be here.
func isMounted(string) bool { return false }
