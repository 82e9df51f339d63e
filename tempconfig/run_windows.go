package tempconfig

import "os"

// forwarded are the signals that are sent on: the console sends Ctrl-C to all of its
// processes, so this one only must not end before the command.
var forwarded = []os.Signal{os.Interrupt}

func restoreDefaults() {}

func isFromTerminal(os.Signal) bool { return true }

func exitCode(s *os.ProcessState) int { return s.ExitCode() }
