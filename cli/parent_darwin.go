package cli

import (
	"os"

	"golang.org/x/sys/unix"
)

// parentArgs returns only the name of the parent's program, cut to 16 bytes, or nil if it
// cannot be read.
func parentArgs() []string {
	info, err := unix.SysctlKinfoProc("kern.proc.pid", os.Getppid())
	if err != nil {
		return nil
	}
	return []string{unix.ByteSliceToString(info.Proc.P_comm[:])}
}
