package cli

import "os"

// isReaderGone cannot be told on Windows without writing.
func isReaderGone(*os.File) bool { return false }

// isClosed reports whether f is a standard stream that the program was started without.
func isClosed(f *os.File) bool { return f.Fd() == 0 }
