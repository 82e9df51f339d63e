//go:build e2e && linux

package faults

import (
	"syscall"
	"unsafe"
)

// callPtrace makes a request that package syscall has no function for, and gives
// its result, or -1.
func callPtrace(request, thread int, addr uintptr, data *byte) int {
	n, _, errno := syscall.Syscall6(syscall.SYS_PTRACE, uintptr(request), uintptr(thread), addr, uintptr(unsafe.Pointer(data)), 0, 0)
	if errno != 0 {
		return -1
	}
	return int(n)
}
