package cli

import "os"

// isReaderGone returns false: on Windows only a write can find out.
func isReaderGone(*os.File) bool { return false }

// isClosed reports whether the program was started without the standard stream f.
func isClosed(f *os.File) bool { return f.Fd() == 0 }
