//go:build !linux

package atomicfile

// isMounted returns false: only a folder can be a mount point here.
func isMounted(string) bool { return false }
