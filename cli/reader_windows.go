package cli

import "os"

// readerGone cannot be told on Windows without writing.
func readerGone(*os.File) bool { return false }

// isClosed reports whether f is a standard stream that the program was started without.
func isClosed(f *os.File) bool { return f.Fd() == 0 }
