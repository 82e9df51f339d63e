package state

import (
	"io/fs"
	"syscall"
)

// errReadOnly is the error of a write to a disk that is read-only
// (ERROR_WRITE_PROTECT).
const errReadOnly = syscall.Errno(19)

// userDirs returns none: %LocalAppData% is a folder of the user.
func userDirs(string, func(string) string) []string { return nil }

func checkShared(string) error { return nil }

const openFlags = 0

// checkPrivate returns nil: below %LocalAppData% the access control list, which modes do not
// show, keeps other users out.
func checkPrivate(string, fs.FileInfo, fs.FileMode) error { return nil }

// CheckParent returns nil, for the same reason.
func CheckParent(string) error { return nil }

func ofAnotherUser(string) bool { return false }
