package openurl

import "syscall"

const detachedProcess = 0x00000008 // DETACHED_PROCESS of CreateProcess

// detached starts a child without a console.
var detached = &syscall.SysProcAttr{CreationFlags: detachedProcess | syscall.CREATE_NEW_PROCESS_GROUP}
